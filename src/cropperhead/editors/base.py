"""What every editor offers to the rest of the project, and when a crop is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol, runtime_checkable

from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Crop, Rectangle
from cropperhead.photos.dng import Box
from cropperhead.photos.sensor import Sensor

# Six decimals of a fraction are 0.01 px at 10,000 px; editors themselves round corners to pixels.
FRAME_TOLERANCE_PX = 1.0
SAME_FRAME = 0.01  # of a side
PHOTOGRAPHER = "photographer"  # the author of a photo's own crop; duplicates are further authors
ALREADY_APPLIED = "already_applied"  # the kind of rejection that no sidecar can mend

Settings = Mapping[str, Any]  # in the shape that the editor's own module defines
Tags = Mapping[str, Any]  # "Group:Tag" -> value, as `photos.exiftool` gives them
MarkTexts = Mapping[str, str]  # a suggestion's mark, as `library.marks` writes and parses it


class State(Enum):
    """Whether a photo's settings in one editor hold a crop."""

    SILENT = "no settings of a crop"
    UNCROPPED = "not cropped"
    CROPPED = "cropped"
    AUTOMATIC = "cropped by the editor itself, and not changed since"

    @property
    def holds_crop(self) -> bool:
        """Whether the photo is cropped, whoever did it."""
        return self in {State.CROPPED, State.AUTOMATIC}


class LeftOut(NamedTuple):
    """A version of a photo that is not used: its file, and why."""

    file: str
    kind: str
    reason: str


@dataclass(frozen=True)
class SidecarRule:
    """How an editor names its sidecars, which are next to the photo."""

    suffix: str  # with its dot, in lower case; several editors may share one
    max_megabytes: int  # a larger file is not read
    drops_photo_suffix: bool = False  # IMG.xmp for IMG.NEF, otherwise IMG.NEF.xmp
    numbers_duplicates: bool = False  # IMG_01.NEF.xmp is the second version of IMG.NEF
    unread_for: frozenset[str] = frozenset()  # suffixes of photos in which the editor looks instead

    def name_for(self, photo: str) -> str:
        """The name of a photo's own sidecar."""
        return (PurePosixPath(photo).stem if self.drops_photo_suffix else photo) + self.suffix


@dataclass(frozen=True)
class CameraTurn:
    """How a photo is turned before any editor turns it, as orientations, 1 to 8."""

    shown_as: int  # by the rule of its format: `photo_file.PhotoFile.shown_as`
    exif: int  # by its EXIF, which some versions of editors go by
    format: str  # by its content: `photo_file.PhotoFile.format`

    @property
    def is_plain(self) -> bool:
        """Whether EXIF tells the same as the format's own rule."""
        return self.exif == self.shown_as


@dataclass(frozen=True)
class CropToWrite:
    """A crop to be written, and the photo that it is for."""

    photo: str  # the photo's file name
    frame: tuple[int, int]  # width and height of its stored frame in px
    exif_orientation: int  # the camera's, as the editor reads it
    camera: CameraTurn
    shown_now: int  # the orientation in which the editor displays the photo so far
    crop: Crop  # as displayed by `shown_as`
    shown_as: int  # the orientation in which the editor is to display the photo


class Editor(Protocol):
    """How one editor keeps the crops of photos. A module of this package is one.

    `settings` are what `read_settings` gives, `width` and `height` the stored frame's in pixels,
    `exif_orientation` is the camera's as the editor reads it (1 to 8): `camera_orientations`.
    """

    name: str  # on the command line, in a label's `source` and in marks
    tags: tuple[str, ...]  # "Group:Tag" to ask ExifTool for; empty: its sidecars are not XMP
    header_words: tuple[bytes, ...]  # one of them is in the header of a photo that has such tags
    embeds_crops: bool  # its tags inside a photo are the photo's crop; otherwise an export's
    sidecars: SidecarRule

    def has_no_crop(self, packet: bytes) -> bool:
        """Whether a photo's only packet of XMP surely holds no crop or history of this editor.

        False wherever ExifTool might read something else.
        """

    def read_settings(self, file: Path, tags: Tags) -> Settings:
        """Reads the settings of one version from one file, a sidecar or the photo.

        `tags` are the file's; a photo's `XMP-tiff:Orientation` stands in for that of its sidecar.
        Raises RejectedFile, or OSError where the file itself is read.
        """

    def state(self, settings: Settings) -> State:
        """Whether the settings hold a crop. Raises RejectedFile where they cannot be used."""

    def camera_orientations(
        self, settings: Settings, photo: str, camera: CameraTurn
    ) -> tuple[int, ...]:
        """The camera's orientation of the photo of this name, as the editor reads it.

        There are several if versions of the editor differ, of those that may have written the
        settings; the newest version's comes first. Raises RejectedFile where the settings cannot
        be used.
        """

    def shown_as(self, settings: Settings, exif_orientation: int) -> int:
        """The orientation in which the editor displays the photo. Raises RejectedFile."""

    def decode(
        self, settings: Settings, width: int, height: int, exif_orientation: int
    ) -> Rectangle:
        """The crop, of a `state` that is CROPPED, in pixels of the stored frame.

        Raises RejectedFile where the settings make no rectangle within the frame.
        """

    def read_mark(self, sidecar: bytes) -> MarkTexts:
        """The mark of a suggestion in a sidecar's bytes; empty where there is none."""


def has_none_of(words: Sequence[bytes], packet: bytes) -> bool:
    """Whether a packet of XMP holds none of some words."""
    return not any(word in packet for word in words)


@runtime_checkable
class WritableEditor(Editor, Protocol):
    """An editor whose sidecars can be written, too."""

    def write(self, before: bytes | None, new: CropToWrite, mark: MarkTexts) -> bytes:
        """A sidecar with the crop, and all else as it was `before` (None: there was none).

        An empty `mark` removes one. Raises RejectedFile where the editor could not show the crop,
        or `before` cannot be changed.
        """


@runtime_checkable
class EmbeddingEditor(WritableEditor, Protocol):
    """An editor that keeps its settings inside photos of some formats: `sidecars.unread_for`."""

    def write_inside(
        self, before: bytes | None, new: CropToWrite, mark: MarkTexts, changed: datetime
    ) -> bytes:
        """The packet of XMP for the photo, as `write` gives the sidecar; with the time of it."""


@runtime_checkable
class MeasuringEditor(Editor, Protocol):
    """An editor that measures crops of some RAW photos in another part of the sensor."""

    def measured_area(self, settings: Settings, sensor: Sensor) -> Box | None:
        """That part, in px of the stored frame; None for the frame itself. Raises RejectedFile."""


def find_area(
    editor: Editor, settings: Settings, frame: tuple[int, int], sensor: Sensor | None
) -> Box:
    """The part of the sensor in which an editor measures, in px of the stored frame.

    What differs from the frame by less than `SAME_FRAME` of its sides counts as the frame: the
    settings tell the part to some pixels only. Raises RejectedFile.
    """
    whole = Box(0, 0, *frame)
    if sensor is None or not isinstance(editor, MeasuringEditor):
        return whole
    area = editor.measured_area(settings, sensor)
    return whole if area is None or _is_frame(area, *frame) else area


def _is_frame(area: Box, width: int, height: int) -> bool:
    across = max(abs(area.left), abs(area.left + area.width - width))
    down = max(abs(area.top), abs(area.top + area.height - height))
    return across <= SAME_FRAME * width and down <= SAME_FRAME * height


def decode_in_frame(
    editor: Editor,
    settings: Settings,
    frame: tuple[int, int],
    exif_orientation: int,
    sensor: Sensor | None,
) -> Rectangle:
    """The crop, of a `state` that holds one, in pixels of the stored frame.

    `frame` is that frame's size in px, `sensor` where it is on the sensor. Raises RejectedFile.
    """
    area = find_area(editor, settings, frame, sensor)
    size = round(area.width), round(area.height)
    box = editor.decode(settings, *size, exif_orientation)
    if area == Box(0, 0, *frame):
        return box
    moved = box.moved(area.left, area.top)
    numbers = (
        f"of {size[0]} x {size[1]} px at {area.left:g}, {area.top:g}, which {editor.name} shows"
    )
    return require_within(moved, *frame, numbers)


def exif_orientation(editor: Editor, settings: Settings, photo: str, camera: CameraTurn) -> int:
    """The camera's orientation as an editor that has these settings reads it.

    Raises RejectedFile (`turn`) where versions of the editor would display the photo differently,
    and the settings do not tell which of them wrote them.
    """
    newest, *others = editor.camera_orientations(settings, photo, camera)
    shown = editor.shown_as(settings, newest)
    for other in others:
        if editor.shown_as(settings, other) != shown:
            raise RejectedFile(
                "turn",
                f"versions of {editor.name} start from orientation {newest} or {other}, and the "
                "settings do not tell which of them wrote them",
            )
    return newest


def tags_in_group(tags: Tags, group: str) -> dict[str, Any]:
    """The tags of one group, such as `XMP-crs:`, by their names without it."""
    return {
        name.removeprefix(group): value for name, value in tags.items() if name.startswith(group)
    }


def finished_export() -> RejectedFile:
    """The reason why a photo whose pixels are the crop gives no label."""
    return RejectedFile(ALREADY_APPLIED, "a finished export: its picture is cropped already")


def require_within(
    box: Rectangle, width: float, height: float, numbers: str, tolerance: float = FRAME_TOLERANCE_PX
) -> Rectangle:
    """Returns the rectangle if it has an area and leaves the frame by at most `tolerance` px.

    `width` and `height` are the frame's in pixels, `numbers` the editor's own, for the error.
    Raises RejectedFile (`inverted`, `outside`).
    """
    if not (box.width > 0 and box.height > 0):
        raise RejectedFile("inverted", f"the crop has no area: {numbers}")
    if not box.outside(width, height) <= tolerance:
        raise RejectedFile("outside", f"the crop leaves the frame: {numbers}")
    return box


def displayed_crop(box: Rectangle, width: int, height: int, shown_as: int) -> Crop:
    """Converts a rectangle in pixels of the stored frame into a crop of the displayed picture.

    `width` and `height` are the stored frame's, `shown_as` (1 to 8) is the orientation in which it
    is displayed.
    """
    shown = orientation.to_displayed(box, width, height, shown_as)
    return Crop.from_rectangle(shown, *orientation.displayed_size(width, height, shown_as))


def stored_box(crop: Crop, width: int, height: int, shown_as: int) -> Rectangle:
    """Converts a crop of the displayed picture into a rectangle in pixels of the stored frame."""
    size = orientation.displayed_size(width, height, shown_as)
    return orientation.to_stored(crop.in_pixels(*size), *size, orientation=shown_as)
