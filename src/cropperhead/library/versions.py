"""Picks the versions of a photo that count, out of all settings that editors have left.

An author may have cropped a photo in several editors; each editor's crop is a version of its own.
Of one author in one editor there is one version: what was written last counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cropperhead.editors import base, registry
from cropperhead.editors.base import PHOTOGRAPHER, Editor, LeftOut, Settings, State
from cropperhead.errors import RejectedFile
from cropperhead.geometry.crops import Rectangle
from cropperhead.library.settings import FileSettings


@dataclass(frozen=True)
class Version:
    """One author's settings for a photo in one editor, and the file that holds them."""

    author: str
    source: str
    file: str
    editor: Editor
    settings: Settings
    exif_orientation: int  # the camera's, as that editor reads it

    def shown_as(self) -> int:
        """The orientation in which the editor displays the photo."""
        return self.editor.shown_as(self.settings, self.exif_orientation)

    def decode(self, width: int, height: int) -> Rectangle:
        """The crop in pixels of the stored frame, whose size is given. Raises RejectedFile."""
        return self.editor.decode(self.settings, width, height, self.exif_orientation)


@dataclass(frozen=True)
class PhotoVersions:
    """All versions of a photo."""

    camera: int  # the orientation in which the camera displays it
    cropped: tuple[Version, ...]  # the photographer's first
    left_out: tuple[LeftOut, ...]
    shown_as: int  # as the first of them is displayed


def find_versions(photo: str, settings: Sequence[FileSettings], camera: int) -> PhotoVersions:
    """Finds the versions of a photo in what `settings.read_settings` has read of it.

    `photo` is its file name, `camera` the orientation in which the camera displays it.
    Raises RejectedFile if it has versions and none of them can be used.
    """
    latest = _Latest(photo, camera)
    for one in settings:
        latest.add(one)
    cropped = latest.cropped()
    if latest.errors and not cropped:
        raise next(iter(latest.errors.values()))[1]
    left_out = [LeftOut(file, error.kind, str(error)) for file, error in latest.errors.values()]
    shown_as = cropped[0].shown_as() if cropped else camera
    return PhotoVersions(camera, cropped, tuple(left_out), shown_as)


class _Latest:
    """What counts for each author and editor: later settings replace earlier ones."""

    def __init__(self, photo: str, camera: int) -> None:
        self._photo, self._camera = photo, camera
        self._versions: dict[tuple[str, str], Version] = {}
        self.errors: dict[tuple[str, str], tuple[str, RejectedFile]] = {}

    def add(self, one: FileSettings) -> None:
        key = one.author, one.editor.name
        try:
            state, version = self._version(one)
        except RejectedFile as error:
            self._versions.pop(key, None)
            self.errors[key] = (one.file, error)
            return
        if state is State.SILENT:
            return
        self._versions.pop(key, None)
        self.errors.pop(key, None)
        if state is State.CROPPED:
            self._versions[key] = version

    def cropped(self) -> tuple[Version, ...]:
        return tuple(sorted(self._versions.values(), key=_order))

    def _version(self, one: FileSettings) -> tuple[State, Version]:
        if one.error:
            raise one.error
        state = one.editor.state(one.settings)
        camera = base.exif_orientation(one.editor, self._photo, self._camera)
        version = Version(one.author, one.source, one.file, one.editor, one.settings, camera)
        if state is State.CROPPED:
            version.shown_as()  # a bad turn costs a photo this version alone
        return state, version


def _order(version: Version) -> tuple[bool, int, str]:
    return version.author != PHOTOGRAPHER, registry.rank(version.editor), version.author
