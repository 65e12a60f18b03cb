"""Photo libraries in an object store: what is listed there, and parts of single objects."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cropperhead.errors import LibraryError, RejectedFile
from cropperhead.system import object_store

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_PATIENCE = object_store.OF_A_LONG_RUN
UNREADABLE, CHANGED = "unreadable", "changed_meanwhile"  # kinds of a rejection
_HIDES = "Objects with a control character, // or .. in their names hide others. Rename that object"
_WEAK = "W/"  # how a weak ETag begins
_CHUNK = 1 << 16  # bytes, of an object that is read up to a part
_WHOLE = "non-partial response"  # in obstore's error, if a store sends all of an object for a part


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An object as it is listed: the name after its last slash, its size in bytes, and its tag.

    The tag is a strong ETag; where a store has a weak one, that with the time in seconds; where it
    has none, the time.
    """

    name: str
    size: int
    tag: str

    @property
    def state(self) -> str:
        """What takes the place of a file's size and time: it changes with the content."""
        return f"{self.size}@{self.tag}"


@dataclass(frozen=True)
class Part:
    """Bytes of an object, with what a store says of the whole: its size in bytes, ETag and so on.

    `seconds` is when it was stored, since 1970, and 0 if the store does not say; `version` its id
    in a bucket that keeps versions.
    """

    content: bytes
    size: int
    etag: str = ""
    seconds: int = 0
    version: str | None = None

    def stored_files(self, path: str) -> list[StoredFile]:
        """The object as it may be listed: some stores list other headers than they send."""
        name = path.rpartition("/")[2]
        return [StoredFile(name, self.size, tag) for tag in _tags(self.etag, self.seconds)]

    @property
    def is_identified(self) -> bool:
        """Whether the store says anything that would be another for another content."""
        return bool(self.etag or self.version or self.seconds)

    def is_of_same(self, other: "Part") -> bool:
        """Whether both are of the same content.

        Strong ETags decide; where one is weak or missing, versions; without those the weak ETags
        and the times, which tell seconds.
        """
        if self.size != other.size:
            return False
        if _is_strong(self.etag) and _is_strong(other.etag):
            return self.etag == other.etag
        if self.version and other.version:
            return self.version == other.version
        ours, theirs = ((_value(one.etag), one.seconds) for one in (self, other))
        return ours == theirs and self.is_identified


@dataclass(frozen=True)
class StoredLibrary:
    """A library below a URL such as `s3://bucket/prefix`; only its URL goes to other processes."""

    url: str

    def __post_init__(self) -> None:
        object_store.refuse_secrets(self.url, LibraryError)

    def __str__(self) -> str:
        return self.url

    def folders(self) -> Iterator[tuple[str, list[StoredFile] | OSError]]:
        """Every folder at any depth: its path in the library and its files, both sorted.

        At the end, objects whose names `object_store.refuses`, each with an error. One of these
        hides all that are listed with it from obstore. So S3 is then listed again by botocore, and
        of other stores LibraryError is raised, as of one that cannot be listed. Takes a request for
        each 1,000 objects and listing.
        """
        from obstore.exceptions import InvalidPathError  # noqa: PLC0415 - an extra

        store = _open(self.url)
        with object_store.reachable(self.url, LibraryError):
            try:
                yield from _by_folder(_listed(store))
            except InvalidPathError as error:
                if not object_store.is_s3(self.url):
                    raise LibraryError(
                        f"{self.url}: {object_store.problem(error)}. {_HIDES}."
                    ) from error
                yield from _by_folder(object_store.list_s3(self.url, _PATIENCE))

    def read(self, name: str, start: int, stop: int, other: Part | None = None) -> Part:
        """The bytes of an object from `start` to before `stop`, or to its end.

        With another part, only of the same content. Raises RejectedFile if the object is gone, has
        been replaced, or cannot be read; LibraryError if that is true of the library.
        """
        part = self.find(name, start, stop, other)
        if part is None:
            self.require()
            raise RejectedFile(UNREADABLE, f"{name}: it is no longer in the store")
        return part

    def find(self, name: str, start: int, stop: int, other: Part | None = None) -> Part | None:
        """As `read`, but gives None for an object that is not there."""
        from obstore.exceptions import BaseError, PreconditionError  # noqa: PLC0415

        try:
            part = _get(_open(self.url), name, start, stop)
        except FileNotFoundError:
            return None
        except PreconditionError as error:  # by obstore, which went on after an interruption
            raise _replaced(name) from error
        except (BaseError, OSError, ValueError) as error:
            self.require()
            now = self._described(name)
            if now and other is not None and not now.is_of_same(other):
                raise _replaced(name) from error
            if now and not now.size:  # it has no first byte, and a store refuses the range
                return now
            raise RejectedFile(UNREADABLE, f"{name}: {object_store.problem(error)}") from error
        # Not by If-Match, which weak ETags never fulfil, and which some stores do not know
        if other is not None and not part.is_of_same(other):
            raise _replaced(name)
        return part

    def require(self) -> None:
        """Raises LibraryError if the library cannot be listed now."""
        from obstore.exceptions import InvalidPathError  # noqa: PLC0415

        try:
            with object_store.reachable(self.url, LibraryError), suppress(InvalidPathError):
                next(_listed(_open(self.url)), None)
        except LibraryError as error:
            raise LibraryError(
                f"{error}. Check the network and the credentials, and run again: what has been "
                "read is kept."
            ) from error

    def _described(self, name: str) -> Part | None:
        """What the store says of an object, without content; None if it says nothing."""
        import obstore  # noqa: PLC0415
        from obstore.exceptions import BaseError  # noqa: PLC0415

        try:
            return _part(b"", obstore.head(_open(self.url), name))
        except (BaseError, OSError, ValueError):
            return None


Library = Path | StoredLibrary


def find_library(place: str) -> Library:
    """The library that a text names: a folder, or the URL of an object store."""
    if object_store.is_url(place):
        return StoredLibrary(place)
    return Path(place).expanduser()


@cache
def _open(url: str) -> "ObjectStore":
    install = "'cropperhead[pipeline]'"
    return object_store.open_store(url, _PATIENCE, LibraryError, install)


def _listed(store: "ObjectStore") -> Iterator[Any]:
    import obstore  # noqa: PLC0415

    for page in obstore.list(store):
        yield from page


def _by_folder(listed: Iterable[Any]) -> Iterator[tuple[str, list[StoredFile] | OSError]]:
    """What is listed, by its folders; see `StoredLibrary.folders`."""
    folders: dict[str, list[StoredFile]] = defaultdict(list)
    odd: list[str] = []
    for each in listed:
        path = each["path"]
        file = _stored_file(path, each["size"], each["e_tag"], each["last_modified"])
        if not (object_store.refuses(path) or path.endswith("/")):
            folders[path.rpartition("/")[0]].append(file)
        elif not _is_marker(file):
            odd.append(path)
    for relative in sorted(folders):
        yield relative, _without_markers(folders[relative])
    for path in sorted(odd):
        yield path, OSError(0, object_store.REFUSED)


def _without_markers(files: Iterable[StoredFile]) -> list[StoredFile]:
    """The files, sorted, without the empty objects that stand for folders.

    A folder's own has no name, and one for a folder inside has a name without a suffix.
    """
    return sorted((one for one in files if not _is_marker(one)), key=_by_name)


def _is_marker(file: StoredFile) -> bool:
    return not file.size and "." not in file.name


def _get(store: "ObjectStore", name: str, start: int, stop: int) -> Part:
    """Some bytes of an object. Raises obstore's errors."""
    import obstore  # noqa: PLC0415
    from obstore.exceptions import GenericError  # noqa: PLC0415

    try:
        found = obstore.get(store, name, options={"range": (start, stop)})
        return _part(bytes(found.bytes()), found.meta)
    except GenericError as error:
        if _WHOLE not in str(error):
            raise
    whole = obstore.get(store, name)
    return _part(_cut(whole.stream(_CHUNK), start, stop), whole.meta)


def _cut(chunks: Iterable[Any], start: int, stop: int) -> bytes:
    """The bytes from `start` to before `stop` of a stream, which is read no further."""
    content, place = bytearray(), 0
    for chunk in chunks:
        content += bytes(chunk)[max(0, start - place) : stop - place]
        place += len(chunk)
        if place >= stop:
            break
    return bytes(content)


def _part(content: bytes, meta: Any) -> Part:
    seconds = _seconds(meta["last_modified"])
    return Part(content, meta["size"], meta["e_tag"] or "", seconds, meta["version"])


def _tags(etag: str, seconds: int) -> list[str]:
    """What an object may be listed with: a strong ETag, a weak one, none."""
    time = str(seconds)
    if not etag:
        return [time] * 3
    return [_value(etag), f"{_WEAK}{_value(etag)}@{time}", time]


def _value(etag: str) -> str:
    return etag.removeprefix(_WEAK).strip('"')


def _is_strong(etag: str) -> bool:
    return bool(etag) and not etag.startswith(_WEAK)


def _seconds(stored_at: datetime | None) -> int:
    """Some stores list fractions of a second, and send none."""
    return int(stored_at.timestamp()) if stored_at else 0


def _stored_file(path: str, size: int, etag: str | None, stored_at: datetime | None) -> StoredFile:
    strong, weak, _ = _tags(etag or "", _seconds(stored_at))
    return StoredFile(
        path.rpartition("/")[2], size, weak if (etag or "").startswith(_WEAK) else strong
    )


def _replaced(name: str) -> RejectedFile:
    return RejectedFile(CHANGED, f"{name}: it was replaced while it was read")


def _by_name(file: StoredFile) -> str:
    return file.name
