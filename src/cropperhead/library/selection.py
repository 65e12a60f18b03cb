"""The photos that a command names: files, folders at any depth, and patterns."""

import glob
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cropperhead.errors import LibraryError, NoPhotosError
from cropperhead.library import scan, sidecars
from cropperhead.library.scan import Entry
from cropperhead.system import filenames

_NAMED = 3  # paths in a message
_NO_MATCH = "no photo matches this pattern"

Names = Sequence[str]  # of files in a folder; none for all at any depth
Find = Callable[[Path, Names], tuple[Path, list[Entry]]]


@dataclass(frozen=True)
class Group:
    """The photos that were named in one folder; the entries' paths are in `root`."""

    folder: Path
    names: Names
    root: Path
    entries: list[Entry]


@dataclass(frozen=True)
class Selection:
    """The photos that were named, by folder, and why others of the folders give none."""

    groups: list[Group]
    without_photos: dict[Path, str]

    @property
    def entries(self) -> list[Entry]:
        """The entries of all groups: photos, and what is none."""
        return [entry for group in self.groups for entry in group.entries]


def select(paths: Sequence[Path], find: Find) -> Selection:
    """The photos of files, folders and patterns; each path that leads to none is in the result.

    `find` gives the entries of one folder and the folder in which their paths are, as `in_folder`
    does. A named file that is missing, no photo, or a sidecar without its photo, has a LOST entry.
    Raises LibraryError, which names the paths as they were typed, if there is nothing at any.
    """
    expanded = expand_patterns(paths)
    groups: list[Group] = []
    errors: dict[Path, LibraryError] = {}
    for folder, names in group_by_folder(expanded).items():
        try:
            root, entries = find(folder, names)
        except LibraryError as error:
            root, entries, errors[folder] = folder, [], error
        if names:
            named = [_as_typed(entry, folder / entry.file) for entry in entries]
        else:
            named = [*entries, *_lost_inside(folder, entries, expanded)]
        if named or folder not in errors:
            groups.append(Group(folder, names, root, named))
    found = Selection(groups, {one: _why_none(one, error) for one, error in errors.items()})
    if not any(entry.kind == scan.PHOTO for entry in found.entries):
        _refuse_nothing(paths, found.entries, list(errors.values()))
    return found


def in_folder(catalogs: Collection[Path]) -> Find:
    """`find_entries`, with these catalogs, as `select` calls it."""
    return lambda folder, names: (folder, find_entries(folder, names, catalogs))


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
        if not path.is_dir() and all(_place_in(one, path) is None for one in folders):
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
    folders: list[Path] = []
    for path in sorted({path for path in paths if path.is_dir()}, key=_depth):
        if all(_place_in(one, path) is None for one in folders):
            folders.append(path)
    yield from sorted(folders)


def _depth(path: Path) -> tuple[int, Path]:
    return len(_absolute(path).parts), path


def _place_in(folder: Path, path: Path) -> str | None:
    """The path as a scan of the folder names it; None if the scan does not come there.

    What is typed as `.` or with `..` is compared, too.
    """
    place, home = _absolute(path), _absolute(folder)
    if not place.is_relative_to(home):
        return None
    inside = place.relative_to(home)
    return inside.as_posix() if all(map(scan.is_users, inside.parts)) else None


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - which leaves links as they are named


def _lost_inside(folder: Path, entries: Sequence[Entry], paths: Sequence[Path]) -> Iterator[Entry]:
    """The files named beside their folder that are none of its photos, as LOST entries."""
    typed = {_place_in(folder, path) for path in paths if not path.is_dir()}
    places = {place for place in typed if place is not None}
    if not places:
        return
    known = {name for entry in entries for name in (entry.file, *entry.sidecars)}
    for place in sorted(places - known):
        # a photo that exists is in the scan by another name, a link's
        if not ((folder / place).exists() and sidecars.suffix(place) in sidecars.PHOTOS):
            yield _as_typed(scan.lost(folder, place), folder / place)


def _as_typed(entry: Entry, path: Path) -> Entry:
    """The entry of a name that was typed: what is wrong with it is to be told."""
    if entry.kind == scan.ORPHAN:
        return replace(entry, kind=scan.LOST, trace=scan.NO_PHOTO_BESIDE)
    if entry.kind == scan.LOST and _is_pattern(path):
        return replace(entry, trace=_NO_MATCH)
    return entry


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(str(path)) and not path.exists()


def _refuse_nothing(
    paths: Sequence[Path], entries: Sequence[Entry], errors: Sequence[LibraryError]
) -> None:
    if errors and not entries:
        raise LibraryError("\n".join(map(str, errors)))
    if all(map(_is_pattern, paths)):
        raise NoPhotosError(f"{name_paths(paths)}: {_NO_MATCH}.")
    require_any(paths)


def _why_none(folder: Path, error: LibraryError) -> str:
    """The error without the folder's name, which comes first, and without the kinds of photos."""
    reason = str(error)
    for name in (str(folder), filenames.escape_path(folder)):
        reason = reason.removeprefix(f"{name}: ")
    return reason.partition(" (")[0].removesuffix(".")
