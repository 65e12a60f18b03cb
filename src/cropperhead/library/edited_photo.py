"""Reads a photo as it was edited: its frame, and every crop that editors have left for it.

Extraction, conversion and suggesting all read photos here.
"""

import errno
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cache, partial
from pathlib import Path

from cropperhead.editors import base, darktable, lightroom, registry
from cropperhead.editors.base import PHOTOGRAPHER, CameraTurn, LeftOut, Settings
from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import FULL_FRAME, Crop, Rectangle
from cropperhead.library import (
    journal_records,
    marks,
    provenance,
    scan,
    settings,
    suggestion_history,
    versions,
)
from cropperhead.library.journal_records import Journals
from cropperhead.library.marks import Mark
from cropperhead.library.scan import Entry
from cropperhead.library.settings import FileSettings
from cropperhead.library.suggestion_history import Marks
from cropperhead.library.versions import PhotoVersions, Version
from cropperhead.photos import cut_off, embedded_xmp, exiftool, image, photo_file, precheck
from cropperhead.photos.image import SmallCopy
from cropperhead.photos.photo_file import MAX_MEGAPIXELS, PhotoFile
from cropperhead.photos.sensor import Sensor
from cropperhead.system.regular_file import open_regular

# Tags that are read from every photo
_PHOTO_TAGS = (
    "File:MIMEType",
    "XMP-tiff:Orientation",
    "IFD0:Orientation",
    "IFD0:Make",
    "IFD0:Model",
    "ExifIFD:SerialNumber",
    "ExifIFD:DateTimeOriginal",
    "ExifIFD:SubSecTimeOriginal",
    "ExifIFD:ExifImageWidth",
    "ExifIFD:ExifImageHeight",
)
# XMP Media Management's names of a document and of what it was made from; of sidecars, too
DOCUMENT_TAGS = (
    "XMP-xmpMM:DocumentID",
    "XMP-xmpMM:OriginalDocumentID",
    "XMP-xmpMM:DerivedFrom",
)
_WITH_CONTAINER_TURN = ("HEIF", "AVIF")  # where EXIF may tell another orientation
NO_PHOTO = "no_photo"  # the kind of a name that leads to none
STALE = "stale"  # the kind of a crop that another file overrules
DAMAGED_JOURNAL = "damaged_journal"  # the kind of lines that are not read
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # of the disk for temporary files
_BATCH = 100  # files for which ExifTool is asked at a time

Tags = Mapping[str, exiftool.Tags]  # by path in the library
Trace = tuple[int, int] | None  # a file's size and time, None for none


@dataclass(frozen=True)
class CopySize:
    """How large the small copies of cropped photos are: `image.small_copy`."""

    long_side: int
    quality: int


@dataclass(frozen=True)
class ReadOptions:
    """What to read besides people's crops: ExifTool tags, small copies, crops that nobody made."""

    max_megapixels: float = MAX_MEGAPIXELS
    tags: tuple[str, ...] = ()
    copy: CopySize | None = None
    keeps_automatic: bool = False  # crops that nobody made count as the photographer's


@dataclass(frozen=True)
class EditedCrop:
    """A crop that a photo has in one editor."""

    version: Version
    box: Rectangle  # in pixels of the stored frame
    crop: Crop  # as displayed by `shown_as`
    shown_as: int  # the orientation in which the editor displays the photo
    mark: Mark | None  # where it was a suggestion
    is_untouched: bool  # it still is the suggestion
    is_automatic: bool  # the camera or a preset made it, and nobody has changed it

    @property
    def editor_name(self) -> str:
        """The editor's name."""
        return self.version.editor.name

    def __str__(self) -> str:
        return f"{self.version.source} ({self.version.file})"


@dataclass(frozen=True)
class EditedPhoto:
    """A photo of the library in `folder`, as it was when it was read."""

    folder: Path
    entry: Entry
    frame: tuple[int, int]  # of the stored pixels, in px
    sensor: Sensor | None  # where the frame is on it: `photo_file.PhotoFile.sensor`
    turn: CameraTurn
    versions: PhotoVersions
    crops: tuple[EditedCrop, ...]  # the photographer's first; none that keeps the whole frame
    left_out: tuple[LeftOut, ...]  # versions that cannot be used
    passed_over: tuple[LeftOut, ...]  # stale crops, files of others or unread, a journal's lines
    suggestions: Marks  # what was written for it, whatever became of that
    tags: Tags  # its own and its sidecars'
    file_settings: tuple[FileSettings, ...]  # all that was read, what counts least first
    traces: Mapping[Path, Trace]  # as `find_traces` gave them before; none from `read_cropped`
    copy: SmallCopy | None = None  # where one was asked for, and a person has cropped the photo
    sha256: str = ""  # of the file, with the copy

    @property
    def file(self) -> Path:
        """The photo itself."""
        return self.folder / self.entry.file

    @property
    def own_tags(self) -> exiftool.Tags:
        """The tags of the photo itself."""
        return self.tags[self.entry.file]

    @property
    def camera(self) -> int:
        """The orientation in which the camera displays the photo."""
        return self.turn.shown_as

    @property
    def shown_as(self) -> int:
        """The orientation in which the first editor that has a crop displays the photo."""
        return _shown_as(self.versions, self.turn)

    @property
    def person_crops(self) -> list[EditedCrop]:
        """The crops that people made: neither untouched suggestions nor automatic ones."""
        return [crop for crop in self.crops if not (crop.is_untouched or crop.is_automatic)]

    def exif_orientation(self, editor: str) -> int:
        """The camera's orientation as the newest version of an editor reads it."""
        module, settings = registry.find_editor(editor), self.settings_in(editor)
        return module.camera_orientations(settings, self.file.name, self.turn)[0]

    def shown_in(self, editor: str) -> int:
        """The orientation in which an editor displays the photo now. Raises RejectedFile."""
        return self._shown(editor, self.settings_in(editor))

    def is_turned(self, editor: str) -> bool:
        """Whether a person has turned or mirrored the photo in an editor. Raises RejectedFile."""
        return self.shown_in(editor) != self._shown(editor, {})

    def target_orientation(self, editor: str) -> int:
        """The orientation in which to make a crop for an editor. Raises RejectedFile.

        A person's own, otherwise the camera's: RawTherapee does not mirror by EXIF, but it can be
        set to.
        """
        return self.shown_in(editor) if self.is_turned(editor) else self.camera

    def settings_in(self, editor: str) -> Settings:
        """The photographer's latest settings in an editor; empty where there are none."""
        own = [
            one.settings
            for one in self.file_settings
            if (one.author, one.editor.name) == (PHOTOGRAPHER, editor)
            and any(value is not None for value in one.settings.values())
        ]
        return own[-1] if own else {}  # a sidecar of another editor has none for this one

    def _shown(self, editor: str, settings: Settings) -> int:
        return registry.find_editor(editor).shown_as(settings, self.exif_orientation(editor))


def describe_person_crops(photo: EditedPhoto) -> str | None:
    """Names the files in which a person has cropped a photo, in any editor; None for none.

    An untouched suggestion is not a person's crop. A crop that cannot be read (in a perspective
    correction, say) counts as a person's.
    """
    readable = [str(crop) for crop in photo.person_crops]
    unreadable = [f"{one.file}: {one.reason}" for one in photo.left_out]
    return "; ".join(readable + unreadable) or None


def read(
    folder: Path,
    entries: Sequence[Entry],
    reader: exiftool.TagReader,
    options: ReadOptions | None = None,
) -> Iterator[EditedPhoto | RejectedFile]:
    """Reads photos of the library in `folder`, in order: each, or why it cannot be used.

    A finished export cannot be used, nor a photo none of whose settings can be read.
    """
    walk = _Walk(folder, reader, options or ReadOptions(), crops_only=False)
    for photo in walk.photos(entries):
        assert photo is not None
        yield photo


def read_cropped(
    folder: Path,
    entries: Sequence[Entry],
    reader: exiftool.TagReader,
    options: ReadOptions,
    before_opening: Callable[[Entry], object] = lambda _: None,
) -> Iterator[EditedPhoto | RejectedFile | None]:
    """Reads photos as `read` does, but gives None for one without crops, which it does not open.

    A photo with something that was passed over is given, too. `before_opening` is called for a
    photo before more of it is read than its metadata, and before its folder's journal is.

    ExifTool is not asked about a photo without sidecars that is seen to be uncropped. A photo none
    of whose crops can be decoded cannot be used.
    """
    return _Walk(folder, reader, options, crops_only=True, before=before_opening).photos(entries)


def find_traces(folder: Path, entry: Entry) -> Mapping[Path, Trace]:
    """The traces of a photo and its sidecars as they are now."""
    return {folder / name: _trace(folder / name) for name in (entry.file, *entry.sidecars)}


def photo_tags() -> list[str]:
    """The tags that ExifTool is asked for in every photo."""
    return [*settings.photo_tags(), *provenance.PHOTO_TAGS, *_PHOTO_TAGS, *DOCUMENT_TAGS]


class _Walk:
    """Reads photos in batches, because ExifTool answers faster about many."""

    def __init__(
        self,
        folder: Path,
        reader: exiftool.TagReader,
        options: ReadOptions,
        crops_only: bool,
        before: Callable[[Entry], object] = lambda _: None,
    ) -> None:
        self._folder, self._reader, self._options = folder, reader, options
        self._crops_only, self._journals, self._before = crops_only, Journals(), before

    def photos(self, entries: Sequence[Entry]) -> Iterator[EditedPhoto | RejectedFile | None]:
        for start in range(0, len(entries), _BATCH):
            batch = entries[start : start + _BATCH]
            # before anything is read; only for who may write afterwards
            traces = [{} if self._crops_only else find_traces(self._folder, e) for e in batch]
            rejected = {entry: self._reason_against(entry) for entry in batch}
            sound = [entry for entry, reason in rejected.items() if reason is None]
            asked = {entry for entry in sound if not self._is_silent(entry)}
            tags = self._ask([entry for entry in sound if entry in asked])
            for entry, trace in zip(batch, traces, strict=True):
                photo = self._attempt(entry, tags, trace) if entry in asked else None
                yield rejected[entry] or photo

    def _reason_against(self, entry: Entry) -> RejectedFile | None:
        try:
            _refuse_unusable(self._folder, entry)
        except RejectedFile as error:
            return error
        return None

    def _is_silent(self, entry: Entry) -> bool:
        """Whether a photo can be seen to have no crop, by its name and its header."""
        if not self._crops_only or entry.sidecars or entry.edits:
            return False
        try:
            return settings.is_surely_uncropped(self._folder / entry.file)
        except OSError:
            return False  # ExifTool gives the reason

    def _ask(self, entries: Sequence[Entry]) -> Tags:
        """The tags of photos and of their XMP sidecars."""
        extra = self._options.tags
        with_notes = any(exiftool.is_in_notes(tag) for tag in extra)
        photos = [self._folder / entry.file for entry in entries]
        names = [self._folder / name for entry in entries for name in entry.sidecars]
        sidecars = [file for file in names if settings.is_for_exiftool(file)]
        answers = self._reader.read(photos, [*photo_tags(), *extra], with_notes)
        answers |= self._reader.read(sidecars, [*settings.sidecar_tags(), *DOCUMENT_TAGS, *extra])
        return {file.relative_to(self._folder).as_posix(): tags for file, tags in answers.items()}

    def _attempt(
        self, entry: Entry, tags: Tags, traces: Mapping[Path, Trace]
    ) -> EditedPhoto | RejectedFile | None:
        try:
            return self._read(entry, tags, traces)
        except RejectedFile as error:
            return error
        except OSError as error:
            if error.errno in _FULL:  # which is no fault of the photo
                raise
            return RejectedFile("unreadable", f"cannot be opened: {error.strerror}")

    def _read(self, entry: Entry, tags: Tags, traces: Mapping[Path, Trace]) -> EditedPhoto | None:
        file, most = self._folder / entry.file, self._options.max_megapixels
        own = self._of_one_packet(file, _require_photo(tags.get(entry.file)))
        tags = {**tags, entry.file: own}
        file_settings = tuple(settings.read_settings(self._folder, entry, tags))
        with photo_file.open_when_asked(file, most, partial(self._before, entry)) as opened:
            camera = cache(lambda: _camera_turn(opened(), own))
            found = versions.find_versions(file.name, file_settings, camera)
            listed = found.overruled or found.of_others or found.superseded
            if self._crops_only and not (found.cropped or listed):
                _refuse_cut_off(file)
                return None
            photo, turn = opened(), camera()
            suggestions = suggestion_history.find_suggestions(
                self._folder, entry, self._journals, own
            )
            shown_as = _shown_as(found, turn)
            crops, errors = _decode_crops(found, photo, shown_as, suggestions)
            if not self._options.keeps_automatic:
                crops = _with_automatic(crops, photo)
            copy, digest = self._copy(file, photo, shown_as, crops)
            frame, sensor = photo.frame, photo.sensor
        if self._crops_only and errors and not crops:
            raise errors[0][1]
        undecoded = [LeftOut(name, one.kind, str(one)) for name, one in errors]
        names = [name for name in (entry.file, *entry.sidecars) if name in tags]
        return EditedPhoto(
            folder=self._folder,
            entry=entry,
            frame=frame,
            sensor=sensor,
            turn=turn,
            versions=found,
            crops=crops,
            left_out=(*found.left_out, *undecoded),
            passed_over=(
                *found.of_others,
                *found.superseded,
                *_stale(found, crops, frame, sensor),
                *self._damaged_journal(entry),
            ),
            suggestions=suggestions,
            tags={name: tags[name] for name in names},
            file_settings=file_settings,
            traces=traces,
            copy=copy,
            sha256=digest,
        )

    def _of_one_packet(self, file: Path, own: exiftool.Tags) -> exiftool.Tags:
        """The tags of a photo; of several packets with Lightroom's settings, the one that counts.

        Raises RejectedFile if which one counts is not known.
        """
        if not exiftool.has_several(own, lightroom.GROUP):
            return own
        try:
            packets = embedded_xmp.read_xmp(file).packets
        except RejectedFile as error:
            problem = "it has several packets of XMP with settings of Lightroom"
            raise RejectedFile("several_packets", problem) from error
        words = lightroom.header_words
        told = [one for one in packets if any(w in one.replace(b"\0", b"") for w in words)]
        if len(told) <= 1:  # one packet says it twice
            return own
        with tempfile.TemporaryDirectory(prefix="cropperhead-") as folder:
            packet = Path(folder, "packet.xmp")
            packet.write_bytes(told[-1])
            counting = self._reader.read([packet], settings.photo_tags()).get(packet, {})
        replaced = {tag for tag in own if tag.startswith(lightroom.GROUP)} | {
            *settings.photo_tags()
        }
        rest = {tag: value for tag, value in own.items() if tag not in replaced}
        return rest | {tag: value for tag, value in counting.items() if tag in replaced}

    def _damaged_journal(self, entry: Entry) -> Iterator[LeftOut]:
        file = journal_records.file_in((self._folder / entry.file).parent)
        if file in self._journals.damage:
            name, damage = file.relative_to(self._folder).as_posix(), self._journals.damage[file]
            yield LeftOut(name, DAMAGED_JOURNAL, damage)

    def _copy(
        self, file: Path, photo: PhotoFile, shown_as: int, crops: Sequence[EditedCrop]
    ) -> tuple[SmallCopy | None, str]:
        """The copy, and the SHA-256 of the file."""
        size = self._options.copy
        if size is None or all(crop.is_untouched for crop in crops):
            return None, ""
        picture = photo.picture(size.long_side)
        copy = image.small_copy(picture, shown_as, size.long_side, size.quality)
        with open_regular(file) as stream:
            return copy, hashlib.file_digest(stream, "sha256").hexdigest()


def _refuse_unusable(folder: Path, entry: Entry) -> None:
    """Raises RejectedFile for what is not a photo, is empty or would harm ExifTool."""
    if entry.kind == scan.ORPHAN:
        raise RejectedFile("orphan_sidecar", scan.NO_PHOTO_BESIDE)
    if entry.kind == scan.UNREADABLE:
        raise RejectedFile("unreadable_name_or_folder", f"cannot be listed: {entry.trace}")
    if entry.kind == scan.LOST:
        raise RejectedFile(NO_PHOTO, entry.trace)
    if entry.kind == scan.BROKEN_CATALOG:
        raise RejectedFile("broken_catalog", entry.trace)
    file = folder / entry.file
    try:
        if not _has_content(file):
            raise RejectedFile("empty", "the file is empty")
        if precheck.is_bomb(file):
            most = f"{precheck.LARGEST_TEXTS_MB} MB"
            raise RejectedFile("too_large", f"its texts unpack to more than {most}")
    except OSError as error:
        raise RejectedFile("unreadable", f"cannot be opened: {error.strerror}") from error


def _refuse_cut_off(photo: Path) -> None:
    """Raises RejectedFile for a photo whose crop may be in a part that is missing."""
    if cut_off.is_cut_off(photo):
        raise RejectedFile("unreadable", "it is cut off, and metadata may be missing")


def _has_content(file: Path) -> bool:
    with open_regular(file) as stream:
        return bool(stream.read(1))


def _require_photo(tags: exiftool.Tags | None) -> exiftool.Tags:
    if tags is None:
        raise RejectedFile("unreadable", "ExifTool cannot read it")
    if not str(tags.get("File:MIMEType", "")).startswith("image/"):
        raise RejectedFile("not_a_photo", "it is not a picture, by its content")
    return tags


def _camera_turn(photo: PhotoFile, tags: exiftool.Tags) -> CameraTurn:
    exif = orientation.parse_orientation(tags.get("IFD0:Orientation"))
    is_separate = photo.format in _WITH_CONTAINER_TURN
    return CameraTurn(photo.shown_as, exif if is_separate else photo.shown_as, photo.format)


def _shown_as(found: PhotoVersions, camera: CameraTurn) -> int:
    return found.cropped[0].shown_as() if found.cropped else camera.shown_as


def _decode_crops(
    found: PhotoVersions, photo: PhotoFile, shown_as: int, suggestions: Marks
) -> tuple[tuple[EditedCrop, ...], list[tuple[str, RejectedFile]]]:
    """The crops of all versions, without those that keep the whole frame; the errors by file."""
    crops, errors, frame = [], [], photo.frame
    for version in found.cropped:
        try:
            box = version.decode(frame, photo.sensor)
        except RejectedFile as error:
            errors.append((version.file, error))
            continue
        if astuple(base.displayed_crop(box, *frame, shown_as)) != FULL_FRAME:
            crops.append(_edited_crop(version, box, frame, suggestions))
    return tuple(crops), errors


def _edited_crop(
    version: Version, box: Rectangle, frame: tuple[int, int], suggestions: Marks
) -> EditedCrop:
    """A crop. A suggestion is one in whichever editor it is, for one takes over another's crop.

    darktable takes it from Lightroom's sidecar, and Lightroom from there into its catalog.
    """
    same = [mark for mark in suggestions.values() if marks.is_untouched(mark, box, *frame)]
    mark = suggestions.get((version.author, version.editor.name), same[0] if same else None)
    shown_as = version.shown_as()
    crop = base.displayed_crop(box, *frame, shown_as)
    return EditedCrop(version, box, crop, shown_as, mark, bool(same), is_automatic=False)


def _with_automatic(crops: Sequence[EditedCrop], photo: PhotoFile) -> tuple[EditedCrop, ...]:
    """The crops, of which those are automatic that an editor or the camera made by itself."""
    framing = None if photo.sensor is None else photo.sensor.framing
    return tuple(
        replace(
            crop,
            is_automatic=crop.version.is_automatic
            or (framing is not None and _is_framing(crop, framing, photo.frame)),
        )
        for crop in crops
    )


def _is_framing(
    crop: EditedCrop, framing: tuple[float, float, float, float], frame: tuple[int, int]
) -> bool:
    """Whether a crop is what the camera was set to keep of the frame.

    Lightroom takes it over as a crop when it imports the photo, and so does darktable, which takes
    limits of the stored frame for limits of the displayed one (`reload_defaults` in crop.c).
    """
    limits = Crop(*framing, 0.0)
    frames = [orientation.UPRIGHT, *([crop.shown_as] if crop.editor_name == darktable.name else [])]
    return any(marks.is_same(crop.box, base.stored_box(limits, *frame, code)) for code in frames)


def _stale(
    found: PhotoVersions,
    crops: Sequence[EditedCrop],
    frame: tuple[int, int],
    sensor: Sensor | None,
) -> Iterator[LeftOut]:
    """Crops that another file overrules, unless that holds the same one."""
    now = {(crop.version.author, crop.editor_name): crop.box for crop in crops}
    for one in found.overruled:
        box = now.get(one.settings.key)
        if box is None or one.version is None or not _is_at(one.version, box, frame, sensor):
            reason = f"{one.settings.source} holds an earlier crop; {one.by} counts"
            yield LeftOut(one.settings.file, STALE, reason)


def _is_at(version: Version, box: Rectangle, frame: tuple[int, int], sensor: Sensor | None) -> bool:
    try:
        return marks.is_same(version.decode(frame, sensor), box)
    except RejectedFile:
        return False


def _trace(file: Path) -> Trace:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
