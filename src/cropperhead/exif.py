"""The only door to ExifTool: tags of many files at a time, none of which can end the run."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import exiftool
from exiftool.exceptions import ExifToolException

from cropperhead.errors import SetupError

Tags = Mapping[str, Any]  # "Group:Tag" -> value, as ExifTool's -G1 -n -json gives them

# -G1: without the group, Orientation of XMP and of EXIF cannot be told apart. -n: plain numbers.
_COMMON = ["-G1", "-n"]
# -fast2 stops before a maker's own notes, which hold no crop.
_SPEED = ["-fast2"]
_BROKEN_XMP = "XMP format error"


class TagReader:
    """A running ExifTool. Not thread safe: one for each worker."""

    def __init__(self, process: exiftool.ExifToolHelper) -> None:
        self._process = process

    def read(self, files: Sequence[Path], tags: Sequence[str]) -> dict[Path, Tags]:
        """The named tags of each file and ExifTool's warnings; files it cannot read are absent.

        `tags` are "Group:Tag". One bad file can spoil ExifTool's answer for a whole batch: the
        files are then asked for one by one.
        """
        wanted = [*tags, "ExifTool:Warning", "ExifTool:Error"]
        try:
            return self._ask(files, wanted)
        except (ExifToolException, UnicodeDecodeError):
            if len(files) <= 1:
                return {}
        return {file: found for one in files for file, found in self.read([one], tags).items()}

    def _ask(self, files: Sequence[Path], tags: Sequence[str]) -> dict[Path, Tags]:
        if not files:
            return {}
        answers = self._process.get_tags([str(file) for file in files], tags, params=_SPEED)
        by_name = {answer["SourceFile"]: answer for answer in answers}
        return {file: by_name[str(file)] for file in files if str(file) in by_name}


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
    return str(tags.get("ExifTool:Warning", "")).startswith(_BROKEN_XMP)


def error(tags: Tags) -> str | None:
    """What ExifTool says of a file that is no photo or sidecar at all."""
    said = tags.get("ExifTool:Error")
    return None if said is None else str(said)
