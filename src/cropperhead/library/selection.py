"""The photos that a command names: files, folders at any depth, and patterns."""

import glob
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from cropperhead.library import scan, sidecars
from cropperhead.library.scan import Entry


def expanded(paths: Sequence[Path]) -> list[Path]:
    """The paths, with what fits in place of a pattern such as `2024*/*.jpg`, sorted.

    Shells expand patterns, but not one in quotes, and none on Windows. Of what fits, photos and
    folders count; a pattern that nothing fits stays, to be named as no file.
    """
    found: list[Path] = []
    for path in paths:
        fitting = [] if path.exists() else map(Path, sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207 - of a path, absolute or not
        found += [one for one in fitting if _may_be_meant(one)] or [path]
    return found


def by_folder(paths: Sequence[Path]) -> dict[Path, list[str]]:
    """The names asked for in each folder; none where the folder itself is."""
    folders = list(_outermost(paths))
    found: dict[Path, list[str]] = {path: [] for path in folders}
    for path in paths:
        if not path.is_dir() and not any(path.is_relative_to(one) for one in folders):
            found.setdefault(path.parent, []).append(path.name)
    return found


def entries(folder: Path, names: Sequence[str], catalogs: Collection[Path] = ()) -> list[Entry]:
    """The photos of a folder that have these names; all at any depth, where there is no name.

    Raises LibraryError as `library.scan` and `library.find` do.
    """
    if names:
        return scan.find(folder, names, list(catalogs), ())
    return list(scan.scan(folder, list(catalogs)).entries)


def _may_be_meant(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts if part not in {".", ".."})
    return not hidden and (path.is_dir() or sidecars.suffix(path.name) in sidecars.PHOTOS)


def _outermost(paths: Sequence[Path]) -> Iterator[Path]:
    """The folders that lie in no other, so that no photo comes twice."""
    folders = sorted({path for path in paths if path.is_dir()})
    for folder in folders:
        if not any(folder != other and folder.is_relative_to(other) for other in folders):
            yield folder
