"""Every version of a photo that editors have left: whose it is, where it was read, what it says.

An author may have cropped a photo in several editors; each editor's crop is a version of its own.
Of one author in one editor there is one version: what was written last counts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Protocol

from cropperhead.editors import darktable, lightroom, rawtherapee
from cropperhead.editors.base import PHOTOGRAPHER, LeftOut, State
from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Rectangle
from cropperhead.library import settings as statements
from cropperhead.library.scan import Entry
from cropperhead.library.settings import Statement
from cropperhead.library.sidecars import PROFILES
from cropperhead.photos import exiftool


class Editor(Protocol):
    """What a module of `editors` gives; settings are as that module says."""

    def state(self, settings: Mapping[str, Any]) -> State:
        """Whether the settings hold a crop. Raises RejectedFile."""

    def shown_as(self, settings: Mapping[str, Any], exif_orientation: int) -> int:
        """The orientation by which the editor displays the photo."""

    def decode(
        self, settings: Mapping[str, Any], width: int, height: int, exif_orientation: int
    ) -> Rectangle:
        """The crop in pixels of the stored frame. Raises RejectedFile."""


# In the order in which their word on how a photo is displayed counts
EDITORS: Mapping[str, Editor] = MappingProxyType(
    {"lightroom": lightroom, "darktable": darktable, "rawtherapee": rawtherapee, "art": rawtherapee}
)
_PROFILE_EDITORS = frozenset(PROFILES.values())
_WITH_BOXES = ("image/heic", "image/heif", "image/avif")


@dataclass(frozen=True)
class Version:
    """One author's settings for a photo in one editor, and the file in which they stand."""

    author: str
    source: str
    file: str
    editor: Editor
    settings: Mapping[str, Any]
    exif_orientation: int  # the camera's, as that editor reads it

    def shown_as(self) -> int:
        """The orientation by which the editor displays the photo."""
        return self.editor.shown_as(self.settings, self.exif_orientation)

    def decode(self, width: int, height: int) -> Rectangle:
        """The crop in pixels of the stored frame, whose size is given. Raises RejectedFile."""
        return self.editor.decode(self.settings, width, height, self.exif_orientation)


@dataclass(frozen=True)
class Found:
    """What all versions of a photo say."""

    cropped: tuple[Version, ...]  # the photographer's first
    left_out: tuple[LeftOut, ...]
    shown_as: int  # as the first of them is displayed


def of(
    folder: Path,
    entry: Entry,
    tags: Mapping[str, exiftool.Tags],
    container: Callable[[], int | None],
) -> Found:
    """The versions of a photo of the library in `folder`, whose files' tags are given.

    `container` tells how an HEIC's or AVIF's own boxes turn it, for files without EXIF's word.
    Raises RejectedFile where the file is no photo, is a finished export, or where no version can
    be used though some are there.
    """
    own = tags.get(entry.file)
    if own is None:
        raise RejectedFile("unreadable", "ExifTool cannot read it")
    if not str(own.get("File:MIMEType", "")).startswith("image/"):
        raise RejectedFile("not_a_photo", "its content is no picture's")
    embedded = orientation.known(own.get("IFD0:Orientation"), 0)
    camera = embedded or (_has_boxes(own) and container()) or orientation.UPRIGHT
    heard = _Heard(camera, PurePosixPath(entry.file).suffix.lower() == ".png")
    for said in statements.of(folder, entry, tags, camera):
        heard.hear(said)
    cropped = heard.cropped()
    if heard.errors and not cropped:
        raise next(iter(heard.errors.values()))[1]
    left_out = [LeftOut(file, error.kind, str(error)) for file, error in heard.errors.values()]
    shown_as = cropped[0].shown_as() if cropped else camera
    return Found(cropped, tuple(left_out), shown_as)


class _Heard:
    """What counts of all that was said, the later statement before the earlier."""

    def __init__(self, camera: int, is_png: bool) -> None:
        # RawTherapee, measured with 5.9, passes over the EXIF of a PNG; the others do not.
        upright = dict.fromkeys(_PROFILE_EDITORS if is_png else (), orientation.UPRIGHT)
        self._cameras = dict.fromkeys(EDITORS, camera) | upright
        self._versions: dict[tuple[str, str], Version] = {}
        self.errors: dict[tuple[str, str], tuple[str, RejectedFile]] = {}

    def hear(self, said: Statement) -> None:
        key, editor = (said.author, said.editor), EDITORS[said.editor]
        try:
            if said.error:
                raise said.error
            state = editor.state(said.settings)
            camera = self._cameras[said.editor]
            version = Version(said.author, said.source, said.file, editor, said.settings, camera)
            if state is State.CROPPED:
                version.shown_as()  # a bad turn costs a photo this version alone
        except RejectedFile as error:
            self._versions.pop(key, None)
            self.errors[key] = (said.file, error)
            return
        if state is State.SILENT:
            return
        self._versions.pop(key, None)
        self.errors.pop(key, None)
        if state is State.CROPPED:
            self._versions[key] = version

    def cropped(self) -> tuple[Version, ...]:
        ranks = list(EDITORS)
        order = sorted(self._versions, key=lambda k: (k[0] != PHOTOGRAPHER, ranks.index(k[1]), k))
        return tuple(self._versions[key] for key in order)


def _has_boxes(tags: exiftool.Tags) -> bool:
    return tags.get("File:MIMEType") in _WITH_BOXES
