"""Which sidecar belongs to which photo, by their names alone."""

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from cropperhead.editors import registry
from cropperhead.editors.base import SidecarRule
from cropperhead.photos import image, raw

PHOTOS = image.SUFFIXES | raw.SUFFIXES
# IMG_1_02.jpg.xmp is the third version of IMG_1.jpg
_DUPLICATE = re.compile(r"^(?P<stem>.+)_\d{2,}(?P<suffix>\.[^.]+)$")

Rules = Mapping[str, list[SidecarRule]]  # by suffix


def pair(names: Collection[str]) -> tuple[dict[str, list[str]], set[str]]:
    """Pairs the sidecars among the names in one folder with their photos.

    Returns the sidecars of each photo, and the sidecars that have none.
    """
    rules = _rules()
    by_stem: dict[str, list[str]] = {}
    by_name: dict[str, str] = {}
    own = {name: None for name in names if suffix(name) in rules}
    for name in names:
        if name not in own:
            by_stem.setdefault(PurePosixPath(name).stem.lower(), []).append(name)
            by_name[name.lower()] = name
    paired: dict[str, list[str]] = {}
    unpaired = set()
    for sidecar in own:
        exact = PurePosixPath(sidecar).stem  # where IMG.jpg and IMG.JPG are in one folder
        partners = [exact] if exact in names and suffix(exact) else []
        partners = partners or _partners(sidecar.lower(), rules, by_stem, by_name)
        for photo in partners:
            paired.setdefault(photo, []).append(sidecar)
        if not partners:
            unpaired.add(sidecar)
    return paired, unpaired


def is_standalone_profile(name: str) -> bool:
    """Whether a file is a style to choose from, or describes an export, rather than a lost sidecar.

    RawTherapee names a sidecar IMG.NEF.pp3, and what describes an export IMG.jpg.out.pp3.
    """
    rules = [editor.sidecars for editor in registry.with_sidecars(suffix(name))]
    needs_suffix = bool(rules) and not any(rule.drops_photo_suffix for rule in rules)
    return needs_suffix and suffix(PurePosixPath(name).stem) not in PHOTOS


def suffix(name: str) -> str:
    """The last part of a name with its dot, in lower case."""
    return PurePosixPath(name).suffix.lower()


def _rules() -> Rules:
    suffixes = registry.sidecar_suffixes()
    return {one: [editor.sidecars for editor in registry.with_sidecars(one)] for one in suffixes}


def _partners(
    sidecar: str, rules: Rules, by_stem: dict[str, list[str]], by_name: dict[str, str]
) -> list[str]:
    stem, own_rules = PurePosixPath(sidecar).stem, rules[suffix(sidecar)]
    if stem in by_name and suffix(stem):
        return [by_name[stem]]
    duplicate = _DUPLICATE.match(stem)
    original = duplicate["stem"] + duplicate["suffix"] if duplicate else ""
    if original in by_name and any(rule.numbers_duplicates for rule in own_rules):
        return [by_name[original]]
    if not any(rule.drops_photo_suffix for rule in own_rules):
        return []
    photos = by_stem.get(stem, [])
    # IMG_1.xmp next to both IMG_1.NEF and IMG_1.JPG is the RAW's: a JPEG's settings are within it
    return [name for name in photos if suffix(name) in raw.SUFFIXES] or photos
