"""Reads the edits of a library's photos in Lightroom's catalogs, ready for a manifest."""

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cropperhead.editors import lightroom, lightroom_catalog
from cropperhead.editors.lightroom_catalog import CatalogImage
from cropperhead.errors import RejectedFile
from cropperhead.library import catalog_matching
from cropperhead.library.catalog_matching import Matches
from cropperhead.system import filenames

SUFFIX = ".lrcat"
_CRS = "xmp-crs:"
# Lightroom copies its catalog into such a folder: Backups/2024-05-20 1000/My Catalog.lrcat
_BACKUPS_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2} \d{4}")


@dataclass(frozen=True)
class CatalogEdits:
    """The content of some catalogs.

    `edits` has the JSON texts of each photo, a text for each version; `counts` has the number of
    each catalog's images by where their photos are, `broken` why a catalog cannot be read.
    """

    edits: Mapping[str, tuple[str, ...]]
    counts: Mapping[str, Mapping[str, int]]
    broken: Mapping[str, str]


def read_catalogs(
    folder: Path, files: Collection[str], named: Mapping[str, Path], tags: Collection[str]
) -> CatalogEdits:
    """Reads from the catalogs (name -> file) the edits of `files` of the library in `folder`.

    `tags` are ExifTool's names of what to read besides the crop. If several catalogs have a
    version, the one that has the photo at exactly its path counts, and among equals the one that
    was written last. A backup counts only for photos that no other catalog has.
    """
    edits = _Edits()
    counts: dict[str, Mapping[str, int]] = {}
    broken: dict[str, str] = {}
    for name, file in sorted(named.items(), key=lambda one: _weight(*one)):
        try:
            images = list(lightroom_catalog.read_images(file, _setting_names(tags)))
        except RejectedFile as error:
            broken[name] = str(error)
            continue
        photos = {image.path: image.from_root for image in images}
        matches = catalog_matching.match_photos(photos, folder, files)
        counts[name] = _count(images, matches)
        edits.add(name, images, matches, is_backup=_is_backup(file))
    return CatalogEdits(edits.texts(), dict(sorted(counts.items())), dict(sorted(broken.items())))


class _Edits:
    """The edits of photos in several catalogs; what counts most is added last."""

    def __init__(self) -> None:
        self._by_photo: dict[str, dict[str, str]] = {}
        self._sure: set[str] = set()  # photos at exactly their path
        self._of_backups: set[str] = set()

    def add(
        self, name: str, images: Sequence[CatalogImage], matches: Matches, *, is_backup: bool
    ) -> None:
        here = {matches.files[path] for path in matches.in_place}
        told = here | (set(matches.files.values()) - self._sure)
        # another catalog meant another photo, or is a backup
        dropped = (here - self._sure) | (set() if is_backup else self._of_backups & told)
        for photo in dropped:
            self._by_photo.pop(photo, None)
        self._of_backups = self._of_backups | told if is_backup else self._of_backups - told
        self._sure |= here
        for image in images:
            place = matches.files.get(image.path)
            if place is not None and place in told:
                self._by_photo.setdefault(place, {})[image.author] = _text(name, image)

    def texts(self) -> dict[str, tuple[str, ...]]:
        """The edits of each photo, by author."""
        return {
            photo: tuple(texts[author] for author in sorted(texts))
            for photo, texts in self._by_photo.items()
        }


def _setting_names(tags: Collection[str]) -> list[str]:
    further = [tag[len(_CRS) :] for tag in tags if tag.lower().startswith(_CRS)]
    return [*lightroom.TAGS, *further]


def _weight(name: str, file: Path) -> tuple[bool, int, str]:
    """What orders catalogs; what counts most comes last."""
    return not _is_backup(file), _mtime_ns(file), name


def _is_backup(file: Path) -> bool:
    return _BACKUPS_FOLDER.fullmatch(file.absolute().parent.name) is not None


def _mtime_ns(file: Path) -> int:
    """When a catalog, or the log of its latest changes, was written last."""
    files = [one for one in (file, Path(f"{file}-wal")) if filenames.exists(one)]
    return max((one.stat().st_mtime_ns for one in files), default=0)


def _count(images: Sequence[CatalogImage], matches: Matches) -> dict[str, int]:
    apart = {*matches.ambiguous, *matches.by_name_alone}
    kinds = Counter(
        "of_this_library"
        if image.path in matches.files
        else "of_unclear_place"
        if image.path in apart
        else "elsewhere"
        for image in images
    )
    return {kind: kinds[kind] for kind in ("of_this_library", "of_unclear_place", "elsewhere")}


def _text(catalog: str, image: CatalogImage) -> str:
    problem = [image.problem.kind, str(image.problem)] if image.problem else None
    edit = {"catalog": catalog, "author": image.author, "settings": dict(image.settings)}
    return json.dumps(edit | {"problem": problem}, sort_keys=True)
