"""Crops, small pictures and copies of single photos, made in worker processes.

Each process decodes photos and runs the model itself, so that a file on which a decoder crashes or
hangs affects no other, and only small data travels between processes.
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
from cropperhead.errors import ModelError, RejectedFile, SetupError
from cropperhead.inference.aspect_ratio import FREE
from cropperhead.library.edited_photo import EditedPhoto
from cropperhead.photos import drawing
from cropperhead.suggest import copies, pairs
from cropperhead.suggest.options import SuggestOptions

_PICTURE_PX = 400  # the long side of a photo on the sheet
_STYLES = {"cnn": drawing.STYLES["cnn"]}


@dataclass(frozen=True)
class Job:
    """One photo, and what is to be done with its crop.

    `shown_as` is the EXIF orientation (1 to 8) to show it by, None for the camera's. The crop is
    written into a sidecar of `photo` and a copy to `copy_to`, unless these are None.
    """

    file: Path
    shown_as: int | None = None
    photo: EditedPhoto | None = None
    copy_to: Path | None = None

    def for_worker(self) -> "Job":
        """The job without what no worker needs, and would take long to send."""
        return replace(self, photo=None)


@dataclass(frozen=True)
class Prediction:
    """The crops of a photo, the best first, or the reason why there are none.

    `picture` is a small JPEG with the crop drawn over it, `copy` the file's cropped copy; each is
    empty unless wanted. `trace` is the file's size and time when it was read.
    """

    crops: tuple[Crop, ...] = ()
    picture: bytes = b""
    copy: bytes = b""
    trace: tuple[int, int] | None = None
    failure: str = ""


def predict_photos(model: Path, options: SuggestOptions, jobs: Sequence[Job]) -> list[Prediction]:
    """Predict crops for some photos, in order; an error with one photo is its `failure`.

    The two files of one exposure, one after the other, are looked at once.
    """
    done: list[tuple[Job, Prediction]] = []
    for job in jobs:
        done.append((job, _predict_photo(model, options, job, done[-1] if done else None)))
    return [prediction for _, prediction in done]


def failed_prediction(_: Job, error: RejectedFile) -> Prediction:
    """The prediction for a photo that ended its process or took too long."""
    return Prediction(failure=str(error))


@lru_cache(maxsize=1)
def load_cropper(model: Path) -> Cropper:
    """Load a model once in a process. Raises as `api.load` does."""
    with _silent_stderr():
        cropper = api.load(model)
        cropper.suggest_seen(Image.new("RGB", (8, 8)), 1.0)  # LiteRT sets itself up only now
    return cropper


def file_trace(file: Path) -> tuple[int, int]:
    """Return a file's size and time, by which a change is noticed. Raises OSError."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def is_whole_frame(crop: Crop) -> bool:
    """Whether a crop leaves the photo as it is."""
    return (crop.top, crop.left, crop.bottom, crop.right, crop.angle) == (0, 0, 1, 1, 0)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what LiteRT writes to standard error, past Python, when all is well."""
    sys.stderr.flush()
    original = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)


def _predict_photo(
    model: Path, options: SuggestOptions, job: Job, last: tuple[Job, Prediction] | None
) -> Prediction:
    try:
        before = file_trace(job.file)
        if last is not None and _shows_the_same(*last, job, options):
            prediction = _with_copy(last[1], options, job)
        else:
            prediction = _predict(load_cropper(model), options, job)
        if file_trace(job.file) != before:
            return Prediction(failure="it changed while it was read")
        return replace(prediction, trace=before)
    except (RejectedFile, SetupError, ModelError) as error:
        return Prediction(failure=str(error))
    except OSError as error:
        return Prediction(failure=f"it cannot be read: {error.strerror}")
    except MemoryError:
        return Prediction(failure="it needs more memory than there is")


def _predict(cropper: Cropper, options: SuggestOptions, job: Job) -> Prediction:
    image, frame = api.seen(job.file, job.shown_as)
    if options.straighten_only:
        crops = [cropper.straighten_seen(image, frame)]
    else:
        count, straighten = 1 + options.alternatives, not options.no_straighten
        crops = cropper.suggest_seen(image, frame, options.aspect, count, straighten, options.size)
    picture = b""
    if options.sheet is not None:
        picture = _picture(image, crops[0] if _is_wanted(crops[0], options) else None)
    return _with_copy(Prediction(tuple(crops), picture), options, job)


def _shows_the_same(before: Job, prediction: Prediction, job: Job, options: SuggestOptions) -> bool:
    """Whether the prediction for the job before is true of this one's photo as well."""
    if prediction.failure or before.shown_as != job.shown_as:
        return False
    # a crop of a given shape has it only in the frame that it was found in, and a turned one may
    # leave any other
    exactly = options.aspect != FREE or any(crop.angle for crop in prediction.crops)
    is_pair = pairs.are_named_alike(before.file, job.file)
    return is_pair and pairs.show_the_same(before.file, job.file, exactly)


def _with_copy(prediction: Prediction, options: SuggestOptions, job: Job) -> Prediction:
    best, copy = prediction.crops[0], b""
    if job.copy_to is not None and _is_wanted(best, options) and not options.dry_run:
        copy = copies.cropped_copy(job.file, best, job.shown_as, options.copy_settings)
    return replace(prediction, copy=copy)


def _is_wanted(crop: Crop, options: SuggestOptions) -> bool:
    return options.accepts(crop) and not is_whole_frame(crop)


def _picture(image: Image.Image, crop: Crop | None) -> bytes:
    small = image.convert("RGB")
    small.thumbnail((_PICTURE_PX, _PICTURE_PX))
    if crop is not None:
        small = drawing.draw_outlines(small, {"cnn": crop.limits()}, _STYLES)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
