"""Puts photos of an object store into a temporary folder, with no more of them than is read.

A file is staged with its full size, and with holes. Of a JPEG its header is fetched first; of HEIC,
AVIF, PNG, WebP, TIFF, CR3, RAF and a RAW file that is built like a TIFF everything but its
pictures; of others all. That is all that ExifTool reads. Only before a photo is opened, which is
one that an editor has cropped, more is fetched: of a RAW file whose previews may take the place of
its pixels all but the pixels, where its header names them as such, of others the rest. So what is
read is the same as in a folder, apart from the SHA-256 of such a RAW file: holes count as zeros.
"""

import errno
import io
import itertools
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from cropperhead.errors import LibraryError, RejectedFile, disk_problem
from cropperhead.library import journal_records, scan, settings
from cropperhead.library.scan import Entry
from cropperhead.library.store import CHANGED, UNREADABLE, Part, StoredFile, StoredLibrary
from cropperhead.photos import (
    chunk_layout,
    cr3_layout,
    dng,
    embedded_xmp,
    heif_layout,
    photo_file,
    raf_layout,
    raw,
    raw_header,
    tiff,
)
from cropperhead.system.filenames import fold_name

_BLOCK = 1 << 16  # bytes: the header of most JPEGs is smaller than one
_MOST_AT_ONCE = 1 << 23  # bytes of a request: what a line of 4 Mbit/s carries within its time
_MOST_BYTES = (
    1 << 32
)  # of an object, the most of a TIFF: a larger one could be made to fill the disk
_MOST_OF_ROUND = 1 << 31  # bytes of the files that are staged at the same time
_TAG = 12  # bytes of a tag in its directory
# What a disk answers to a name that it cannot hold
_OF_NAMES = frozenset({errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EILSEQ})
_FILES_AT_ONCE = 16  # of which the headers are fetched: an answer takes long, and no processor
_JPEG = b"\xff\xd8"
_MARK = 64  # bytes of a JPEG, by which ExifTool knows it
# LibRaw looks at the first bytes of the pixels when it opens a file
_HEAD = _BLOCK


class PartialFile(io.RawIOBase):
    """An object of a store as a file that has holes; what is read is fetched before.

    `first` is the first block of it. Raises RejectedFile and LibraryError as `StoredLibrary.read`
    does; FileExistsError if there is such a file, which the system may call by another name.
    """

    def __init__(self, library: StoredLibrary, name: str, first: Part, file: Path) -> None:
        self._library, self._name, self.size = library, name, first.size
        self._first = replace(first, content=b"")
        self._there = {0}  # numbers of blocks
        self._place = 0
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = io.FileIO(file, "x+")
        self._file.truncate(first.size)
        os.pwrite(self._file.fileno(), first.content, 0)

    def fetch(self, holes: Sequence[tuple[int, int]] = ()) -> None:
        """Fetch what is not there, but for the blocks within holes: places and sizes in bytes."""
        left_out: set[int] = set()
        for start, end in _stretches(holes, self.size):
            left_out.update(range(-(-start // _BLOCK), end // _BLOCK))
        self._fetch(set(range(-(-self.size // _BLOCK))) - left_out)

    def fetch_part(self, place: int, size: int) -> None:
        """Fetch some bytes, up to the end of the file."""
        self._fetch(set(range(place // _BLOCK, -(-min(place + size, self.size) // _BLOCK))))

    def release(self) -> None:
        """Give back the room that the file takes; it cannot be read afterwards."""
        self._file.truncate(0)

    def readable(self) -> bool:
        """As of any file."""
        return True

    def seekable(self) -> bool:
        """As of any file."""
        return True

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        self._place = max(0, start + place)
        return self._place

    def tell(self) -> int:
        """As of any file."""
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """As of any file, up to the end of what is there: no block is fetched for its start."""
        place, end = self._place, min(self._place + len(buffer), self.size)
        if place >= end:
            return 0
        number = place // _BLOCK
        last = max(number + 1, end // _BLOCK)
        self._fetch(set(range(number, last)))
        content = os.pread(self._file.fileno(), min(end, last * _BLOCK) - place, place)
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)

    def close(self) -> None:
        """As of any file."""
        if not self.closed:
            self._file.close()
        super().close()

    def _fetch(self, blocks: set[int]) -> None:
        most = _MOST_AT_ONCE // _BLOCK
        for start, stop in _runs(sorted(blocks - self._there)):
            for first in range(start, stop, most):
                last = min(stop, first + most)
                place, end = first * _BLOCK, min(last * _BLOCK, self.size)
                part = self._library.read(self._name, place, end, self._first)
                os.pwrite(self._file.fileno(), part.content, place)
                self._there.update(range(first, last))


@dataclass
class _Photo:
    """A staged photo, and where its pictures and RAW pixels are if that is known.

    `previews` are those that are in no directory of a TIFF structure.
    """

    file: PartialFile
    pictures: list[tuple[int, int]] = field(default_factory=list)  # places and sizes in bytes
    raw_pixels: list[tuple[int, int]] = field(default_factory=list)  # of them
    previews: list[tuple[int, int]] = field(default_factory=list)

    def fetch_header(self) -> None:
        """Fetch what ExifTool reads: see the module."""
        stream = io.BufferedReader(self.file)
        start = stream.read(12)
        try:
            if start.startswith(_JPEG):
                stream.seek(0)
                embedded_xmp.read_jpeg_header(stream)
                return
            if tiff.is_structure(start):
                self._fetch_tags(stream)
                self._find_pictures(stream)
            if heif_layout.is_heif(start):
                self._fetch_items(stream)
            if chunk_layout.is_chunked(start):
                self.pictures = chunk_layout.find_pictures(stream, self.file.size)
            if cr3_layout.is_cr3(start):
                self._fetch_cr3(stream)
            if raf_layout.is_raf(start):
                self._fetch_raf(stream)
        except struct.error:  # a damaged file, whose readers decide about it
            self.pictures, self.raw_pixels, self.previews = [], [], []
        finally:
            stream.detach()
        self.file.fetch(self.pictures)

    def _fetch_tags(self, stream: BinaryIO) -> None:
        """Fetch all tags, which a picture's claimed size may cover. Raises struct.error."""
        left = 2 * self.file.size  # a damaged file may name the same bytes again and again
        for entries in tiff.walk(stream, tiff.BELOW):
            for one in entries:
                left -= one.size + _TAG
                if left < 0 or one.place + one.size > self.file.size:
                    raise struct.error(f"tag {one.tag} is cut off")
                self.file.fetch_part(one.place, one.size)

    def _fetch_items(self, stream: BinaryIO) -> None:
        """Fetch all of an HEIC or AVIF but its pictures, also where one claims the rest."""
        stream.seek(0)
        layout = heif_layout.read_layout(stream, self.file.size)
        self.pictures = layout.pictures
        self._fetch_parts(layout.others)

    def _fetch_cr3(self, stream: BinaryIO) -> None:
        layout = cr3_layout.read_layout(stream, self.file.size)
        self.raw_pixels, self.previews = layout.raw_pixels, layout.previews
        previews = [(place + _MARK, max(0, size - _MARK)) for place, size in layout.previews]
        self.pictures = layout.raw_pixels + previews
        self._fetch_parts(layout.others)

    def _fetch_raf(self, stream: BinaryIO) -> None:
        layout = raf_layout.read_layout(stream, self.file.size)
        self.raw_pixels, self.previews = layout.raw_pixels, [layout.preview]
        self.pictures = [*layout.raw_pixels, layout.scan]
        self._fetch_parts(layout.others)

    def _fetch_parts(self, parts: Iterable[tuple[int, int]]) -> None:
        for place, size in parts:
            self.file.fetch_part(place, size)

    def _find_pictures(self, stream: BinaryIO) -> None:
        for directory, parts in tiff.picture_parts(stream):
            self.pictures += parts
            if dng.names_raw_pixels(directory, stream):
                self.raw_pixels += parts

    def fetch_previews(self, file: Path) -> None:
        """Fetch all but the RAW pixels, also where a preview claims a part of them."""
        self.file.fetch([(place + _HEAD, max(0, size - _HEAD)) for place, size in self.raw_pixels])
        self._fetch_parts([*self.previews, *raw_header.find_previews(file)])


class Staging:
    """Photos of a library in a temporary folder, under their own names.

    `long_side` is that of the copies that will be made of them, None for none. `problems` has why a
    file could not be fetched; another run may be able to.
    """

    def __init__(
        self, library: StoredLibrary, folder: Path, long_side: int | None, max_megapixels: float
    ) -> None:
        self.folder, self.problems = folder, dict[str, RejectedFile]()
        self._library, self._long_side, self._most = library, long_side, max_megapixels
        self._photos: dict[str, _Photo] = {}
        # as they may have been listed when they were fetched
        self._files: dict[str, list[StoredFile]] = {}
        self._journals: dict[PurePosixPath, bool | RejectedFile] = {}
        self._opened: _Photo | None = None

    def stage(self, entries: Sequence[Entry]) -> None:
        """Fetch photos' metadata and sidecars. Raises LibraryError if the library is gone."""
        photos = [entry for entry in entries if entry.kind == scan.PHOTO]
        sidecars = sorted({name for entry in photos for name in entry.sidecars})
        pool = ThreadPoolExecutor(_FILES_AT_ONCE)
        try:
            work = [pool.submit(self._stage_photo, entry.file) for entry in photos]
            work += [pool.submit(self._stage_sidecar, name) for name in sidecars]
            for one in work:
                one.result()
        finally:
            pool.shutdown(cancel_futures=True)
        for entry in photos:
            for name in entry.sidecars:
                if name in self.problems:
                    self.problems.setdefault(entry.file, self.problems[name])
            if entry.file not in self.problems and not self._is_as_listed(entry):
                problem = f"{entry.file}: it or its sidecar was replaced after it was listed"
                self.problems[entry.file] = RejectedFile(CHANGED, problem)

    def prepare(self, entry: Entry) -> None:
        """Fetch what is needed of a photo to open it, and its folder's journal.

        Gives back the room of the photo before. Raises RejectedFile if it or the journal cannot be
        fetched, LibraryError if the library is gone or the disk is full.
        """
        photo = self._photos[entry.file]
        if self._opened is not None and self._opened is not photo:
            self._opened.file.release()
        self._opened = photo
        try:
            with self._placing(entry.file):
                if self._has_journal(PurePosixPath(entry.file).parent):
                    photo.file.fetch()  # a journal knows photos by the SHA-256 of all
                else:
                    self._fetch_pixels(entry.file, photo)
        except RejectedFile as error:
            self.problems[entry.file] = error
            raise

    def close(self) -> None:
        """Close all files; the folder is its owner's to remove."""
        for photo in self._photos.values():
            photo.file.close()

    def _stage_photo(self, name: str) -> None:
        with self._noting(name):
            self._photos[name] = _Photo(self._first_of(name))
            self._photos[name].fetch_header()

    def _stage_sidecar(self, name: str) -> None:
        with self._noting(name), self._first_of(name) as file:
            if settings.is_small_enough(self.folder / name):  # by its size, not yet its content
                file.fetch()

    def _first_of(self, name: str) -> PartialFile:
        first = self._library.read(name, 0, _BLOCK)
        if not first.is_identified:
            problem = (
                f"{name}: the store sends neither an ETag nor a time, so changes to it cannot be "
                "detected"
            )
            raise RejectedFile(UNREADABLE, problem)
        self._files[name] = first.stored_files(name)
        return self._new_file(name, first)

    def _is_as_listed(self, entry: Entry) -> bool:
        files = (self._files[name] for name in (entry.file, *entry.sidecars))
        return any(
            scan.trace(own, sidecars) == entry.trace for own, *sidecars in zip(*files, strict=True)
        )

    def _new_file(self, name: str, first: Part) -> PartialFile:
        if first.size > _MOST_BYTES:
            raise RejectedFile("too_large", f"{name}: it has more than {_MOST_BYTES:,} bytes")
        return PartialFile(self._library, name, first, self.folder / name)

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        try:
            with self._placing(name):
                yield
        except RejectedFile as error:
            self.problems[name] = error

    @contextmanager
    def _placing(self, name: str) -> Iterator[None]:
        """Raises RejectedFile for a name that the disk cannot hold, LibraryError if it is full."""
        try:
            yield
        except OSError as error:
            if error.errno in _OF_NAMES:
                raise _unnameable(name, error) from error
            raise LibraryError(
                f"{tempfile.gettempdir()}: {name} cannot be put there: {disk_problem(error)}. Make "
                "room, or set TMPDIR to another disk, and run again: what has been read is kept."
            ) from error

    def _has_journal(self, parent: PurePosixPath) -> bool:
        """Whether a folder has a journal, which is then staged as a whole.

        Raises RejectedFile for each photo of a folder whose journal cannot be fetched: without it,
        the suggestions that it names would be people's crops.
        """
        if parent not in self._journals:
            try:
                self._journals[parent] = self._stage_journal(parent)
            except RejectedFile as error:
                self._journals[parent] = error
        found = self._journals[parent]
        if isinstance(found, RejectedFile):
            raise found
        return found

    def _stage_journal(self, parent: PurePosixPath) -> bool:
        name = (parent / journal_records.FOLDER / journal_records.LINES).as_posix()
        first = self._library.find(name, 0, _BLOCK)
        if first is None:
            return False
        with self._placing(name), self._new_file(name, first) as file:
            if first.size <= journal_records.MOST_BYTES:
                file.fetch()
        return True

    def _fetch_pixels(self, name: str, photo: _Photo) -> None:
        is_raw = photo_file.is_raw(Path(name))
        if is_raw and photo.raw_pixels:
            photo.fetch_previews(self.folder / name)
            if self._long_side is None or self._shows_preview(self.folder / name, self._long_side):
                return
        if is_raw or self._long_side is not None:  # otherwise the header is enough
            photo.file.fetch()

    def _shows_preview(self, file: Path, long_side: int) -> bool:
        try:
            with raw.open_raw(file, self._most) as photo:
                return photo.shows_preview(long_side)
        except RejectedFile:  # whole, it may be read
            return False


@contextmanager
def stage(
    library: StoredLibrary,
    folder: str,
    entries: Sequence[Entry],
    long_side: int | None,
    max_megapixels: float,
) -> Iterator[Staging]:
    """Stage photos in an empty folder, which its owner removes; arguments as of `Staging`."""
    staging = Staging(library, Path(folder), long_side, max_megapixels)
    try:
        staging.stage(entries)
        yield staging
    finally:
        staging.close()


def rounds(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Divide entries so that the files of a round can be in one folder, and fit on the disk.

    A store may have `a.jpg` beside `a.jpg/b.jpg`, and names that differ in their case alone or in
    how an accent is composed, which some disks take for one. The files of a round have 2 GB at most
    as they are listed, or are those of a single photo.
    """
    divided: list[_Round] = []
    for entry in entries:
        own, size = _names_on_disk(entry), scan.listed_bytes(entry)
        chosen = next((one for one in divided if one.has_room(own, size)), None)
        if chosen is None:
            divided.append(chosen := _Round())
        chosen.entries.append(entry)
        chosen.names.update(own)
        chosen.size += size
    return [one.entries for one in divided]


@dataclass
class _Round:
    entries: list[Entry] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    size: int = 0  # in bytes

    def has_room(self, names: Mapping[str, str], size: int) -> bool:
        is_free = all(self.names.get(key, name) == name for key, name in names.items())
        return is_free and self.size + size <= _MOST_OF_ROUND


def _names_on_disk(entry: Entry) -> dict[str, str]:
    """A photo's files and folders by what the least discerning disk takes them for."""
    names = [entry.file, *entry.sidecars]
    folders = {f"{parent}/" for name in names for parent in PurePosixPath(name).parents}
    return {fold_name(one.rstrip("/")): one for one in [*names, *folders]}


def _stretches(parts: Iterable[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    """What parts cover of the bytes before `end`: the first of each stretch, and what follows it.

    Parts are places and sizes. They may overlap, and claim more than there is.
    """
    start = stop = 0
    for place, size in sorted(parts):
        if place > stop:
            yield start, stop
            start = stop = place
        stop = max(stop, min(place + size, end))
    yield start, stop


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The runs of consecutive numbers: the first of each, and what follows its last."""
    for _, run in itertools.groupby(enumerate(numbers), key=lambda one: one[1] - one[0]):
        values = [number for _, number in run]
        yield values[0], values[-1] + 1


def _unnameable(name: str, error: OSError) -> RejectedFile:
    problem = f"{name}: it cannot be put into a temporary folder: {error.strerror}"
    return RejectedFile(UNREADABLE, problem)
