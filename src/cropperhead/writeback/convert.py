"""Copies people's own crops from one editor to another."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from cropperhead.editors import base, registry
from cropperhead.editors.base import PHOTOGRAPHER
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.library import edited_photo, marks, scan, selection
from cropperhead.library.edited_photo import EditedCrop, EditedPhoto, ReadOptions
from cropperhead.library.scan import Entry
from cropperhead.params import ExtractParams
from cropperhead.photos import exiftool
from cropperhead.system import filenames, folder_lock
from cropperhead.words import format_count
from cropperhead.writeback import write

_NO_CROP = "without a crop made in another editor"


@dataclass
class ConversionLog:
    """What became of the photos: files by path, each skipped or failed one with its reason."""

    editor: str
    is_dry_run: bool
    converted: dict[Path, str] = field(default_factory=dict)  # written file -> where the crop was
    skipped: dict[Path, str] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)
    cautions: dict[Path, str] = field(default_factory=dict)  # of converted photos
    overruled: dict[Path, str] = field(default_factory=dict)  # of converted photos
    damaged: dict[Path, str] = field(default_factory=dict)  # journals of which lines were skipped
    # Other crops and sidecars that were not used, as `inspect` lists them
    left_out: list[tuple[Path, str]] = field(default_factory=list)

    def __str__(self) -> str:
        verb = "to be converted" if self.is_dry_run else "converted"
        counts = f"{format_count(len(self.converted), 'crop')} {verb} to {self.editor}, "
        counts += f"{format_count(len(self.skipped), 'photo')} skipped, {len(self.failed):,} failed"
        uncropped = Counter(self.skipped.values())[_NO_CROP]
        lines = [f"  {file}: from {source}" for file, source in self.converted.items()]
        lines += [f"  skipped {uncropped:,} {_NO_CROP}"] if uncropped else []
        lines += [f"  skipped {f}: {why}" for f, why in self.skipped.items() if why != _NO_CROP]
        lines += [f"  failed {file}: {why}" for file, why in self.failed.items()]
        lines += [f"  without effect: {file}: {why}" for file, why in self.cautions.items()]
        lines += [f"  overruled: {file}: {what}" for file, what in self.overruled.items()]
        lines += [f"  left out: {file}: {why}" for file, why in self.left_out]
        lines += [f"  damaged: {file}: {why}" for file, why in self.damaged.items()]
        return "\n".join([counts, *lines])

    def note_unused(self, photo: EditedPhoto) -> None:
        """Lists crops and files of a photo that are not converted, unless they are listed above."""
        said = self.skipped.get(photo.file) or self.failed.get(photo.file) or ""
        for one in (*photo.left_out, *photo.passed_over):
            if one.reason in said:
                continue
            if one.kind == edited_photo.DAMAGED_JOURNAL:
                self.damaged[photo.folder / one.file] = one.reason
            else:
                self.left_out.append((photo.folder / one.file, f"{one.kind}: {one.reason}"))


@dataclass(frozen=True)
class ConversionOptions:
    """What to convert, and how."""

    to: str  # one of `editors.names.WRITABLE_NAMES`
    source: str | None = None  # an editor; None: the first of `registry.EDITORS` with a crop
    overwrite: bool = False
    dry_run: bool = False
    into_photos: bool = False  # where the editor reads no sidecar; for `names.EMBEDDING_NAMES`


def convert(
    paths: Sequence[Path],
    options: ConversionOptions,
    params: ExtractParams,
    catalogs: Collection[Path] = (),
) -> ConversionLog:
    """Copies the photographer's crops of photos and folders into an editor's sidecars, or photos.

    Patterns are expanded. Where several other editors have a crop, the first of `registry.EDITORS`
    counts. A person's crop in the editor itself is kept, unless `overwrite`. A photo that fails,
    and a path without a photo, is listed, and the rest is converted. Raises LibraryError if nothing
    is at any of the paths, SetupError if ExifTool is not installed, and BusyError where another run
    is writing in one of the folders.
    """
    log = ConversionLog(options.to, options.dry_run)
    selected = selection.select(paths, selection.in_folder(catalogs))
    groups = [(group.folder, group.entries) for group in selected.groups]
    for folder, reason in selected.without_photos.items():
        log.failed[Path(filenames.escape_path(folder))] = reason
    total = sum(len(entries) for _, entries in groups)
    read_options = ReadOptions(params.max_megapixels)
    written = () if options.dry_run else selection.folders_of_photos(groups)
    with (
        folder_lock.hold_trees(written),
        exiftool.tag_reader() as reader,
        tqdm(total=total, unit="photo", disable=None) as progress,
    ):
        for folder, entries in groups:
            listed = [one for one in entries if _is_photo(folder, one, log)]
            progress.update(len(entries) - len(listed))
            photos = edited_photo.read(folder, listed, reader, read_options)
            for entry, photo in zip(listed, photos, strict=True):
                _convert(folder / entry.file, photo, options, reader, log)
                if isinstance(photo, EditedPhoto):
                    log.note_unused(photo)
                progress.update()
    return log


def _convert(
    file: Path,
    photo: EditedPhoto | RejectedFile,
    options: ConversionOptions,
    reader: exiftool.TagReader,
    log: ConversionLog,
) -> None:
    if isinstance(photo, RejectedFile):
        log.skipped[file] = f"{photo.kind}: {photo}"
        return
    sources = _source_crops(photo, options)
    if not sources:
        unreadable = "; ".join(f"{one.file}: {one.reason}" for one in photo.left_out)
        log.skipped[file] = unreadable or _NO_CROP
        return
    try:
        wanted = _wanted_crop(photo, sources[0], options.to)
        how = options.overwrite, options.dry_run, options.into_photos
        result = write.write_crop(photo, wanted, options.to, reader, *how)
    except (WritingError, RejectedFile) as error:
        log.failed[file] = str(error)
        return
    if result.is_written:
        log.converted[result.file] = f"{_name(sources[0])}{_differing(sources)}"
        if result.caution:
            log.cautions[file] = result.caution
        if result.overruled:
            log.overruled[file] = result.overruled
    else:
        log.skipped[file] = result.reason


def _source_crops(photo: EditedPhoto, options: ConversionOptions) -> list[EditedCrop]:
    """The photographer's crops in other editors; what counts most comes first."""
    others = [one.name for one in registry.EDITORS if one.name != options.to]
    named = [options.source] if options.source else others
    own = [crop for crop in photo.person_crops if crop.version.author == PHOTOGRAPHER]
    return [crop for crop in own if crop.editor_name in named]


def _wanted_crop(photo: EditedPhoto, source: EditedCrop, to: str) -> write.WantedCrop:
    """The crop as the editor is to show it: turned as the person turned the photo, if at all."""
    is_turned = photo.is_turned(source.editor_name)
    shown_as = source.shown_as if is_turned else photo.target_orientation(to)
    return write.WantedCrop(base.displayed_crop(source.box, *photo.frame, shown_as), shown_as)


def _differing(sources: Sequence[EditedCrop]) -> str:
    """Names the other crops that differ from the first."""
    first, *rest = sources
    differing = [_name(one) for one in rest if not marks.is_same(one.box, first.box)]
    return f", not as in {', '.join(differing)}" if differing else ""


def _name(crop: EditedCrop) -> str:
    """Names a crop's editor and file; the folder is the photo's, or a catalog's."""
    return f"{crop.version.source} ({Path(crop.version.file).name})"


def _is_photo(folder: Path, entry: Entry, log: ConversionLog) -> bool:
    if entry.kind in {scan.LOST, scan.UNREADABLE, scan.BROKEN_CATALOG}:
        log.failed[folder / entry.file] = entry.trace
    elif entry.kind == scan.ORPHAN:
        log.left_out.append((folder / entry.file, f"orphan_sidecar: {scan.NO_PHOTO_BESIDE}"))
    return entry.kind == scan.PHOTO
