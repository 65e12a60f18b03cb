"""Lists the photos of a library, their sidecars and their traces, without opening a photo.

The scan shows that nothing has changed, so it reads only names, sizes and times; of an object store
it reads ETags in place of times. The only files
that it opens are Lightroom's catalogs, which hold edits of many photos: the edits of one photo are
part of its trace, so that a photo is read again when they changed, not when the catalog did.
"""

import hashlib
import json
import operator
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from cropperhead.editors import registry, unsupported
from cropperhead.errors import LibraryError, NoPhotosError
from cropperhead.library import catalogs as catalog_files
from cropperhead.library import sidecars
from cropperhead.library.store import Library, StoredFile, StoredLibrary
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
NO_PHOTO_BESIDE = "there is no photo of this name next to it"  # of an orphan
_SAVE_METADATA = "Save the photos' metadata to files in Lightroom (Ctrl+S or Cmd+S)"
_STORED_CATALOG = f"catalogs in an object store are not read. {_SAVE_METADATA}"
_KINDS = "(JPEG, TIFF, PNG, WebP, HEIC, AVIF or RAW)"
_ENTRIES_AT_ONCE = 1000
_SIZE = re.compile(r"(?:^|:)(\d{1,18})@")  # in a trace

_Item = os.DirEntry[str] | StoredFile
Files = Sequence[_Item]


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


class Entries(Sequence[Entry]):
    """Entries, sorted by path, each kept as one text: as objects they take twice the memory."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._packed = sorted(map(_pack, entries))

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> list[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | list[Entry]:
        if isinstance(place, slice):
            return [_unpack(text) for text in self._packed[place]]
        return _unpack(self._packed[place])


def _pack(entry: Entry) -> str:
    """An entry as a text that sorts as its file does: no path, trace or JSON has a NUL in it."""
    lists = ("\n".join(several) for several in (entry.sidecars, entry.edits))
    return "\0".join([entry.file, entry.kind, entry.trace, *lists])


def _unpack(text: str) -> Entry:
    file, kind, trace, *lists = text.split("\0")
    sidecars, edits = (tuple(several.split("\n")) if several else () for several in lists)
    return Entry(file, kind, sidecars, trace, edits)


@dataclass(frozen=True)
class Scan:
    """All entries of a library, sorted by path, and counts of what else is there.

    `others` counts files by suffix, `catalogs` the images of each Lightroom catalog by where their
    photos are.
    """

    entries: Sequence[Entry]
    others: Mapping[str, int]
    catalogs: Mapping[str, Mapping[str, int]]

    @property
    def other_editors(self) -> dict[str, int]:
        """The files of editors that are not supported, counted by editor."""
        return unsupported.count_by_editor(self.others)


def scan(
    library: Library,
    catalogs: Sequence[Path] = (),
    tags: Collection[str] = (),
) -> Scan:
    """Lists everything in a library, at any depth. Raises NoPhotosError if it is missing or empty.

    `catalogs` are Lightroom's outside the library, `tags` are read from them besides the crop.
    Raises LibraryError for a store that cannot be listed, or with catalogs, which name folders.
    """
    others: Counter[str] = Counter()
    inside: list[str] = []
    entries = Entries(_list_entries(library, others, inside))
    if not any(entry.kind == PHOTO for entry in entries):
        raise NoPhotosError(f"{library}: no photo is in it or below it {_KINDS}{_unread(entries)}.")
    if isinstance(library, StoredLibrary):
        _refuse_catalogs(library, catalogs)
        unread = (Entry(name, BROKEN_CATALOG, (), _STORED_CATALOG) for name in inside)
        return Scan(Entries(chain(entries, unread)), _sorted(others), {})
    named = {name: library / name for name in inside} | _by_name_given(catalogs)
    edited, counts = _with_edits(library, entries, named, tags)
    return Scan(edited, _sorted(others), counts)


def _unread(entries: Iterable[Entry]) -> str:
    """Names the first file or folder that may hide a photo, for the end of a sentence."""
    unread = [entry for entry in entries if entry.kind == UNREADABLE]
    return f"; {unread[0].file} cannot be read: {unread[0].trace}" if unread else ""


def _list_entries(library: Library, others: Counter[str], inside: list[str]) -> Iterator[Entry]:
    """The entries of all folders, once; adds to the counts of others, and the catalogs inside."""
    for relative, files in _list_folders(library):
        if isinstance(files, OSError):
            yield Entry(relative, UNREADABLE, (), str(files.strerror))
        else:
            inside += _catalogs(relative, files)
            yield from _sort_folder(relative, files, others)


def _list_folders(library: Library) -> Iterator[tuple[str, Files | OSError]]:
    if isinstance(library, StoredLibrary):
        return _stored_folders(library)
    _refuse_unpassable(library)
    if not library.is_dir():
        problem = "it is a file, expected a folder" if library.exists() else "no such folder"
        raise NoPhotosError(f"{library}: {problem}.")
    return _folders(library)


def _stored_folders(library: StoredLibrary) -> Iterator[tuple[str, Files | OSError]]:
    """Every folder of a store that is neither hidden nor a program's own."""
    for path, files in library.folders():
        if not all(is_users(part) for part in path.split("/") if part not in {".", ".."}):
            continue
        if isinstance(files, OSError):  # an object
            yield path if path and filenames.is_safe_path(path) else _unlisted(path), files
        else:
            yield path, [one for one in files if is_users(one.name)]


def _unlisted(relative: str) -> str:
    """The name under which an unlistable folder is rejected; no file's name ends in a slash."""
    return f"{filenames.escape_path(relative) or '.'}/"


def _refuse_catalogs(library: StoredLibrary, catalogs: Sequence[Path]) -> None:
    """Raises LibraryError for catalogs, which would silently match no photo."""
    if catalogs:
        raise LibraryError(
            f"{library}: {catalogs[0]} is a Lightroom catalog, whose edits are found by folders, "
            f"not in an object store. {_SAVE_METADATA} and name no catalog."
        )


def with_entries(found: Scan, entries: Iterable[Entry]) -> Scan:
    """Return a scan with further entries, such as those of a collection."""
    return replace(found, entries=Entries(chain(found.entries, entries)))


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
        entries = scan(folder, catalogs, tags).entries
    else:
        try:
            with os.scandir(folder) as items:
                files = sorted((item for item in items if not _is_folder(item)), key=_by_name)
        except (FileNotFoundError, NotADirectoryError):  # each name is reported as lost
            files = []
        except OSError as error:
            raise LibraryError(f"{folder}: cannot be listed: {error.strerror}") from error
        listed = Entries(_sort_folder("", files, Counter()))
        entries, _ = _with_edits(folder, listed, _by_name_given(catalogs), tags)
    broken = [entry for entry in entries if entry.kind == BROKEN_CATALOG]
    named = [entry for entry in entries if {entry.file, *entry.sidecars} & set(names)]
    matched = {name for entry in named for name in (entry.file, *entry.sidecars)}
    named += [entry for entry in broken if entry not in named]
    missing = [lost(folder, name) for name in sorted(set(names) - matched)]
    return sorted(named + missing, key=_by_file)


def _refuse_unpassable(folder: Path) -> None:
    """Raises LibraryError for a library whose own path would end an argument of ExifTool."""
    if not filenames.has_safe_absolute_path(folder):
        raise LibraryError(
            f"{filenames.escape_path(folder)}: its path, or that of the current folder, holds a "
            "line break or is not valid UTF-8, and cannot be passed to ExifTool. Rename the folder."
        )


def lost(folder: Path, name: str) -> Entry:
    """The entry of a name at which there is no photo."""
    if not filenames.is_safe_path(name):
        return Entry(filenames.escape_path(name), UNREADABLE, (), filenames.UNSAFE)
    exists = (folder / name).exists()
    return Entry(name, LOST, (), "not a photo" if exists else "no such file")


def manifest(entries: Iterable[Entry]) -> "pa.Table":
    """The entries as a table."""
    return _table(entries).combine_chunks()


def _table(entries: Iterable[Entry]) -> "pa.Table":
    """The entries as a table of many parts, so that no more than a part is there twice."""
    import pyarrow as pa  # noqa: PLC0415 - which suggesting crops does without

    schema, remaining = _manifest_schema(), iter(entries)
    read = operator.attrgetter(*schema.names)
    parts = [schema.empty_table()]
    while some := list(islice(remaining, _ENTRIES_AT_ONCE)):
        columns = zip(*map(read, some), strict=True)
        arrays = [pa.array(each, kind) for each, kind in zip(columns, schema.types, strict=True)]
        parts.append(pa.Table.from_arrays(arrays, schema=schema))
    return pa.concat_tables(parts)


def write_manifest(entries: Iterable[Entry], file: Path) -> None:
    """Writes the entries as Parquet, the same bytes for the same library."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    atomic.replace(file, partial(pq.write_table, _table(entries)))


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

    every = np.asarray(places, np.int64)
    for start in range(0, len(every), _ENTRIES_AT_ONCE):
        some = every[start : start + _ENTRIES_AT_ONCE]
        # of the rows around them: Arrow copies all that it takes some from, if it has several parts
        first, last = int(some.min()), int(some.max())
        around = manifest.slice(first, last - first + 1)
        for row in around.take(pa.array(some - first)).to_pylist():
            lists = {"sidecars": tuple(row["sidecars"]), "edits": tuple(row["edits"])}
            yield Entry(**(row | lists))


def _manifest_schema() -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415

    return pa.schema(
        [
            ("file", pa.string()),  # path in the library, forward slashes
            ("kind", pa.string()),
            ("sidecars", pa.list_(pa.string())),
            # size, time or ETag of the photo and its sidecars, hash of its edits
            ("trace", pa.string()),
            ("edits", pa.list_(pa.string())),
        ]
    )


def _folders(folder: Path) -> Iterator[tuple[str, Files | OSError]]:
    """Every folder at any depth, links followed once: its path in the library and its files.

    With an error in place of files, the name under which what cannot be listed is rejected.
    """
    pending, seen = [""], set()
    while pending:
        relative = pending.pop()
        if not filenames.is_safe_path(relative):
            yield _unlisted(relative), OSError(0, filenames.UNSAFE)
            continue
        try:
            status = (folder / relative).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder / relative) as items:
                inside = sorted((item for item in items if is_users(item.name)), key=_by_name)
        except OSError as error:
            yield _unlisted(relative), error
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


def _catalogs(relative: str, files: Files) -> list[str]:
    names = [item.name for item in files if filenames.is_safe_path(item.name)]
    return [
        _joined(relative, name) for name in names if sidecars.suffix(name) == catalog_files.SUFFIX
    ]


def _by_name_given(catalogs: Sequence[Path]) -> dict[str, Path]:
    """Catalogs by the names under which they are listed, which are valid in any table."""
    return {filenames.escape_path(file): file for file in catalogs}


def _with_edits(
    folder: Path, entries: Entries, named: Mapping[str, Path], tags: Collection[str]
) -> tuple[Entries, Mapping[str, Mapping[str, int]]]:
    """The entries with their edits in catalogs, and the catalogs' counts."""
    if not named:
        return entries, {}
    files = [entry.file for entry in entries if entry.kind == PHOTO]
    content = catalog_files.read_catalogs(folder, files, named, tags)
    edited = (_with_edit(entry, content.edits.get(entry.file, ())) for entry in entries)
    broken = (Entry(name, BROKEN_CATALOG, (), why) for name, why in content.broken.items())
    return Entries(chain(edited, broken)), content.counts


def _with_edit(entry: Entry, edits: tuple[str, ...]) -> Entry:
    if not edits:
        return entry
    digest = hashlib.sha256("\0".join(edits).encode()).hexdigest()[:16]
    return replace(entry, edits=edits, trace=f"{entry.trace} catalog:{digest}")


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _by_file(entry: Entry) -> str:
    return entry.file


def _by_name(item: os.DirEntry[str]) -> str:
    return item.name


def is_users(name: str) -> bool:
    """Whether a name is not hidden (macOS's ._IMG.jpg), nor that of a program's own folder."""
    return not (
        name.startswith(".")
        or name in _PROGRAMS_FOLDERS
        or name.lower().endswith(_PROGRAMS_FOLDER_SUFFIXES)
    )


def _joined(relative: str, name: str) -> str:
    return f"{relative}/{name}" if relative else name


def _sort_folder(relative: str, files: Files, others: Counter[str]) -> Iterator[Entry]:
    """The entries of a folder; adds to the counts of others."""
    plain = {item.name: item for item in files if filenames.is_safe_path(item.name)}
    odd = {filenames.escape_path(item.name) for item in files if item.name not in plain}
    for name in sorted(odd - set(plain)):
        yield Entry(_joined(relative, name), UNREADABLE, (), filenames.UNSAFE)
    paired, unpaired = sidecars.pair(plain)
    profiles = {name for name in unpaired if sidecars.is_standalone_profile(name)}
    listed = registry.sidecar_suffixes() | {catalog_files.SUFFIX}
    for name, item in plain.items():
        suffix = sidecars.suffix(name)
        if suffix in sidecars.PHOTOS:
            yield _entry(relative, item, [plain[own] for own in paired.get(name, [])])
        elif name in profiles or suffix not in listed:
            others[suffix or "(none)"] += 1
    for name in sorted(unpaired - profiles):
        yield Entry(_joined(relative, name), ORPHAN, (), _trace([plain[name]]))


def _entry(relative: str, item: _Item, sidecar_items: Sequence[_Item]) -> Entry:
    return Entry(
        file=_joined(relative, item.name),
        kind=PHOTO,
        sidecars=tuple(_joined(relative, one.name) for one in sidecar_items),
        trace=trace(item, sidecar_items),
    )


def trace(item: _Item, sidecar_items: Sequence[_Item]) -> str:
    """A photo's trace, which changes with its content or that of a sidecar."""
    return " ".join([_trace([item]), *(f"{one.name}:{_trace([one])}" for one in sidecar_items)])


def listed_bytes(entry: Entry) -> int:
    """The size of a photo and its sidecars as they were listed, or more; 0 if it is unknown."""
    return sum(map(int, _SIZE.findall(entry.trace)))


def _trace(items: Sequence[_Item]) -> str:
    return " ".join(_state(item) for item in items)


def _state(item: _Item) -> str:
    """A file's size and time, or an object's size and ETag."""
    if isinstance(item, StoredFile):
        return item.state
    try:
        status = item.stat()
    except OSError as error:  # a dangling link, or gone since it was listed
        return str(error.strerror)
    return f"{status.st_size}@{status.st_mtime_ns}"
