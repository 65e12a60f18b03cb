"""The model that the page predicts with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from cropperhead.errors import ModelError
from cropperhead.inference import faces, litert
from cropperhead.suggest import run
from cropperhead.system import model_files, regular_file
from cropperhead.web import assets
from cropperhead.web.assets import Asset

LIGHT = "float16"  # as such a file's name ends; dvc.yaml has it
_MOST_BYTES = 100_000_000
_DATA_NOT_KNOWN = ""  # the registry does not say by its hash what a model learned from


@dataclass(frozen=True)
class PageModel:
    """An exported model: its file's name, its content and the side in px of its input."""

    name: str
    content: bytes
    fingerprint: str
    input_size: int

    @cached_property
    def asset(self) -> Asset:
        """The file as browsers get it."""
        return assets.make_asset(self.content, "tflite")


@contextmanager
def find_page_model(name: str | None) -> Iterator[tuple[Path, PageModel]]:
    """Find the model as `suggest` does: its file, and what the page is to load.

    That is the same model with weights of 16 bits, which takes a browser half as long to load, if
    it lies beside and no file is named. A model of MLflow's registry is exported first. Raises
    ModelError where there is none, or none that runs in a browser, and SetupError as
    `run.find_model` does.
    """
    with run.find_model(name) as given:
        is_registered = name is not None and model_files.is_registered(name)
        file = _exported(given) if is_registered else given
        found = read_page_model(file)
        is_named = name is not None and Path(name).expanduser().is_file()
        yield file, found if is_named else _lighter(file, found)


def read_page_model(file: Path) -> PageModel:
    """Read an exported model. Raises ModelError for any other file."""
    if file.suffix != model_files.EXPORTED:
        raise ModelError(
            f"{file}: a browser cannot run a Keras model. `dvc repro export` exports one "
            f"({model_files.EXPORTED})."
        )
    try:
        content = regular_file.read_bytes(file, _MOST_BYTES)
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from error
    size = int(litert.read_facts(content, str(file))["inputs"]["image"]["shape"][1])
    return PageModel(file.name, content, run.model_fingerprint(file), size)


def _exported(file: Path) -> Path:
    """A model of the registry, which is Keras's, as a browser can run it; written beside it."""
    from cropperhead.training import export  # noqa: PLC0415 - TensorFlow
    from cropperhead.training.networks import keras_model  # noqa: PLC0415

    exported = file.with_suffix(model_files.EXPORTED)
    model = keras_model.load_model(file)
    exported.write_bytes(export.export_model(model, LIGHT, _DATA_NOT_KNOWN))
    return exported


def _lighter(file: Path, found: PageModel) -> PageModel:
    """The same model with weights of 16 bits; itself where there is no such file beside it."""
    try:
        lighter = read_page_model(file.with_name(f"{file.stem}_{LIGHT}{file.suffix}"))
    except ModelError:
        return found
    facts = [litert.read_facts(one.content, one.name) for one in (found, lighter)]
    return lighter if facts[0] == {**facts[1], "weights": facts[0]["weights"]} else found


@cache
def faces_asset() -> Asset | None:
    """The network that finds faces, as browsers get it; None without cropperhead-base."""
    content = faces.network_bytes()
    return None if content is None else assets.make_asset(content, "tflite")
