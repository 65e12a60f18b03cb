"""Keras models as files, and what they predict for photos."""

import io
import json
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cropperhead.errors import ModelError
from cropperhead.geometry.crops import Floats
from cropperhead.system import atomic
from cropperhead.system.regular_file import open_regular
from cropperhead.training.batches import Photos

_BATCH = 32  # photos; the predecessor needs 50 MB for each
_MOST_BYTES = 1_000_000_000  # unpacked; of the largest network, with its weights, 15 MB
_MOST_SIDE = 1024  # of a photo, in px
_LONGEST_PROBLEM = 300  # characters of an error of Keras's, which may quote the whole model
_NO_DATE = "1980-01-01@00:00:00"  # the earliest date that a zip archive can hold


def save_model(model: Any, file: Path) -> None:
    """Writes a `.keras` archive; the same network gives the same bytes at any time."""
    with tempfile.TemporaryDirectory(prefix="cropperhead-") as folder:
        unstable = Path(folder, "model.keras")
        model.save(unstable)
        content = _stable(unstable.read_bytes())
    atomic.replace(file, lambda unfinished: unfinished.write_bytes(content))


def load_model(file: Path) -> Any:
    """Loads a model that `save_model` wrote. Raises ModelError for any other file.

    A file may come from anybody. Keras's safe mode refuses layers that hold code.
    """
    try:
        _refuse_bomb(file)
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises nearly anything on files that are not its own
        raise ModelError(f"{file}: cannot be loaded by Keras: {_problem(error)}") from error
    if not _takes_photos(model):
        raise ModelError(
            f"{file}: not a model of CropperHead's, expected the inputs image (n, side, side, 3), "
            f"of at most {_MOST_SIDE} px, and aspect (n, 1), and named outputs"
        )
    return model


def input_size(model: Any) -> int:
    """The side in px of the square photos that a model takes."""
    return int(model.input["image"].shape[1])


def predict_limits(model: Any, photos: Photos) -> Floats:
    """A model's crops of photos, (n, 5) limits."""
    return predict_outputs(model, photos)["limits"]


def predict_outputs(model: Any, photos: Photos) -> dict[str, Floats]:
    """All outputs of a model for photos, by name, each (n, ...)."""
    count = len(photos.names)
    if not count:
        nothing = {name: np.ones((1, *each.shape[1:])) for name, each in model.input.items()}
        found = model.predict_on_batch(nothing)
        return {name: each[:0].astype(float) for name, each in found.items()}
    size = min(count, _BATCH)
    parts = [
        model.predict_on_batch(_filled(photos.inputs(slice(start, start + size)), size))
        for start in range(0, count, size)
    ]
    return {
        name: np.concatenate([part[name] for part in parts])[:count].astype(float)
        for name in parts[0]
    }


def _filled(inputs: dict[str, NDArray[Any]], size: int) -> dict[str, NDArray[Any]]:
    """Inputs with their last photo repeated up to `size`.

    For a smaller batch TensorFlow would trace the model again, and oneDNN picks other kernels.
    """
    count = len(inputs["aspect"])
    if count == size:
        return inputs
    places = np.minimum(np.arange(size), count - 1)
    return {name: each[places] for name, each in inputs.items()}


def _refuse_bomb(file: Path) -> None:
    """Raises ValueError for an archive that unpacks to too much, and zipfile's errors."""
    with open_regular(file) as stream, zipfile.ZipFile(stream) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > _MOST_BYTES:
        raise ValueError(f"it unpacks to {size:,} bytes, expected {_MOST_BYTES:,} at most")


def _problem(error: Exception) -> str:
    """The first line of an error's cause, which Keras quotes last, after the configuration."""
    text = getattr(error, "strerror", None) or str(error)
    cause = text.rpartition("Exception encountered: ")[2].strip()
    return (cause or type(error).__name__).splitlines()[0][:_LONGEST_PROBLEM]


def _takes_photos(model: Any) -> bool:
    try:
        shapes = {name: tuple(each.shape) for name, each in model.input.items()}
        side = shapes["image"][1]
        is_small = isinstance(side, int) and side <= _MOST_SIDE
        return (
            is_small
            and shapes == {"image": (None, side, side, 3), "aspect": (None, 1)}
            and isinstance(model.output, dict)
        )
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return False


def _stable(archive: bytes) -> bytes:
    """A `.keras` archive without what differs between two writings: dates and memory addresses."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name == "metadata.json":
                content = json.dumps(json.loads(content) | {"date_saved": _NO_DATE}).encode()
            if name == "config.json":
                content = _number_shared_objects(content)
            new.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def _number_shared_objects(config: bytes) -> bytes:
    """Numbers the objects that layers share 0, 1, 2...; Keras uses their memory addresses."""
    numbers: dict[bytes, bytes] = {}
    return re.sub(
        rb'(?<="shared_object_id": )\d+',
        lambda match: numbers.setdefault(match[0], str(len(numbers)).encode()),
        config,
    )
