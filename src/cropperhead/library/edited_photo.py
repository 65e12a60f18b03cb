"""How a photo stands before a crop is written: its frame, and every crop that it already has."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from cropperhead.editors import base, registry
from cropperhead.editors.base import PHOTOGRAPHER, LeftOut, Settings
from cropperhead.errors import RejectedFile
from cropperhead.geometry.crops import FULL_FRAME, Crop, Rectangle
from cropperhead.library import marks, settings
from cropperhead.library.journal import Journals
from cropperhead.library.marks import Mark
from cropperhead.library.scan import Entry
from cropperhead.library.settings import FileSettings
from cropperhead.library.suggestion_history import Marks, find_suggestions
from cropperhead.library.versions import Version, find_versions
from cropperhead.photos import exiftool, precheck
from cropperhead.photos import image as photos
from cropperhead.photos import raw as raws

_ORIENTATIONS = ("File:MIMEType", "XMP-tiff:Orientation", "IFD0:Orientation")
_BATCH = 100  # files for which ExifTool is asked at a time

Trace = tuple[int, int] | None  # a file's size and time, None for none


@dataclass(frozen=True)
class Held:
    """A crop that a photo has in one editor."""

    version: Version
    editor: str
    box: Rectangle  # in pixels of the stored frame
    crop: Crop  # as displayed by `shown_as`
    shown_as: int
    mark: Mark | None  # where it was a suggestion
    is_untouched: bool  # it still is the suggestion

    def __str__(self) -> str:
        return f"{self.version.source} ({self.version.file})"


@dataclass(frozen=True)
class Photo:
    """A photo of the library in `folder`, as it was when it was looked at."""

    folder: Path
    entry: Entry
    frame: tuple[int, int]  # of the stored pixels, in px
    camera: int  # EXIF's orientation
    held: tuple[Held, ...]  # the photographer's first
    left_out: tuple[LeftOut, ...]
    tags: exiftool.Tags  # its own, without its sidecars'
    said: tuple[FileSettings, ...]
    traces: Mapping[Path, Trace]  # its own and its sidecars', from before anything was read
    suggested: Marks  # what was written for it, whatever became of that

    @property
    def file(self) -> Path:
        """The photo itself."""
        return self.folder / self.entry.file

    def exif_orientation(self, editor: str) -> int:
        """EXIF's orientation as an editor reads it."""
        return base.exif_orientation(registry.find_editor(editor), self.file.name, self.camera)

    def shown_as(self, editor: str) -> int:
        """The orientation by which an editor displays the photo now. Raises RejectedFile."""
        exif_orientation = self.exif_orientation(editor)
        return registry.find_editor(editor).shown_as(self.settings(editor), exif_orientation)

    def is_turned(self, editor: str) -> bool:
        """Whether a person has turned or mirrored the photo in an editor. Raises RejectedFile."""
        untouched = registry.find_editor(editor).shown_as({}, self.exif_orientation(editor))
        return self.shown_as(editor) != untouched

    def upright(self, editor: str) -> int:
        """The orientation in which a suggestion for an editor is to be made. Raises RejectedFile.

        A person's own, else the camera's: RawTherapee does not mirror by EXIF, but can be told to.
        """
        return self.shown_as(editor) if self.is_turned(editor) else self.camera

    def settings(self, editor: str) -> Settings:
        """What the photographer's version in an editor says last; nothing where nothing is said."""
        own = [
            one.settings
            for one in self.said
            if (one.author, one.editor.name) == (PHOTOGRAPHER, editor)
            and any(value is not None for value in one.settings.values())
        ]
        return own[-1] if own else {}  # a sidecar of another editor says nothing for this one


def cropped_by_a_person(photo: Photo) -> str | None:
    """Where a person has cropped a photo, in any editor; None where nobody has.

    Our own suggestion, as long as it is untouched, is nobody's crop. A crop that cannot be read
    (in a perspective correction, say) is somebody's.
    """
    made = [str(one) for one in photo.held if not one.is_untouched]
    unread = [f"{one.file}: {one.reason}" for one in photo.left_out]
    return "; ".join(made + unread) or None


def look(
    folder: Path, entries: Sequence[Entry], reader: exiftool.TagReader, max_megapixels: float
) -> Iterator[Photo | RejectedFile]:
    """Looks at photos of the library in `folder`, in order: each, or why it cannot be used.

    A finished export, and a photo none of whose crops can be read, cannot.
    """
    journals = Journals()
    for start in range(0, len(entries), _BATCH):
        batch = entries[start : start + _BATCH]
        seen = [traces(folder, entry) for entry in batch]
        tags = _tags(folder, batch, reader)
        for entry, before in zip(batch, seen, strict=True):
            try:
                yield _photo(folder, entry, tags, max_megapixels, (before, journals))
            except RejectedFile as error:
                yield error
            except OSError as error:
                yield RejectedFile("unreadable", f"cannot be opened: {error.strerror}")


def traces(folder: Path, entry: Entry) -> Mapping[Path, Trace]:
    """The traces of a photo and its sidecars as they are now."""
    return {folder / name: _trace(folder / name) for name in (entry.file, *entry.sidecars)}


def _trace(file: Path) -> Trace:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _tags(
    folder: Path, batch: Sequence[Entry], reader: exiftool.TagReader
) -> Mapping[str, exiftool.Tags]:
    """What ExifTool says of photos and of their XMP sidecars, by path in the library."""
    asked = [folder / entry.file for entry in batch if not _is_bomb(folder / entry.file)]
    sidecars = [folder / name for entry in batch for name in entry.sidecars]
    said = reader.read(asked, [*settings.photo_tags(), *_ORIENTATIONS])
    xmp = [file for file in sidecars if settings.is_for_exiftool(file)]
    said |= reader.read(xmp, settings.sidecar_tags())
    return {file.relative_to(folder).as_posix(): one for file, one in said.items()}


def _is_bomb(file: Path) -> bool:
    try:
        return precheck.is_bomb(file)
    except OSError:
        return True


def _photo(
    folder: Path,
    entry: Entry,
    tags: Mapping[str, exiftool.Tags],
    max_megapixels: float,
    known: tuple[Mapping[Path, Trace], Journals],
) -> Photo:
    seen, journals = known
    frame, container = _frame(folder / entry.file, max_megapixels)
    found = find_versions(folder, entry, tags, lambda: container)
    own = tags[entry.file]
    suggested = find_suggestions(folder, entry, journals)
    held, left_out = [], list(found.left_out)
    for version in found.cropped:
        try:
            one = _held(version, frame, suggested)
        except RejectedFile as error:
            left_out.append(LeftOut(version.file, error.kind, str(error)))
            continue
        if astuple(one.crop) != FULL_FRAME:
            held.append(one)
    places = frame, found.camera
    crops = tuple(held), tuple(left_out)
    return Photo(folder, entry, *places, *crops, own, found.settings, seen, suggested)


def _held(version: Version, frame: tuple[int, int], suggested: Marks) -> Held:
    """A crop; untouched in whichever editor it stands, for one editor takes over another's."""
    box, shown_as = version.decode(*frame), version.shown_as()
    editor = version.editor.name
    same = [mark for mark in suggested.values() if marks.is_untouched(mark, box, *frame)]
    mark = suggested.get((version.author, editor), same[0] if same else None)
    crop = base.displayed_crop(box, *frame, shown_as)
    return Held(version, editor, box, crop, shown_as, mark, bool(same))


def _frame(file: Path, max_megapixels: float) -> tuple[tuple[int, int], int | None]:
    """The stored frame in px, and how an HEIC's own boxes turn it. Raises RejectedFile."""
    if file.suffix.lower() in raws.SUFFIXES:
        with raws.opened(file, max_megapixels) as raw:
            return raw.frame, None
    with photos.opened(file, max_megapixels) as image:
        return photos.stored_size(image), photos.container_orientation(image)
