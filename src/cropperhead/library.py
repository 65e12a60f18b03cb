"""What lies in a photo library, without opening a file: photos, their sidecars and their traces.

The scan is what tells that nothing has changed, so it reads names, sizes and times alone.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from cropperhead import photos
from cropperhead.errors import LibraryError

SIDECAR_SUFFIX = ".xmp"
# IMG_1.xmp beside both IMG_1.NEF and IMG_1.JPG is the RAW's: editors write a JPEG's into the JPEG.
RAW_SUFFIXES = frozenset(
    [
        ".3fr",
        ".arw",
        ".cr2",
        ".cr3",
        ".crw",
        ".dcr",
        ".dng",
        ".erf",
        ".fff",
        ".iiq",
        ".kdc",
        ".mef",
        ".mos",
        ".mrw",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raf",
        ".raw",
        ".rw2",
        ".rwl",
        ".sr2",
        ".srf",
        ".srw",
        ".x3f",
    ]
)
# Thumbnails and previews that programs and network drives leave beside the photos
_PROGRAMS_FOLDERS = frozenset({"@eaDir", "__MACOSX", "lost+found"})
_PROGRAMS_FOLDER_SUFFIXES = (".lrdata", ".lrcat-data", ".photoslibrary")
# darktable's duplicates: IMG_1_02.jpg.xmp is the third version of IMG_1.jpg
_DUPLICATE = re.compile(r"^(?P<stem>.+)_\d{2,}(?P<suffix>\.[^.]+)$")

MANIFEST_SCHEMA = pa.schema(
    [
        ("file", pa.string()),  # path in the library, forward slashes
        ("kind", pa.string()),
        ("sidecars", pa.list_(pa.string())),
        ("trace", pa.string()),  # size and time of the photo and its sidecars
    ]
)
PHOTO, ORPHAN, UNREADABLE = "photo", "orphan", "unreadable"


@dataclass(frozen=True)
class Entry:
    """A photo with its sidecars, or a file that cannot be one (`kind`)."""

    file: str
    kind: str
    sidecars: tuple[str, ...]
    trace: str


@dataclass(frozen=True)
class Scan:
    """All entries of a library, sorted by path, and the count of other files by suffix."""

    entries: tuple[Entry, ...]
    others: dict[str, int]


def scan(folder: Path) -> Scan:
    """Everything in a library, at any depth. Raises LibraryError where it is missing or empty."""
    if not folder.is_dir():
        raise LibraryError(
            f"extract.library: {folder} is no folder. Set it in params.yaml to the folder that "
            "holds your photos."
        )
    entries: list[Entry] = []
    others: Counter[str] = Counter()
    for relative, files in _folders(folder):
        _sort_folder(relative, files, entries, others)
    if not any(entry.kind == PHOTO for entry in entries):
        raise LibraryError(
            f"extract.library: {folder} holds no JPEG, PNG or TIFF photo. Set it in params.yaml to "
            "the folder that holds your edited photos."
        )
    return Scan(tuple(sorted(entries, key=lambda entry: entry.file)), dict(sorted(others.items())))


def write_manifest(entries: Iterable[Entry], file: Path) -> None:
    """Writes the entries as Parquet, the same bytes for the same library."""
    rows = [vars(entry) | {"sidecars": list(entry.sidecars)} for entry in entries]
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=MANIFEST_SCHEMA), file)


def write_counts(found: Scan, file: Path) -> None:
    """Writes how many photos, sidecars and other files the library holds, as JSON."""
    kinds = Counter(entry.kind for entry in found.entries)
    counts = {
        "photos": kinds[PHOTO],
        "sidecars": sum(len(entry.sidecars) for entry in found.entries),
        "sidecars_without_photo": kinds[ORPHAN],
        "unreadable_names_or_folders": kinds[UNREADABLE],
        "other_files": found.others,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")


def read_manifest(file: Path) -> list[Entry]:
    """The entries that `write_manifest` wrote."""
    rows = pq.read_table(file).to_pylist()
    return [Entry(**(row | {"sidecars": tuple(row["sidecars"])})) for row in rows]


def _folders(folder: Path) -> Iterator[tuple[str, list[os.DirEntry[str]] | OSError]]:
    """Every folder below, links followed once: its path in the library and its files."""
    pending, seen = [""], set()
    while pending:
        relative = pending.pop()
        try:
            status = (folder / relative).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder / relative) as found:
                inside = sorted((item for item in found if _is_users(item.name)), key=_by_name)
        except OSError as error:
            yield relative, error
            continue
        folders = [item for item in inside if _holds(item.is_dir)]
        # pipes and devices would never end; a dangling link is listed, to be named as unreadable
        yield relative, [i for i in inside if _holds(i.is_file) or _is_dangling(i)]
        pending += [_joined(relative, item.name) for item in reversed(folders)]


def _holds(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # a link that leads to itself, or to where nobody may look
        return False


def _is_dangling(item: os.DirEntry[str]) -> bool:
    return item.is_symlink() and not Path(item.path).exists()


def _by_name(item: os.DirEntry[str]) -> str:
    return item.name


def _is_users(name: str) -> bool:
    """Not hidden (macOS's ._IMG.jpg are no pictures), and not a program's own folder."""
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
    odd = [item for item in files if not _is_plain_text(item.name)]
    entries += [
        Entry(_joined(relative, _printable(item.name)), UNREADABLE, (), "name") for item in odd
    ]
    plain = {item.name: item for item in files if item not in odd}
    sidecars, unclaimed = _sidecars(plain)
    for name, item in plain.items():
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in photos.SUFFIXES:
            entries.append(_entry(relative, item, [plain[own] for own in sidecars.get(name, [])]))
        elif suffix != SIDECAR_SUFFIX:
            others[suffix or "(none)"] += 1
    entries += [
        Entry(_joined(relative, name), ORPHAN, (), _trace([plain[name]]))
        for name in sorted(unclaimed)
    ]


def _sidecars(names: Collection[str]) -> tuple[dict[str, list[str]], set[str]]:
    """Which sidecars go with which photo, and which go with no file at all."""
    by_stem: dict[str, list[str]] = {}
    by_name: dict[str, str] = {}
    own = [name for name in names if PurePosixPath(name).suffix.lower() == SIDECAR_SUFFIX]
    for name in names:
        if name not in own:
            by_stem.setdefault(PurePosixPath(name).stem.lower(), []).append(name)
            by_name[name.lower()] = name
    found: dict[str, list[str]] = {}
    unclaimed = set()
    for sidecar in own:
        exact = PurePosixPath(sidecar).stem  # where IMG.jpg and IMG.JPG lie side by side
        partners = [exact] if exact in names else []
        partners = partners or _partners(exact.lower(), by_stem, by_name)
        for photo in partners:
            found.setdefault(photo, []).append(sidecar)
        if not partners:
            unclaimed.add(sidecar)
    return found, unclaimed


def _partners(stem: str, by_stem: dict[str, list[str]], by_name: dict[str, str]) -> list[str]:
    duplicate = _DUPLICATE.match(stem)
    original = duplicate["stem"] + duplicate["suffix"] if duplicate else ""
    if stem in by_name:
        return [by_name[stem]]
    if original in by_name:
        return [by_name[original]]
    beside = by_stem.get(stem, [])
    raws = [name for name in beside if PurePosixPath(name).suffix.lower() in RAW_SUFFIXES]
    return raws or beside


def _entry(relative: str, item: os.DirEntry[str], sidecars: list[os.DirEntry[str]]) -> Entry:
    return Entry(
        file=_joined(relative, item.name),
        kind=PHOTO,
        sidecars=tuple(_joined(relative, one.name) for one in sidecars),
        trace=" ".join([_trace([item]), *(f"{one.name}:{_trace([one])}" for one in sidecars)]),
    )


def _trace(items: list[os.DirEntry[str]]) -> str:
    return " ".join(_size_and_time(item) for item in items)


def _size_and_time(item: os.DirEntry[str]) -> str:
    try:
        status = item.stat()
    except OSError as error:  # a dangling link, or gone since it was listed
        return str(error.strerror)
    return f"{status.st_size}@{status.st_mtime_ns}"


def _is_plain_text(name: str) -> bool:
    """Whether a name can be written into tables and passed to ExifTool line by line."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\n" not in name and "\r" not in name


def _printable(name: str) -> str:
    return (
        name.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n").replace("\r", "\\r")
    )
