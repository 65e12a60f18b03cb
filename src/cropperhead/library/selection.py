"""The photos that a command names: files, folders at any depth, and patterns."""

import glob
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from cropperhead.errors import NoPhotosError
from cropperhead.library import scan, sidecars
from cropperhead.library.scan import Entry
from cropperhead.system import filenames

_NAMED = 3  # paths in a message


def expand_patterns(paths: Sequence[Path]) -> list[Path]:
    """Replaces each pattern, such as `2024*/*.jpg`, by the photos and folders that match, sorted.

    Shells expand patterns, but not one in quotes, and none on Windows. A pattern without a match
    stays, to be reported as a missing file.
    """
    expanded: list[Path] = []
    for path in paths:
        matches = [] if path.exists() else map(Path, sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207 - of a path, absolute or not
        expanded += [one for one in matches if _is_photo_or_folder(one)] or [path]
    return expanded


def require_any(paths: Sequence[Path]) -> None:
    """Raises NoPhotosError, which names the paths as they were typed, if nothing is at any."""
    if not any(path.exists() for path in paths):
        raise NoPhotosError(f"{name_paths(paths)}: no such file or folder.")


def name_paths(paths: Sequence[Path]) -> str:
    """The first few paths, in one line."""
    named = [filenames.escape_path(path) for path in paths[:_NAMED]]
    return ", ".join([*named, *["..."] * (len(paths) > _NAMED)])


def group_by_folder(paths: Sequence[Path]) -> dict[Path, list[str]]:
    """The file names in each folder; none for a folder that is named itself, which means all."""
    folders = list(_outermost(paths))
    groups: dict[Path, list[str]] = {path: [] for path in folders}
    for path in paths:
        if not path.is_dir() and not any(path.is_relative_to(one) for one in folders):
            groups.setdefault(path.parent, []).append(path.name)
    return groups


def find_entries(
    folder: Path, names: Sequence[str], catalogs: Collection[Path] = ()
) -> list[Entry]:
    """The photos of a folder that have these names; without names, all at any depth.

    Raises LibraryError as `scan.scan` and `scan.find_photos` do.
    """
    if names:
        return scan.find_photos(folder, names, list(catalogs), ())
    return list(scan.scan(folder, list(catalogs)).entries)


def folders_of_photos(groups: Iterable[tuple[Path, Sequence[Entry]]]) -> set[Path]:
    """The folders in which entries are, and those in which they were found."""
    return {
        place
        for folder, entries in groups
        for place in (folder, *((folder / entry.file).parent for entry in entries))
    }


def _is_photo_or_folder(path: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.parts if part not in {".", ".."})
    is_photo = sidecars.suffix(path.name) in sidecars.PHOTOS
    return not is_hidden and (path.is_dir() or is_photo)


def _outermost(paths: Sequence[Path]) -> Iterator[Path]:
    """The folders that are inside no other, so that no photo comes twice."""
    folders = sorted({path for path in paths if path.is_dir()})
    for folder in folders:
        if not any(folder != other and folder.is_relative_to(other) for other in folders):
            yield folder
