"""Which sidecar belongs to which photo, by their names alone."""

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from cropperhead.editors import registry
from cropperhead.editors.base import SidecarRule
from cropperhead.photos import image, raw
from cropperhead.system.filenames import fold_name

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
    by_name: dict[str, list[str]] = {}
    own = {name: None for name in names if suffix(name) in rules}
    for name in names:
        if name not in own:
            by_stem.setdefault(fold_name(PurePosixPath(name).stem), []).append(name)
            by_name.setdefault(fold_name(name), []).append(name)
    paired: dict[str, list[str]] = {}
    unpaired = set()
    for sidecar in own:
        partners = _partners(sidecar, rules, by_stem, by_name)
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
    sidecar: str,
    rules: Rules,
    by_stem: Mapping[str, list[str]],
    by_name: Mapping[str, list[str]],
) -> list[str]:
    stem, own_rules = PurePosixPath(sidecar).stem, rules[suffix(sidecar)]
    photos = by_name.get(fold_name(stem), [])
    if photos and suffix(stem):
        return [_spelt_most_like(stem, photos)]
    duplicate = _DUPLICATE.match(stem)
    original = duplicate["stem"] + duplicate["suffix"] if duplicate else ""
    photos = by_name.get(fold_name(original), [])
    if photos and any(rule.numbers_duplicates for rule in own_rules):
        return [_spelt_most_like(original, photos)]
    if not any(rule.drops_photo_suffix for rule in own_rules):
        return []
    photos = by_stem.get(fold_name(stem), [])
    # IMG_1.xmp next to both IMG_1.NEF and IMG_1.JPG is the RAW's, next to IMG_1.HEIC that one's: a
    # JPEG's settings are within it, and so are a DNG's
    raws = [name for name in photos if suffix(name) in raw.SUFFIXES]
    unread = frozenset().union(*(rule.unread_for for rule in own_rules))
    read = [name for name in photos if suffix(name) in PHOTOS - unread]
    left = [name for name in raws if name in read] or read or raws or photos
    return _without_misspelt(stem, left)


def _spelt_most_like(name: str, photos: list[str]) -> str:
    """Of photos whose names are the same but for case and composition, the one of this spelling."""
    stem = PurePosixPath(name).stem
    return sorted(photos, key=lambda one: (one == name, PurePosixPath(one).stem == stem))[-1]


def _without_misspelt(stem: str, photos: list[str]) -> list[str]:
    """The photos without those whose name is another's but for case, if that has just this stem."""
    own = {fold_name(name) for name in photos if PurePosixPath(name).stem == stem}
    return [
        name for name in photos if PurePosixPath(name).stem == stem or fold_name(name) not in own
    ]
