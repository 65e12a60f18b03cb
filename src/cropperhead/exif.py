"""The only door to ExifTool: tags of many files at a time, none of which can end the run."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import exiftool
from exiftool.exceptions import ExifToolException

from cropperhead.errors import SetupError

Tags = Mapping[str, Any]  # "Group:Tag" -> value, as ExifTool's -G1 -n -json gives them

_COMMON = ["-n"]  # plain numbers
_GROUPED = "-G1"  # without it, Orientation of XMP and of EXIF cannot be told apart
_EVERY_WARNING = ("-a", "-G1:4")  # without it, ExifTool tells the first alone
# -fast2 stops before a maker's own notes, which hold no crop; but in a PNG already at the pixels,
# and XMP may come after them.
_SPEED, _SPEED_OF_PNG = "-fast2", "-fast"
_BROKEN_XMP = "XMP format error"
_WARNING = "ExifTool:Warning"


class TagReader:
    """A running ExifTool. Not thread safe: one for each worker."""

    def __init__(self, process: exiftool.ExifToolHelper) -> None:
        self._process = process

    def read(self, files: Sequence[Path], tags: Sequence[str]) -> dict[Path, Tags]:
        """The named tags of each file and ExifTool's warnings; files it cannot read are absent.

        `tags` are "Group:Tag". One bad file can spoil ExifTool's answer for a whole batch: the
        files are then asked for one by one.
        """
        wanted = [*tags, _WARNING, "ExifTool:Error"]
        try:
            return self._ask(files, wanted)
        except (ExifToolException, UnicodeDecodeError):
            if len(files) <= 1:
                return {}
        return {file: found for one in files for file, found in self.read([one], tags).items()}

    def _ask(self, files: Sequence[Path], tags: Sequence[str]) -> dict[Path, Tags]:
        # absolute: a relative name may begin like an option or a comment of ExifTool's
        names = {file: os.path.abspath(file) for file in files}  # noqa: PTH100 - keeps links
        pngs = [name for file, name in names.items() if file.suffix.lower() == ".png"]
        others = [name for file, name in names.items() if file.suffix.lower() != ".png"]
        answers = self._found(others, tags, _SPEED) | self._found(pngs, tags, _SPEED_OF_PNG)
        return {file: answers[name] for file, name in names.items() if name in answers}

    def _found(self, names: Sequence[str], tags: Sequence[str], speed: str) -> dict[str, Tags]:
        if not names:
            return {}
        answers = self._process.get_tags(names, tags, params=[speed, _GROUPED])
        found = {answer["SourceFile"]: answer for answer in answers}
        warned = [name for name, answer in found.items() if _WARNING in answer]
        return found | self._with_worst_warning({name: found[name] for name in warned}, speed)

    def _with_worst_warning(self, warned: dict[str, Tags], speed: str) -> dict[str, Tags]:
        """The same answers, their warning that of broken XMP where there is one among others."""
        if not warned:
            return {}
        params = [speed, *_EVERY_WARNING]
        for answer in self._process.get_tags(list(warned), [_WARNING], params=params):
            texts = [str(text) for tag, text in answer.items() if tag.endswith(":Warning")]
            worst = min(texts, key=lambda text: not text.startswith(_BROKEN_XMP))
            warned[answer["SourceFile"]] = {**warned[answer["SourceFile"]], _WARNING: worst}
        return warned


@contextmanager
def tag_reader() -> Iterator[TagReader]:
    """Starts ExifTool and stops it again. Raises SetupError where it is not installed."""
    try:
        process = exiftool.ExifToolHelper(
            common_args=_COMMON,
            check_execute=False,
            check_tag_names=False,
            encoding="utf-8",
        )
    except FileNotFoundError:
        raise SetupError(
            "ExifTool is not installed, and crops cannot be read without it. Install it with "
            "`sudo apt install libimage-exiftool-perl` (Debian, Ubuntu) or `brew install exiftool` "
            "(macOS)."
        ) from None
    with process:
        yield TagReader(process)


def is_broken_xmp(tags: Tags) -> bool:
    """Whether ExifTool could not parse the XMP, so that what it found may be half of it."""
    return str(tags.get(_WARNING, "")).startswith(_BROKEN_XMP)


def error(tags: Tags) -> str | None:
    """What ExifTool says of a file that is no photo or sidecar at all."""
    said = tags.get("ExifTool:Error")
    return None if said is None else str(said)
