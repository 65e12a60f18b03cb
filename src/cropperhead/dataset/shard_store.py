"""Keeps finished shards and the ledger in an object store, too, while an extraction goes on.

Objects are named as DVC names those of its remotes: `files/md5/` and the MD5 of their content. So
the store may be DVC's remote, `dvc push` finds there what has been stored, and nothing is stored
twice or changed. One object, the index, names what belongs together: the shards, the ledger, and
the lines of its journal since. It is written last, and only if nobody else has written it since it
was read; so at any moment it names a whole state from which another machine can go on.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cropperhead.dataset import shards
from cropperhead.errors import StoreError
from cropperhead.system import atomic, object_store
from cropperhead.system.regular_file import open_regular

if TYPE_CHECKING:
    from obstore.store import ObjectStore

INDEX = "cropperhead/extracted.json"
_OBJECTS = "files/md5"  # of DVC 3
_FORMAT = 1  # of the index
_PATIENCE = object_store.OF_A_LONG_RUN
_PART = 5 << 20  # bytes, the least that S3 takes for a part of an object
_PARTS_AT_ONCE = 2  # a line of 5 Mbit/s carries them within the time for an answer
_AT_ONCE = 1 << 23  # bytes of an object that is fetched
_MD5, _SHARD = re.compile(r"[0-9a-f]{32}"), re.compile(r"shard-[0-9]{5,9}\.parquet")
_md5 = partial(hashlib.md5, usedforsecurity=False)
_KEPT = "What was extracted is kept on this machine: run again."
_TAKEN = (
    "another run has written to it since this one began, or it does not know If-Match. Let only "
    "one run write there at a time."
)

_RESTORE = f"Push it again from where it was made, or delete {INDEX} to begin anew."
_OTHER = f"has another content than its name says. {_RESTORE}"


class _Stored(NamedTuple):
    """An object by its MD5 in hex digits and its size in bytes."""

    md5: str
    size: int

    @property
    def path(self) -> str:
        return f"{_OBJECTS}/{self.md5[:2]}/{self.md5[2:]}"


class _Named(NamedTuple):
    """What an index names: shards by their names, the ledger if there is one, and its journal."""

    shards: Mapping[str, _Stored]
    ledger: Sequence[_Stored]
    journal: Sequence[_Stored]


class _AwayError(StoreError):
    """What the store, or the way to it, says is wrong."""


class ShardStore:
    """The shards and the ledger of a folder, as they are in the store at a URL.

    `folder` holds the shards. Every method raises StoreError if the store cannot be used; nothing
    is then half-written, in the store or in the folder.
    """

    def __init__(self, url: str, folder: Path, ledger: Path) -> None:
        self._url, self._folder, self._ledger = url, folder, ledger
        self._journal = ledger.with_suffix(".journal")
        self._known = dict[Path, tuple[tuple[int, ...], _Stored]]()  # by what tells a change
        self._lines, self._end = list[_Stored](), 0  # of the journal, and how far it is stored
        self._index, self._version = self._read_index()  # or as it was written last

    def restore(self) -> None:
        """Fetch what the index names, if there is no ledger here, and check it by MD5 and size.

        What is here already is not fetched again.
        """
        if not self._index or self._ledger.exists():
            return
        named = self._named()
        for name, stored in named.shards.items():
            self._fetch([stored], self._folder / name)
        self._fetch(named.journal, self._journal)
        self._fetch(named.ledger, self._ledger)  # last: an interrupted run begins again

    def publish(self) -> None:
        """Store what is new or changed in the folder, then the index that names all of it."""
        files = shards.shard_files(self._folder)
        stored = {file.name: self._store_file(file) for file in files}
        ledger = [self._store_file(self._ledger)] if self._ledger.exists() else []
        self._store_lines()
        self._write_index(_Named(stored, ledger, self._lines))

    @cached_property
    def _store(self) -> "ObjectStore":
        install = "'cropperhead[pipeline]'"
        return object_store.open_store(self._url, _PATIENCE, StoreError, install)

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """The size of each object that is there, by its path: one request for each 1,000."""
        import obstore  # noqa: PLC0415 - an extra

        with self._reachable():
            pages = obstore.list(self._store, prefix=_OBJECTS)
            return {one["path"]: one["size"] for page in pages for one in page}

    def _store_file(self, file: Path) -> _Stored:
        stored = self._described(file)
        self._put(stored, file)
        return stored

    def _described(self, file: Path) -> _Stored:
        """The MD5 and the size of a file, which is read again only if it has changed."""
        facts = file.stat()
        state = facts.st_ino, facts.st_size, facts.st_mtime_ns
        known = self._known.get(file)
        if known is None or known[0] != state:
            with open_regular(file) as stream:
                digest = hashlib.file_digest(stream, _md5)
            known = self._known[file] = state, _Stored(digest.hexdigest(), facts.st_size)
        return known[1]

    def _store_lines(self) -> None:
        """Store what has come to the journal, which ends when the ledger contains it."""
        if not self._journal.exists():
            self._lines, self._end = [], 0
            return
        with open_regular(self._journal) as stream:
            stream.seek(self._end)
            lines = stream.read()
        if lines:
            stored = _Stored(_md5(lines).hexdigest(), len(lines))
            self._put(stored, lines)
            self._lines, self._end = [*self._lines, stored], self._end + len(lines)

    def _put(self, stored: _Stored, content: Path | bytes) -> None:
        """Store an object unless it is there; it is then there as a whole or not at all."""
        import obstore  # noqa: PLC0415

        if self._sizes.get(stored.path) == stored.size:
            return
        with self._reachable():
            obstore.put(
                self._store,
                stored.path,
                content,
                chunk_size=_PART,
                max_concurrency=_PARTS_AT_ONCE,
            )
        self._sizes[stored.path] = stored.size

    def _read_index(self) -> tuple[bytes, dict[str, str]]:
        """The index, empty if there is none, and its version."""
        import obstore  # noqa: PLC0415

        with self._reachable(), suppress(FileNotFoundError):
            found = obstore.get(self._store, INDEX)
            return bytes(found.bytes()), _version(found.meta)
        return b"", {}

    def _write_index(self, named: _Named) -> None:
        import obstore  # noqa: PLC0415
        from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415

        content = json.dumps({"format": _FORMAT, **named._asdict()}, indent=0).encode()
        if content == self._index:
            return
        mode: Any = self._version if self._index else "create"
        with self._reachable():
            try:
                put = obstore.put(self._store, INDEX, content, mode=mode, use_multipart=False)
                version = _version(put)
            except (AlreadyExistsError, PreconditionError) as error:
                found, version = self._read_index()
                if found != content:  # otherwise this run has written it; its answer was lost
                    raise StoreError(f"{self._url}: {_TAKEN} {_KEPT}") from error
        self._index, self._version = content, version

    def _named(self) -> _Named:
        """What the index names. Raises StoreError for what is no index, or of another version."""
        try:
            found = json.loads(self._index)
            named = _Named(
                {name: _stored(one) for name, one in found["shards"].items()},
                [_stored(one) for one in found["ledger"]],
                [_stored(one) for one in found["journal"]],
            )
            if found["format"] != _FORMAT or not all(map(_SHARD.fullmatch, named.shards)):
                raise ValueError("another version")
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise StoreError(
                f"{self._url}: {INDEX} there is no index that this version of CropperHead reads. "
                "Choose another prefix, or delete it."
            ) from error
        return named

    def _fetch(self, parts: Sequence[_Stored], file: Path) -> None:
        """Put objects into a file, one after the other, unless they are there."""
        if parts and not (file.exists() and [self._described(file)] == parts):
            atomic.replace(file, partial(self._copy, parts))

    def _copy(self, parts: Sequence[_Stored], file: Path) -> None:
        with file.open("wb") as stream:
            for stored in parts:
                digest = _md5()
                for content in self._contents(stored):
                    digest.update(content)
                    stream.write(content)
                if digest.hexdigest() != stored.md5:
                    raise StoreError(f"{self._url}: {stored.path} {_OTHER}")

    def _contents(self, stored: _Stored) -> Iterator[bytes]:
        import obstore  # noqa: PLC0415

        for start in range(0, stored.size, _AT_ONCE):
            length = min(_AT_ONCE, stored.size - start)
            try:
                with self._reachable():
                    part = obstore.get_range(self._store, stored.path, start=start, length=length)
            except FileNotFoundError as error:
                raise StoreError(f"{self._url}: {stored.path} is not there. {_RESTORE}") from error
            yield bytes(part)

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            with object_store.reachable(self._url, _AwayError):
                yield
        except _AwayError as error:
            raise StoreError(f"{error}. Check the network and the credentials. {_KEPT}") from error


def _stored(found: Sequence[Any]) -> _Stored:
    md5, size = found
    if not (_MD5.fullmatch(md5) and isinstance(size, int) and size >= 0):
        raise ValueError(f"{found} is no MD5 and a size")
    return _Stored(md5, size)


def _version(told: Any) -> dict[str, str]:
    """What `obstore.put` asks for before it replaces an object."""
    return {name: told[name] for name in ("e_tag", "version") if told.get(name)}
