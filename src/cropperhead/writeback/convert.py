"""People's own crops, carried from one editor into another."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cropperhead.editors import base, registry
from cropperhead.editors.base import PHOTOGRAPHER
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.library import edited_photo, marks, scan
from cropperhead.library import selection as named
from cropperhead.library.edited_photo import EditedCrop, EditedPhoto, ReadOptions
from cropperhead.library.scan import Entry
from cropperhead.params import ExtractParams
from cropperhead.photos import exiftool
from cropperhead.writeback import write

_NONE = "no crop of a person in another editor"


@dataclass
class Summary:
    """What became of the photos: files by path, each skipped or failed one with its reason."""

    editor: str
    is_dry_run: bool
    converted: dict[Path, str] = field(default_factory=dict)  # the sidecar -> where the crop was
    skipped: dict[Path, str] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)

    def __str__(self) -> str:
        verb = "to be converted" if self.is_dry_run else "converted"
        counts = f"{len(self.converted)} crops {verb} to {self.editor}, "
        counts += f"{len(self.skipped)} photos skipped, {len(self.failed)} failed"
        uncropped = Counter(self.skipped.values())[_NONE]
        lines = [f"  {file}: from {source}" for file, source in self.converted.items()]
        lines += [f"  skipped: {uncropped} with {_NONE}"] if uncropped else []
        lines += [f"  skipped: {f}: {why}" for f, why in self.skipped.items() if why != _NONE]
        lines += [f"  failed: {file}: {why}" for file, why in self.failed.items()]
        return "\n".join([counts, *lines])


@dataclass(frozen=True)
class Order:
    """What is to be converted, and how."""

    to: str  # one of `editors.names.WRITABLE_NAMES`
    source: str | None = None  # an editor, else the first of `registry.EDITORS` that has a crop
    overwrite: bool = False
    dry_run: bool = False


def convert(
    paths: Sequence[Path], order: Order, params: ExtractParams, catalogs: Collection[Path] = ()
) -> Summary:
    """Carries the photographer's crops of photos and folders of them into an editor's sidecars.

    Where several other editors have a crop, the first of lightroom, darktable, rawtherapee and art
    counts. A person's crop in the editor itself stays, unless told `overwrite`. What goes wrong
    with one photo is listed, and does not stop the rest.
    """
    summary = Summary(order.to, order.dry_run)
    found = [
        (folder, named.entries(folder, names, catalogs))
        for folder, names in named.by_folder(paths).items()
    ]
    total = sum(len(entries) for _, entries in found)
    with exiftool.tag_reader() as reader, tqdm(total=total, unit="photo", disable=None) as progress:
        for folder, entries in found:
            photos = [one for one in entries if _is_photo(folder, one, summary)]
            progress.update(len(entries) - len(photos))
            looked = edited_photo.read(folder, photos, reader, ReadOptions(params.max_megapixels))
            for entry, photo in zip(photos, looked, strict=True):
                _convert(folder / entry.file, photo, order, reader, summary)
                progress.update()
    return summary


def _convert(
    file: Path,
    photo: EditedPhoto | RejectedFile,
    order: Order,
    reader: exiftool.TagReader,
    summary: Summary,
) -> None:
    if isinstance(photo, RejectedFile):
        summary.skipped[file] = f"{photo.kind}: {photo}"
        return
    sources = _sources(photo, order)
    if not sources:
        unread = "; ".join(f"{one.file}: {one.reason}" for one in photo.left_out)
        summary.skipped[file] = unread or _NONE
        return
    try:
        wanted = _wanted(photo, sources[0], order.to)
        done = write.write(photo, wanted, order.to, reader, order.overwrite, order.dry_run)
    except (WritingError, RejectedFile) as error:
        summary.failed[file] = str(error)
        return
    if done.written:
        summary.converted[done.file] = f"{sources[0]}{_told(sources)}"
    else:
        summary.skipped[file] = done.reason


def _sources(photo: EditedPhoto, order: Order) -> list[EditedCrop]:
    """The photographer's crops in other editors, that which counts first."""
    own = [one for one in photo.crops if one.version.author == PHOTOGRAPHER]
    others = [one.name for one in registry.EDITORS if one.name != order.to]
    named = [order.source] if order.source else others
    return [one for one in own if one.editor_name in named and not one.is_untouched]


def _wanted(photo: EditedPhoto, source: EditedCrop, to: str) -> write.Wanted:
    """The crop as the editor is to show it: turned as the person turned the photo, if at all."""
    turned = photo.is_turned(source.editor_name)
    shown_as = source.shown_as if turned else photo.target_orientation(to)
    return write.Wanted(base.displayed_crop(source.box, *photo.frame, shown_as), shown_as)


def _told(sources: Sequence[EditedCrop]) -> str:
    """Which others there were that differ."""
    first, *rest = sources
    unlike = [
        str(one)
        for one in rest
        if np.abs(one.box.corners() - first.box.corners()).max() > marks.ROUNDING_PX
    ]
    return f", not as in {', '.join(unlike)}" if unlike else ""


def _is_photo(folder: Path, entry: Entry, summary: Summary) -> bool:
    if entry.kind in {scan.LOST, scan.UNREADABLE, scan.BROKEN_CATALOG}:
        summary.failed[folder / entry.file] = entry.trace
    return entry.kind == scan.PHOTO
