"""Which trained model is meant, and what it is known by."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cropperhead import api
from cropperhead.errors import ModelError, SetupError
from cropperhead.system.project_files import MODELS

_IN_REGISTRY = "models:/"
_ID_DIGITS = 12  # of a SHA-256


@contextmanager
def chosen(name: str | None) -> Iterator[Path]:
    """A model's file: by its path or folder, or by its name in MLflow's registry.

    None is for that of the folder one stands in, else that of the project that is installed. Raises
    ModelError where there is none, SetupError where MLflow is needed and not installed.
    """
    if name is not None and name.startswith(_IN_REGISTRY):
        with tempfile.TemporaryDirectory(prefix="cropperhead-") as folder:
            yield _downloaded(name, Path(folder))
    else:
        yield api.model_file(_default() if name is None else Path(name).expanduser())


def fingerprint(file: Path) -> str:
    """What a model is known by: the beginning of its file's SHA-256."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:_ID_DIGITS]


def _default() -> Path:
    installed = Path(__file__).resolve().parents[3] / MODELS
    folder = MODELS if MODELS.is_dir() or not installed.is_dir() else installed
    if not folder.is_dir():
        raise ModelError(
            f"{MODELS}: there is no such folder. Train a model with `dvc repro`, or name one with "
            "--model."
        )
    return folder


def _downloaded(name: str, folder: Path) -> Path:
    try:
        from cropperhead.training import tracking  # noqa: PLC0415 - MLflow and TensorFlow
    except ModuleNotFoundError as error:
        raise SetupError(
            f"{name}: MLflow's registry needs {error.name}, which is not installed. Install "
            "cropperhead[pipeline], or name a file with --model."
        ) from error
    return tracking.downloaded(name, folder)
