"""The files of models: where they are, and what their kinds need."""

from contextlib import suppress
from pathlib import Path

from cropperhead.errors import ModelError
from cropperhead.system.project_files import MODELS

EXPORTED, KERAS = ".tflite", ".keras"
_REGISTRY = "models:/"


def is_registered(name: str) -> bool:
    """Whether a model's name is one of MLflow's registry, such as models:/cropperhead@champion."""
    return name.startswith(_REGISTRY)


def find_named(name: str | None) -> Path:
    """Return the model's file for what was typed; None stands for the default. Raises as `find`."""
    return find_default() if name is None else find(Path(name).expanduser())


def runs_in_processes(name: str | None) -> bool:
    """Whether worker processes run this model; not one that is Keras's, as the registry's are.

    TensorFlow, which those need, takes seconds to start in each process. Not one that is missing,
    either.
    """
    try:
        return not (name and is_registered(name)) and find_named(name).suffix != KERAS
    except ModelError:
        return False


def find(path: Path) -> Path:
    """Return the file that `api.load` loads for a path. Raises ModelError if there is none."""
    if not path.is_dir():
        if not path.exists():
            raise ModelError(f"{path}: there is no such model")
        if path.suffix not in {EXPORTED, KERAS}:
            raise ModelError(f"{path}: expected a model ({EXPORTED} or {KERAS}) or its folder")
        return path
    for suffix in (EXPORTED, KERAS):
        files = sorted(path.glob(f"*{suffix}"))
        if files:
            preferred = path / f"model{suffix}"
            return preferred if preferred in files else files[0]
    raise ModelError(f"{path}: no model in this folder, expected a {EXPORTED} or {KERAS} file")


def find_default() -> Path:
    """Return the model that is loaded where none is named.

    That is the project's, in the current folder or else of the checkout that this code is in. Where
    none was trained yet, it is the base model, which learned from many people's crops. Raises
    ModelError where the package of the base model is not installed.
    """
    checkout = Path(__file__).resolve().parents[3]
    for folder in (MODELS, checkout / MODELS):
        if folder.is_dir():
            with suppress(ModelError):
                return find(folder)
    try:
        import cropperhead_base  # noqa: PLC0415 - a package of data, which may be absent
    except ModuleNotFoundError:
        raise ModelError(
            f"{MODELS}: no model is there. Train one with `dvc repro`, name one, or install "
            "cropperhead-base for one that learned from many people's crops."
        ) from None
    return Path(cropperhead_base.model_file())
