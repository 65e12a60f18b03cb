"""Matches photos of a Lightroom catalog with files of a library, even after the library moved."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cropperhead.system import filenames
from cropperhead.system.filenames import fold_name

_EVIDENCE = 2  # components of a path that have to agree: cameras give one file name many times


@dataclass(frozen=True)
class Matches:
    """Which photos of a catalog are which files of a library.

    `files` maps a photo's path in the catalog to a file of the library; those `in_place` are at
    exactly that path. `ambiguous` are photos that match several files, or a file that others match
    as well, `by_name_alone` those whose path agrees with a file's only in the name; neither are in
    `files`. All others are not in the library.
    """

    files: Mapping[str, str]
    in_place: frozenset[str]
    ambiguous: tuple[str, ...]
    by_name_alone: tuple[str, ...]


def match_photos(photos: Mapping[str, str], folder: Path, files: Collection[str]) -> Matches:
    """Finds the photos of a catalog among the files of a library.

    `photos` maps `path` to `from_root` of `CatalogImage`; `folder` is the library's, `files` are
    paths in it, with forward slashes. A photo is the file at its absolute path. As libraries move,
    it is otherwise the file whose path below the library ends the photo's path, or is ended by its
    `from_root`: the one that shares most components at the end, and at least two, counting the
    library's own folder. Upper and lower case differ unless nothing matches that way; composed and
    decomposed letters never differ.
    """
    matched: dict[str, str] = {}
    in_place: frozenset[str] = frozenset()
    ambiguous: set[str] = set()
    by_name: set[str] = set()
    for step in (_by_place, _by_ending):
        for spelling in (_composed, fold_name):
            find = step(folder, files, spelling)
            left = photos.keys() - matched.keys() - ambiguous - {""}
            claims = {path: find(path, photos[path]) for path in left}
            claims = {path: one for path, one in claims.items() if one.shared}
            if step is _by_ending:  # a photo that is still where the catalog has it did not move
                claims = {
                    path: one for path, one in claims.items() if not filenames.exists(Path(path))
                }
            ambiguous |= _settle(claims, matched)
            by_name |= {path for path, claim in claims.items() if claim.shared < _EVIDENCE}
        if step is _by_place:
            in_place = frozenset(matched)
    by_name -= matched.keys() | ambiguous
    matched_files = dict(sorted(matched.items()))
    return Matches(matched_files, in_place, tuple(sorted(ambiguous)), tuple(sorted(by_name)))


class _Claim(NamedTuple):
    """The file that a photo matches; None for several, or for none.

    `shared` counts the components that agree at the end of both paths; 0 for no match.
    """

    file: str | None
    shared: int


_NOTHING = _Claim(None, 0)
_WHOLE_PATH = 1 << 20  # more components than a path can have
_Find = Callable[[str, str], _Claim]


def _by_place(folder: Path, files: Collection[str], spelling: Callable[[str], str]) -> _Find:
    """Finds the file at a photo's absolute path, following links."""
    roots = {
        spelling(f"{one.as_posix().rstrip('/')}/") for one in (folder.absolute(), folder.resolve())
    }
    index = _index((spelling(file), file) for file in files)

    @cache
    def real(parent: str) -> str:
        place = Path(parent)
        return Path(os.path.realpath(place)).as_posix() if place.is_absolute() else parent

    def find(path: str, from_root: str) -> _Claim:
        del from_root
        parent, _, name = path.rpartition("/")
        for place in (path, f"{real(parent)}/{name}"):
            for root in roots:
                below = spelling(place).removeprefix(root)
                if below in index and below != spelling(place):
                    return _Claim(index[below], _WHOLE_PATH)
        return _NOTHING

    return find


def _by_ending(folder: Path, files: Collection[str], spelling: Callable[[str], str]) -> _Find:
    """Finds the file that shares most components with the end of a photo's path."""
    index = _index((end, file) for file in files for end in _endings(spelling(file)))
    whole = {spelling(file) for file in files}
    home = spelling(folder.resolve().name)

    def find(path: str, from_root: str) -> _Claim:
        components = spelling(path).split("/")
        end, shared = "", 0
        for ending in _endings("/".join(components)):
            if ending not in index:
                break
            end, shared = ending, shared + 1
        if end not in whole and shared < from_root.count("/") + 1:
            return _NOTHING
        at_home = end in whole and components[-shared - 1 : -shared] == [home]
        return _Claim(index[end], shared + at_home)

    return find


def _endings(path: str) -> Iterator[str]:
    """`c`, `b/c` and `a/b/c` for `a/b/c`."""
    at = len(path)
    while at > 0:
        at = path.rfind("/", 0, at)
        yield path[at + 1 :]


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, str | None]:
    """Each key's file; None for a key of several."""
    index: dict[str, str | None] = {}
    for key, file in pairs:
        index[key] = file if key not in index else None
    return index


def _settle(claims: Mapping[str, _Claim], matched: dict[str, str]) -> set[str]:
    """Gives each file to the photo that shares most with it; returns the undecided photos."""
    taken = set(matched.values())
    rivals: dict[str | None, list[tuple[int, str]]] = defaultdict(list)
    for path, claim in claims.items():
        if claim.shared >= _EVIDENCE and claim.file not in taken:
            rivals[claim.file].append((claim.shared, path))
    undecided = {path for _, path in rivals.pop(None, [])}
    for file, photos in rivals.items():
        most = max(shared for shared, _ in photos)
        best = [path for shared, path in photos if shared == most]
        if len(best) == 1 and file is not None:
            matched[best[0]] = file
        else:
            undecided.update(best)
    return undecided


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", path)
