"""Which sidecar goes with which photo, by their names alone."""

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from cropperhead.photos import image, raw

PHOTOS = image.SUFFIXES | raw.SUFFIXES
XMP = ".xmp"
# Of the editors that keep profiles of their own, by suffix
PROFILES: Mapping[str, str] = MappingProxyType({".pp3": "rawtherapee", ".arp": "art"})
SUFFIXES = frozenset({XMP, *PROFILES})
# darktable's duplicates: IMG_1_02.jpg.xmp is the third version of IMG_1.jpg
_DUPLICATE = re.compile(r"^(?P<stem>.+)_\d{2,}(?P<suffix>\.[^.]+)$")


def pair(names: Collection[str]) -> tuple[dict[str, list[str]], set[str]]:
    """Which sidecars among the names in one folder go with which photo, and which with no file."""
    by_stem: dict[str, list[str]] = {}
    by_name: dict[str, str] = {}
    own = {name: None for name in names if suffix(name) in SUFFIXES}
    for name in names:
        if name not in own:
            by_stem.setdefault(PurePosixPath(name).stem.lower(), []).append(name)
            by_name[name.lower()] = name
    found: dict[str, list[str]] = {}
    unclaimed = set()
    for sidecar in own:
        exact = PurePosixPath(sidecar).stem  # where IMG.jpg and IMG.JPG lie side by side
        partners = [exact] if exact in names and suffix(exact) else []
        partners = partners or _partners(sidecar.lower(), by_stem, by_name)
        for photo in partners:
            found.setdefault(photo, []).append(sidecar)
        if not partners:
            unclaimed.add(sidecar)
    return found, unclaimed


def _partners(sidecar: str, by_stem: dict[str, list[str]], by_name: dict[str, str]) -> list[str]:
    stem = PurePosixPath(sidecar).stem
    if stem in by_name and suffix(stem):
        return [by_name[stem]]
    if suffix(sidecar) in PROFILES:  # always named by the photo's whole name
        return []
    duplicate = _DUPLICATE.match(stem)
    original = duplicate["stem"] + duplicate["suffix"] if duplicate else ""
    if original in by_name:
        return [by_name[original]]
    beside = by_stem.get(stem, [])
    # IMG_1.xmp beside both IMG_1.NEF and IMG_1.JPG is the RAW's: a JPEG's settings are within it
    return [name for name in beside if suffix(name) in raw.SUFFIXES] or beside


def is_profile_of_its_own(name: str) -> bool:
    """Whether a file is a style to choose from, or describes an export, rather than a lost sidecar.

    RawTherapee names a sidecar IMG.NEF.pp3, and what describes an export IMG.jpg.out.pp3.
    """
    named = suffix(PurePosixPath(name).stem)
    return suffix(name) in PROFILES and named not in PHOTOS


def suffix(name: str) -> str:
    """The last part of a name with its dot, in small letters."""
    return PurePosixPath(name).suffix.lower()
