"""What becomes of a suggested crop: printed, in a sidecar, in a copy, on the contact sheet."""

import io
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cropperhead import api
from cropperhead.errors import LibraryError, WritingError
from cropperhead.geometry.crops import Crop
from cropperhead.photos import drawing
from cropperhead.photos.exiftool import TagReader
from cropperhead.suggest.copies import CopyFolder
from cropperhead.suggest.options import SuggestLog
from cropperhead.suggest.predict import Job, Prediction, is_whole_frame
from cropperhead.system import atomic
from cropperhead.system.regular_file import open_regular
from cropperhead.writeback import write

_DECIMALS = 6  # of a fraction: 0.01 px of 10,000
_LIMITS = ("top", "left", "bottom", "right", "angle", "confidence")
# A JPEG has at most 65,535 px: of portraits, a row is about 600 high
_SHEET_WIDTH, _SHEET_COLUMNS, _SHEET_ROWS = 2000, 5, 100
_SHEET_NOTE = "A sheet of crops that CropperHead suggested"  # a sheet is recognised by this


class Delivery:
    """Prints and writes predictions as the log's options say.

    `source` is what the crops are made by (`SuggestOptions.crop_source`). `reader` is a running
    ExifTool, None unless sidecars are written, and `copies` None unless copies are.
    """

    def __init__(
        self,
        log: SuggestLog,
        model_id: str,
        source: str,
        reader: TagReader | None,
        copies: CopyFolder | None,
    ) -> None:
        self._log, self._options = log, log.options
        self._model_id, self._source = model_id, source
        self._reader, self._copies = reader, copies
        self._sheet: list[tuple[str, bytes]] = []  # captions and JPEGs

    def deliver(self, job: Job, prediction: Prediction) -> None:
        """Print and write one photo's crop; what goes wrong is logged."""
        if prediction.failure:
            self._log.fail(job.file, prediction.failure)
            return
        best = prediction.crops[0]
        if prediction.picture:
            self._sheet.append((sheet_caption(job.file, best), prediction.picture))
        if not self._options.accepts(best):
            self._log.skip(job.file, "its confidence is below --min-confidence")
            return
        self._log.suggested += 1
        self._print(job, prediction)
        if job.photo is None and job.copy_to is None:
            return
        if is_whole_frame(best):
            self._log.skip(job.file, self._why_nothing_is_written(job))
            return
        try:
            self._write_sidecar(job, best)
            self._write_copy(job, prediction)
        except WritingError as error:
            self._log.fail_writing(job.file, error)

    def finish(self) -> None:
        """Write the contact sheet, if one is wanted."""
        file = self._options.sheet
        if file is None or not self._sheet:
            return
        try:
            if not self._options.dry_run:
                write_sheet(file, self._sheet)
            self._log.drawn = len(self._sheet)
        except OSError as error:
            self._log.fail(file, f"cannot be written: {error.strerror or error}")

    def _print(self, job: Job, prediction: Prediction) -> None:
        if self._options.json:
            line = json.dumps(json_fields(job.file, prediction.crops, self._model_id))
            self._log.print(line)
        elif self._options.prints_text:
            crops = "; or ".join(map(describe_crop, prediction.crops))
            self._log.print(f"{job.file}: {crops}")

    def _why_nothing_is_written(self, job: Job) -> str:
        crops = job.photo.crops if job.photo else ()
        is_there = any(one.is_untouched and one.editor_name == self._options.write for one in crops)
        stays = "; the crop that was suggested before stays, and --undo removes it"
        return f"the whole frame is best{stays if is_there else ''}"

    def _write_sidecar(self, job: Job, crop: api.Crop) -> None:
        if job.photo is None or self._reader is None:
            return
        plain = Crop(crop.top, crop.left, crop.bottom, crop.right, crop.angle)
        wanted = write.WantedCrop(plain, job.shown_as or job.photo.camera, self._source)
        how = self._options.overwrite, self._options.dry_run, self._options.into_photos
        editor = str(self._options.write)
        outcome = write.write_crop(job.photo, wanted, editor, self._reader, *how)
        if outcome.reason:
            self._log.skip(job.file, outcome.reason)
        else:
            self._log.written += 1
            if outcome.caution or outcome.overruled:
                self._log.caution(job.file, outcome.caution or outcome.overruled)

    def _write_copy(self, job: Job, prediction: Prediction) -> None:
        if job.copy_to is None or self._copies is None:
            return
        if not self._options.dry_run:
            self._copies.write(job.copy_to, job.file, prediction.trace, prediction.copy)
        self._log.copied += 1


def json_fields(photo: Path, crops: Sequence[api.Crop], model_id: str) -> dict[str, Any]:
    """The best crop, with the others as `alternatives`, in the displayed frame, as `api.Crop`."""
    best, *others = map(_numbers, crops)
    unlike = crops[0].unlike
    return {
        "photo": str(photo),
        **best,
        "unlike": unlike,
        "alternatives": others,
        "model": model_id,
    }


def describe_crop(crop: api.Crop) -> str:
    """Describe in words how much of the photo a crop keeps, and where."""
    confidence = f"confidence {crop.confidence:.2f}"
    if crop.unlike:
        confidence += ", unlike the photos that the model learned from"
    if is_whole_frame(crop):
        return f"the whole frame, {confidence}"
    share = (crop.bottom - crop.top) * (crop.right - crop.left)
    sides = ", ".join(f"{name} {getattr(crop, name):.1%}" for name in _LIMITS[:4])
    rotation = f", turned by {crop.angle:+.1f}°{_chance(crop)}" if crop.angle else ""
    return f"keeps {share:.0%} ({sides}){rotation}, {confidence}"


def sheet_caption(photo: Path, crop: api.Crop) -> str:
    """The file's name, the crop's confidence and its rotation."""
    rotation = f", turned by {crop.angle:+.1f}°" if crop.angle else ""
    return f"{photo.name}  confidence {crop.confidence:.2f}{rotation}"


def write_sheet(file: Path, photos: Sequence[tuple[str, bytes]]) -> None:
    """Write a contact sheet of captions and JPEGs. Raises OSError, and leaves no part of a file."""
    columns = max(_SHEET_COLUMNS, -(-len(photos) // _SHEET_ROWS))
    images = [Image.open(io.BytesIO(jpeg)) for _, jpeg in photos]
    captions = [caption for caption, _ in photos]
    sheet = drawing.contact_sheet(images, min(columns, len(images)), captions, _SHEET_WIDTH)
    atomic.replace(file, partial(_save_sheet, sheet, file.suffix.lower() == ".png"))


def refuse_other_picture(file: Path) -> None:
    """Raise LibraryError if a sheet would replace another file: --sheet with a photo's name."""
    if file.exists() and not _is_sheet(file):
        raise LibraryError(
            f"--sheet: {file} already exists and was not written by CropperHead. Choose another "
            "file name."
        )


def _chance(crop: api.Crop) -> str:
    return (
        ""
        if crop.straightening is None
        else f" (helps with a probability of {crop.straightening:.0%})"
    )


def _numbers(crop: api.Crop) -> dict[str, float]:
    names = _LIMITS if crop.straightening is None else (*_LIMITS, "straightening")
    return {name: round(float(getattr(crop, name)), _DECIMALS) for name in names}


def _save_sheet(sheet: Image.Image, as_png: bool, file: Path) -> None:
    if as_png:
        note = PngInfo()
        note.add_text("Comment", _SHEET_NOTE)
        sheet.save(file, "PNG", pnginfo=note)
    else:
        sheet.save(file, "JPEG", quality=90, comment=_SHEET_NOTE.encode())


def _is_sheet(file: Path) -> bool:
    try:
        with open_regular(file) as stream, Image.open(stream) as image:
            note = image.info.get("comment") or image.info.get("Comment") or ""
    except OSError:
        return False
    return (note.decode("utf-8", "replace") if isinstance(note, bytes) else note) == _SHEET_NOTE
