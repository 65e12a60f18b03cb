"""Picks the versions of a photo that count, out of all settings that editors have left.

An author may have cropped a photo in several editors; each editor's crop is a version of its own.
Of one author in one editor there is one version: what was written last counts.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cropperhead.editors import base, registry
from cropperhead.editors.base import PHOTOGRAPHER, CameraTurn, Editor, LeftOut, Settings, State
from cropperhead.errors import RejectedFile
from cropperhead.geometry.crops import Rectangle
from cropperhead.library.settings import FileSettings
from cropperhead.photos.sensor import Sensor

OTHER_PHOTO = "other_photo"  # the kind of a sidecar that is not used


@dataclass(frozen=True)
class Version:
    """One author's settings for a photo in one editor, and the file that holds them."""

    author: str
    source: str
    file: str
    editor: Editor
    settings: Settings
    exif_orientation: int  # the camera's, as that editor reads it
    is_automatic: bool = False  # nobody has made it

    def shown_as(self) -> int:
        """The orientation in which the editor displays the photo."""
        return self.editor.shown_as(self.settings, self.exif_orientation)

    def decode(self, frame: tuple[int, int], sensor: Sensor | None) -> Rectangle:
        """The crop in pixels of the stored frame, whose size is given. Raises RejectedFile."""
        orientation = self.exif_orientation
        return base.decode_in_frame(self.editor, self.settings, frame, orientation, sensor)


@dataclass(frozen=True)
class Overruled:
    """A crop that does not count, because another file says otherwise."""

    settings: FileSettings
    by: str  # that file
    version: Version | None  # None if it cannot be used anyway


@dataclass(frozen=True)
class PhotoVersions:
    """All versions of a photo."""

    cropped: tuple[Version, ...]  # the photographer's first
    left_out: tuple[LeftOut, ...]
    overruled: tuple[Overruled, ...] = ()
    of_others: tuple[LeftOut, ...] = ()  # sidecars that name another photo
    superseded: tuple[LeftOut, ...] = ()  # that cannot be read, where another says: no crop


def find_versions(
    photo: str, settings: Sequence[FileSettings], camera: Callable[[], CameraTurn]
) -> PhotoVersions:
    """Finds the versions of a photo in what `settings.read_settings` has read of it.

    `photo` is its file name. `camera`, which opens the photo, is called only if there is a crop.
    Raises RejectedFile if it has versions and none of them can be used.
    """
    latest = _Latest()
    for one in settings:
        if not one.other_photo:
            latest.add(one)
    versions = latest.versions(photo, camera)
    if latest.errors and not versions:
        raise next(iter(latest.errors.values()))[1]
    errors = [_left_out(*one) for one in latest.errors.values()]
    return PhotoVersions(
        tuple(sorted(versions, key=_order)),
        (*latest.superseded_errors(where_cropped=True), *errors),
        tuple(latest.overruled_versions(photo, camera)),
        tuple(_other_photos(settings)),
        tuple(latest.superseded_errors(where_cropped=False)),
    )


def _other_photos(settings: Sequence[FileSettings]) -> Iterator[LeftOut]:
    for one in settings:
        if one.other_photo:
            yield LeftOut(one.file, OTHER_PHOTO, f"it is the sidecar of {one.other_photo}")


class _Latest:
    """What counts for each author and editor: later settings replace earlier ones."""

    def __init__(self) -> None:
        self._cropped: dict[tuple[str, str], FileSettings] = {}
        self.errors: dict[tuple[str, str], tuple[str, RejectedFile]] = {}
        self._superseded: list[tuple[tuple[str, str], LeftOut]] = []
        self._overruled: list[tuple[FileSettings, str]] = []

    def add(self, one: FileSettings) -> None:
        key = one.key
        try:
            state = _state(one)
        except RejectedFile as error:
            self._cropped.pop(key, None)
            self._supersede_error(key)
            self.errors[key] = (one.file, error)
            return
        if state is State.SILENT:
            return
        before = self._cropped.pop(key, None)
        self._supersede_error(key)
        if before is not None:
            self._overruled.append((before, one.file))
        if state.holds_crop:
            self._cropped[key] = one

    def _supersede_error(self, key: tuple[str, str]) -> None:
        if key in self.errors:
            self._superseded.append((key, _left_out(*self.errors.pop(key))))

    def superseded_errors(self, where_cropped: bool) -> Iterator[LeftOut]:
        """Files with errors in whose place another one counts: that may hold a crop, or does not.

        An error in its place may hide a crop, too.
        """
        for key, one in self._superseded:
            if (key in self._cropped or key in self.errors) == where_cropped:
                yield one

    def versions(self, photo: str, camera: Callable[[], CameraTurn]) -> list[Version]:
        turn = camera() if self._cropped else None
        versions = []
        for key, one in self._cropped.items():
            assert turn is not None
            try:  # a bad turn costs a photo this version alone
                versions.append(_version(one, photo, turn))
            except RejectedFile as error:
                self.errors[key] = (one.file, error)
        return versions

    def overruled_versions(
        self, photo: str, camera: Callable[[], CameraTurn]
    ) -> Iterator[Overruled]:
        for one, by in self._overruled:
            try:
                version = _version(one, photo, camera())
            except RejectedFile:
                version = None
            yield Overruled(one, by, version)


def _left_out(file: str, error: RejectedFile) -> LeftOut:
    return LeftOut(file, error.kind, str(error))


def _state(one: FileSettings) -> State:
    if one.error:
        raise one.error
    return one.editor.state(one.settings)


def _version(one: FileSettings, photo: str, camera: CameraTurn) -> Version:
    orientation = base.exif_orientation(one.editor, one.settings, photo, camera)
    is_automatic = _state(one) is State.AUTOMATIC
    version = Version(
        one.author, one.source, one.file, one.editor, one.settings, orientation, is_automatic
    )
    version.shown_as()
    return version


def _order(version: Version) -> tuple[bool, int, str]:
    return version.author != PHOTOGRAPHER, registry.rank(version.editor), version.author
