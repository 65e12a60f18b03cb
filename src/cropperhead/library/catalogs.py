"""Reads the edits of a library's photos in Lightroom's catalogs, ready for a manifest."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cropperhead.editors import lightroom, lightroom_catalog
from cropperhead.editors.lightroom_catalog import CatalogImage
from cropperhead.errors import RejectedFile
from cropperhead.library import catalog_matching

SUFFIX = ".lrcat"
_CRS = "xmp-crs:"


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
    was written last.
    """
    by_photo: dict[str, dict[str, str]] = {}
    sure: set[str] = set()
    counts: dict[str, Mapping[str, int]] = {}
    broken: dict[str, str] = {}
    for name, file in sorted(named.items(), key=lambda one: (_mtime_ns(one[1]), one[0])):
        try:
            images = list(lightroom_catalog.read_images(file, _setting_names(tags)))
        except RejectedFile as error:
            broken[name] = str(error)
            continue
        photos = {image.path: image.from_root for image in images}
        matches = catalog_matching.match_photos(photos, folder, files)
        counts[name] = _count(images, matches)
        here = {matches.files[path] for path in matches.in_place}
        for photo in here - sure:  # another catalog meant another photo
            by_photo.pop(photo, None)
        sure |= here
        for image in images:
            place, in_place = matches.files.get(image.path), image.path in matches.in_place
            if place is not None and (in_place or place not in sure):
                by_photo.setdefault(place, {})[image.author] = _text(name, image)
    edits = {photo: tuple(texts[a] for a in sorted(texts)) for photo, texts in by_photo.items()}
    return CatalogEdits(edits, dict(sorted(counts.items())), dict(sorted(broken.items())))


def _setting_names(tags: Collection[str]) -> list[str]:
    further = [tag[len(_CRS) :] for tag in tags if tag.lower().startswith(_CRS)]
    return [*lightroom.TAGS, *further]


def _mtime_ns(file: Path) -> int:
    """When a catalog, or the log of its latest changes, was written last."""
    files = [one for one in (file, Path(f"{file}-wal")) if one.exists()]
    return max((one.stat().st_mtime_ns for one in files), default=0)


def _count(images: Sequence[CatalogImage], matches: catalog_matching.Matches) -> dict[str, int]:
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
