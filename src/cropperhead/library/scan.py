"""Lists the photos of a library, their sidecars and their traces, without opening a photo.

The scan shows that nothing has changed, so it reads only names, sizes and times. The only files
that it opens are Lightroom's catalogs, which hold edits of many photos: the edits of one photo are
part of its trace, so that a photo is read again when they changed, not when the catalog did.
"""

import hashlib
import json
import operator
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cropperhead.editors import registry, unsupported
from cropperhead.errors import LibraryError, NoPhotosError
from cropperhead.library import catalogs as catalog_files
from cropperhead.library import sidecars
from cropperhead.system import atomic, filenames

if TYPE_CHECKING:
    import pyarrow as pa

# Thumbnails and previews that programs and network drives put next to the photos
_PROGRAMS_FOLDERS = frozenset({"@eaDir", "__MACOSX", "lost+found"})
_PROGRAMS_FOLDER_SUFFIXES = (".lrdata", ".lrcat-data", ".photoslibrary")

PHOTO, ORPHAN, UNREADABLE = "photo", "orphan", "unreadable"
BROKEN_CATALOG = "broken_catalog"
COLLECTED = "collected"  # of a collection, not of the library
LOST = "lost"  # named, and not a photo
_ODD_NAME = "its name holds a line break or is not valid UTF-8"
_ENTRIES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """A photo with its sidecars, or a file that cannot be one (`kind`).

    `edits` are its settings in Lightroom catalogs, a JSON text for each version.
    """

    file: str
    kind: str
    sidecars: tuple[str, ...]
    trace: str
    edits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scan:
    """All entries of a library, sorted by path, and counts of what else is there.

    `others` counts files by suffix, `catalogs` the images of each Lightroom catalog by where their
    photos are.
    """

    entries: tuple[Entry, ...]
    others: Mapping[str, int]
    catalogs: Mapping[str, Mapping[str, int]]

    @property
    def other_editors(self) -> dict[str, int]:
        """The files of editors that are not supported, counted by editor."""
        return unsupported.count_by_editor(self.others)


def scan(
    folder: Path,
    catalogs: Sequence[Path] = (),
    tags: Collection[str] = (),
) -> Scan:
    """Lists everything in a library, at any depth. Raises NoPhotosError if it is missing or empty.

    `catalogs` are Lightroom's outside the library, `tags` are read from them besides the crop.
    """
    _refuse_unpassable(folder)
    if not folder.is_dir():
        problem = "it is a file, expected a folder" if folder.exists() else "no such folder"
        raise NoPhotosError(f"{folder}: {problem}.")
    entries: list[Entry] = []
    others: Counter[str] = Counter()
    inside: list[str] = []
    for relative, files in _folders(folder):
        _sort_folder(relative, files, entries, others)
        inside += _catalogs(relative, files)
    if not any(entry.kind == PHOTO for entry in entries):
        raise NoPhotosError(
            f"{folder}: no photo is in it or below it (JPEG, TIFF, PNG, WebP, HEIC, AVIF or RAW)."
        )
    named = {name: folder / name for name in inside} | _by_name_given(catalogs)
    edited, counts = _with_edits(folder, entries, named, tags)
    return Scan(tuple(sorted(edited, key=_by_file)), dict(sorted(others.items())), counts)


def with_entries(found: Scan, entries: Iterable[Entry]) -> Scan:
    """Return a scan with further entries, such as those of a collection."""
    return replace(found, entries=tuple(sorted([*found.entries, *entries], key=_by_file)))


def find_photos(
    folder: Path,
    names: Collection[str],
    catalogs: Sequence[Path],
    tags: Collection[str],
    deep: bool = False,
) -> list[Entry]:
    """Finds the photos of a folder by their names or their sidecars'; other names give LOST.

    A catalog that cannot be read is listed, whatever the names. `deep` searches below the folder
    too, and the catalogs there: names are then paths in it. Raises LibraryError if the folder
    cannot be listed.
    """
    _refuse_unpassable(folder)
    if deep:
        entries = list(scan(folder, catalogs, tags).entries)
    else:
        entries = []
        try:
            with os.scandir(folder) as items:
                files = sorted((item for item in items if not _is_folder(item)), key=_by_name)
        except (FileNotFoundError, NotADirectoryError):  # each name is reported as lost
            files = []
        except OSError as error:
            raise LibraryError(f"{folder}: cannot be listed: {error.strerror}") from error
        _sort_folder("", files, entries, Counter())
        entries, _ = _with_edits(folder, entries, _by_name_given(catalogs), tags)
    broken = [entry for entry in entries if entry.kind == BROKEN_CATALOG]
    named = [entry for entry in entries if {entry.file, *entry.sidecars} & set(names)]
    matched = {name for entry in named for name in (entry.file, *entry.sidecars)}
    named += [entry for entry in broken if entry not in named]
    lost = [_lost(folder, name) for name in sorted(set(names) - matched)]
    return sorted(named + lost, key=_by_file)


def _refuse_unpassable(folder: Path) -> None:
    """Raises LibraryError for a library whose own path would end an argument of ExifTool."""
    if not filenames.has_safe_absolute_path(folder):
        raise LibraryError(
            f"{filenames.escape_path(folder)}: its path, or that of the current folder, holds a "
            "line break or is not valid UTF-8, and cannot be passed to ExifTool. Rename the folder."
        )


def _lost(folder: Path, name: str) -> Entry:
    if not filenames.is_safe_path(name):
        return Entry(filenames.escape_path(name), UNREADABLE, (), _ODD_NAME)
    exists = (folder / name).exists()
    return Entry(name, LOST, (), "not a photo" if exists else "no such file")


def manifest(entries: Iterable[Entry]) -> "pa.Table":
    """The entries as a table."""
    import pyarrow as pa  # noqa: PLC0415 - which suggesting crops does without

    schema = _manifest_schema()
    read = operator.attrgetter(*schema.names)
    columns = list(zip(*map(read, entries), strict=True)) or [()] * len(schema.names)
    kinds = schema.types
    arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def write_manifest(entries: Iterable[Entry], file: Path) -> None:
    """Writes the entries as Parquet, the same bytes for the same library."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    atomic.replace(file, partial(pq.write_table, manifest(entries)))


def write_counts(found: Scan, file: Path) -> None:
    """Writes how many photos, sidecars and other files the library holds, as JSON."""
    kinds = Counter(entry.kind for entry in found.entries)
    counts = {
        "photos": kinds[PHOTO],
        "sidecars": sum(len(entry.sidecars) for entry in found.entries),
        "sidecars_without_photo": kinds[ORPHAN],
        "unreadable_names_or_folders": kinds[UNREADABLE],
        "other_files": dict(found.others),
        "other_editor": found.other_editors,
        "collected_photos": kinds[COLLECTED],
        "catalog_images": {name: dict(counts) for name, counts in found.catalogs.items()},
    }
    text = json.dumps(counts, indent=2) + "\n"
    atomic.replace(file, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def read_manifest(file: Path) -> "pa.Table":
    """The table that `write_manifest` wrote; `entries` gives its rows."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    return pq.read_table(file, schema=_manifest_schema())


def entries(manifest: "pa.Table", places: Sequence[int] | NDArray[np.int64]) -> Iterator[Entry]:
    """The entries at some rows of a manifest, a few in memory at a time."""
    import pyarrow as pa  # noqa: PLC0415

    for start in range(0, len(places), _ENTRIES_AT_ONCE):
        chosen = manifest.take(pa.array(places[start : start + _ENTRIES_AT_ONCE], pa.int64()))
        for row in chosen.to_pylist():
            lists = {"sidecars": tuple(row["sidecars"]), "edits": tuple(row["edits"])}
            yield Entry(**(row | lists))


def _manifest_schema() -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415

    return pa.schema(
        [
            ("file", pa.string()),  # path in the library, forward slashes
            ("kind", pa.string()),
            ("sidecars", pa.list_(pa.string())),
            ("trace", pa.string()),  # size, time of the photo and its sidecars, hash of its edits
            ("edits", pa.list_(pa.string())),
        ]
    )


def _folders(folder: Path) -> Iterator[tuple[str, list[os.DirEntry[str]] | OSError]]:
    """Every folder at any depth, links followed once: its path in the library and its files."""
    pending, seen = [""], set()
    while pending:
        relative = pending.pop()
        if not filenames.is_safe_path(relative):
            yield filenames.escape_path(relative), OSError(0, _ODD_NAME)
            continue
        try:
            status = (folder / relative).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder / relative) as items:
                inside = sorted((item for item in items if _is_users(item.name)), key=_by_name)
        except OSError as error:
            yield relative, error
            continue
        folders = [item for item in inside if _is_folder(item)]
        # with pipes, devices and links that lead nowhere, to be named as what cannot be opened
        yield relative, [item for item in inside if not _is_folder(item)]
        pending += [_joined(relative, item.name) for item in reversed(folders)]


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link that leads to itself, or to where reading is not allowed
        return False


def _catalogs(relative: str, files: list[os.DirEntry[str]] | OSError) -> list[str]:
    names = [] if isinstance(files, OSError) else [item.name for item in files]
    names = [name for name in names if filenames.is_safe_path(name)]
    return [
        _joined(relative, name) for name in names if sidecars.suffix(name) == catalog_files.SUFFIX
    ]


def _by_name_given(catalogs: Sequence[Path]) -> dict[str, Path]:
    """Catalogs by the names under which they are listed, which are valid in any table."""
    return {filenames.escape_path(file): file for file in catalogs}


def _with_edits(
    folder: Path, entries: list[Entry], named: Mapping[str, Path], tags: Collection[str]
) -> tuple[list[Entry], Mapping[str, Mapping[str, int]]]:
    """The entries with their edits in catalogs, and the catalogs' counts."""
    if not named:
        return entries, {}
    files = [entry.file for entry in entries if entry.kind == PHOTO]
    content = catalog_files.read_catalogs(folder, files, named, tags)
    entries = [_with_edit(entry, content.edits.get(entry.file, ())) for entry in entries]
    entries += [Entry(name, BROKEN_CATALOG, (), reason) for name, reason in content.broken.items()]
    return entries, content.counts


def _with_edit(entry: Entry, edits: tuple[str, ...]) -> Entry:
    if not edits:
        return entry
    digest = hashlib.sha256("\0".join(edits).encode()).hexdigest()[:16]
    return replace(entry, edits=edits, trace=f"{entry.trace} catalog:{digest}")


def _by_file(entry: Entry) -> str:
    return entry.file


def _by_name(item: os.DirEntry[str]) -> str:
    return item.name


def _is_users(name: str) -> bool:
    """Whether a name is not hidden (macOS's ._IMG.jpg), nor that of a program's own folder."""
    return not (
        name.startswith(".")
        or name in _PROGRAMS_FOLDERS
        or name.lower().endswith(_PROGRAMS_FOLDER_SUFFIXES)
    )


def _joined(relative: str, name: str) -> str:
    return f"{relative}/{name}" if relative else name


def _sort_folder(
    relative: str,
    files: list[os.DirEntry[str]] | OSError,
    entries: list[Entry],
    others: Counter[str],
) -> None:
    if isinstance(files, OSError):
        entries.append(Entry(relative or ".", UNREADABLE, (), str(files.strerror)))
        return
    plain = {item.name: item for item in files if filenames.is_safe_path(item.name)}
    odd = {filenames.escape_path(item.name) for item in files if item.name not in plain}
    entries += [
        Entry(_joined(relative, name), UNREADABLE, (), _ODD_NAME)
        for name in sorted(odd - set(plain))
    ]
    paired, unpaired = sidecars.pair(plain)
    profiles = {name for name in unpaired if sidecars.is_standalone_profile(name)}
    listed = registry.sidecar_suffixes() | {catalog_files.SUFFIX}
    for name, item in plain.items():
        suffix = sidecars.suffix(name)
        if suffix in sidecars.PHOTOS:
            entries.append(_entry(relative, item, [plain[own] for own in paired.get(name, [])]))
        elif name in profiles or suffix not in listed:
            others[suffix or "(none)"] += 1
    entries += [
        Entry(_joined(relative, name), ORPHAN, (), _trace([plain[name]]))
        for name in sorted(unpaired - profiles)
    ]


def _entry(relative: str, item: os.DirEntry[str], sidecar_items: list[os.DirEntry[str]]) -> Entry:
    return Entry(
        file=_joined(relative, item.name),
        kind=PHOTO,
        sidecars=tuple(_joined(relative, one.name) for one in sidecar_items),
        trace=" ".join([_trace([item]), *(f"{one.name}:{_trace([one])}" for one in sidecar_items)]),
    )


def _trace(items: list[os.DirEntry[str]]) -> str:
    return " ".join(_size_and_time(item) for item in items)


def _size_and_time(item: os.DirEntry[str]) -> str:
    try:
        status = item.stat()
    except OSError as error:  # a dangling link, or gone since it was listed
        return str(error.strerror)
    return f"{status.st_size}@{status.st_mtime_ns}"
