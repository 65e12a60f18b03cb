"""What becomes of single photos in the processes that look at them: crops, pictures, copies.

Each process decodes photos and runs the model for itself, so that a file on which a decoder crashes
takes nothing else along, and only small things travel between processes.
"""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from PIL import Image

from cropperhead import api
from cropperhead.api import Crop, Cropper
from cropperhead.errors import RejectedFile, SetupError
from cropperhead.photos import drawing
from cropperhead.suggest import copies

_DRAWN_PX = 400  # the long side of a picture on the sheet
_STYLES = {"cnn": drawing.STYLES["cnn"]}


@dataclass(frozen=True)
class Wish:
    """What is wanted of every photo. `copy_quality` is None where no copies are."""

    model: Path
    aspect: str
    count: int
    straighten_only: bool
    least_confidence: float
    draw: bool
    copy_quality: int | None


@dataclass(frozen=True)
class Asked:
    """One photo, shown by an orientation (1 to 8, None for the camera's); whether to copy it."""

    file: Path
    shown_as: int | None
    copy: bool


@dataclass(frozen=True)
class Answer:
    """The crops of a photo, the best first, or why there is none."""

    crops: tuple[Crop, ...] = ()
    drawn: bytes = b""  # a JPEG
    copy: bytes = b""
    trace: tuple[int, int] | None = None  # the file's size and time, when it was read
    failure: str = ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps from standard error what LiteRT writes there, past Python, of its own well-being."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@lru_cache(maxsize=1)
def cropper(model: Path) -> Cropper:
    """The model of a file, loaded once in a process. Raises as `api.load` does."""
    with _quiet():
        loaded = api.load(model)
        loaded.suggest_seen(Image.new("RGB", (8, 8)), 1.0)  # before which nothing is made ready
    return loaded


def answers(wish: Wish, asked: Sequence[Asked]) -> list[Answer]:
    """What is wanted of some photos, in order."""
    return [_answer(wish, one) for one in asked]


def failed_answer(_: Asked, error: RejectedFile) -> Answer:
    """Return the answer for a photo that ended its process or took too long."""
    return Answer(failure=str(error))


def trace(file: Path) -> tuple[int, int]:
    """A file's size and time. Raises OSError."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _answer(wish: Wish, asked: Asked) -> Answer:
    try:
        before = trace(asked.file)
        found = _looked_at(wish, asked, cropper(wish.model))
        if trace(asked.file) != before:
            return Answer(failure="it changed while it was read")
        return replace(found, trace=before)
    except (RejectedFile, SetupError) as error:
        return Answer(failure=str(error))
    except OSError as error:
        return Answer(failure=f"it cannot be read: {error.strerror}")
    except MemoryError:
        return Answer(failure="it takes more memory than there is")


def _looked_at(wish: Wish, asked: Asked, loaded: Cropper) -> Answer:
    image, frame = api.seen(asked.file, asked.shown_as)
    if wish.straighten_only:
        crops = [loaded.straighten_seen(image, frame)]
    else:
        crops = loaded.suggest_seen(image, frame, wish.aspect, wish.count)
    best, copy = crops[0], b""
    is_wanted = best.confidence >= wish.least_confidence and not is_whole(best)
    if asked.copy and wish.copy_quality is not None and is_wanted:
        copy = copies.made(asked.file, best, asked.shown_as, wish.copy_quality)
    return Answer(tuple(crops), _drawn(image, best, is_wanted) if wish.draw else b"", copy)


def is_whole(crop: Crop) -> bool:
    """Whether a crop leaves the photo as it is."""
    return (crop.top, crop.left, crop.bottom, crop.right, crop.angle) == (0, 0, 1, 1, 0)


def _drawn(image: Image.Image, crop: Crop, is_wanted: bool) -> bytes:
    small = image.convert("RGB")
    small.thumbnail((_DRAWN_PX, _DRAWN_PX))
    if is_wanted:
        small = drawing.outlined(small, {"cnn": crop.limits()}, _STYLES)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
