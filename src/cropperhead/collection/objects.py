"""The photos of a collection: objects named by the SHA-256 of their content.

An object is stored whole or not at all. Storing one again changes nothing, because its name is its
content's.
"""

import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from cropperhead.errors import CollectionError, disk_problem
from cropperhead.system import atomic, object_store, regular_file
from cropperhead.system.object_store import Patience

_SUFFIX, _MARK = ".jpg", "collection.txt"
_NAME = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 16 * 2**20  # of an object that is read; photos have at most one of them
_UNFINISHED_S = 3600.0  # after which an unfinished file is a killed process's
# A person waits for the answer: short times, few tries
_PATIENCE = Patience(connect_s=3, answer_s=10, retries=2, retry_s=8)


class Objects(Protocol):
    """Where photos are stored. Every method raises CollectionError if it cannot be reached."""

    def prepare(self, is_new: bool) -> None:
        """Make the store if it is that of a new collection, and check that it is there."""

    def put(self, name: str, content: bytes) -> None:
        """Store an object for good: it outlasts a power loss."""

    def get(self, name: str) -> bytes | None:
        """Return an object's content; None if there is none."""

    def exists(self, name: str) -> bool:
        """Return whether an object is stored."""

    def delete(self, name: str) -> None:
        """Delete an object; one that does not exist is no error."""

    def names(self, least_age_s: float) -> Iterator[str]:
        """Yield the names of objects that are at least so old."""


def open_objects(place: str) -> Objects:
    """Open the store at a URL (`s3://bucket/prefix` or any other of obstore's), or in a folder.

    Credentials and addresses of a URL come from the environment, such as AWS_ACCESS_KEY_ID and
    AWS_ENDPOINT_URL. Raises SetupError if obstore is not installed, CollectionError for a URL that
    it does not know.
    """
    if not object_store.is_url(place):
        return FolderObjects(Path(place).expanduser())
    return RemoteObjects(place)


class FolderObjects:
    """Objects in a folder, in subfolders by the first two digits of their names."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._mark = folder, folder / _MARK

    def free_bytes(self) -> int:
        """Return how much room the folder's disk has. Raises CollectionError."""
        with self._there():
            return shutil.disk_usage(self._folder).free

    def prepare(self, is_new: bool) -> None:
        """See Objects: a mark tells the folder from the empty one where its disk is missing."""
        with _reachable(str(self._folder)):
            if is_new and not self._mark.exists():
                self._folder.mkdir(parents=True, exist_ok=True)
                self._mark.write_text("Photos of a collection of CropperHead.\n", encoding="utf-8")
        with self._there():
            pass

    def put(self, name: str, content: bytes) -> None:
        """See Objects."""
        file = self._file(name)
        with self._there():
            if file.exists():
                return
            file.parent.mkdir(exist_ok=True)
            # another name for each writer: two may store one photo at a time
            unfinished = file.with_suffix(f".{secrets.token_hex(8)}{atomic.UNFINISHED}")
            try:
                unfinished.write_bytes(content)
                atomic.to_disk(unfinished)
                unfinished.replace(file)
            except BaseException:
                with suppress(OSError):
                    unfinished.unlink(missing_ok=True)
                raise
            atomic.to_disk(file.parent)

    def get(self, name: str) -> bytes | None:
        """See Objects."""
        with self._there():
            try:
                return regular_file.read_bytes(self._file(name), _MOST_BYTES)
            except FileNotFoundError:
                return None

    def exists(self, name: str) -> bool:
        """See Objects."""
        with self._there():
            return self._file(name).is_file()

    def delete(self, name: str) -> None:
        """See Objects."""
        with self._there():
            self._file(name).unlink(missing_ok=True)

    def names(self, least_age_s: float) -> Iterator[str]:
        """See Objects; removes what killed processes left unfinished."""
        now = time.time()
        with self._there():
            for file in sorted(self._folder.glob("??/*")):
                try:
                    age = now - file.stat().st_mtime
                except FileNotFoundError:  # deleted meanwhile
                    continue
                if file.suffix == atomic.UNFINISHED and age >= _UNFINISHED_S:
                    file.unlink(missing_ok=True)
                elif file.suffix == _SUFFIX and _NAME.fullmatch(file.stem) and age >= least_age_s:
                    yield file.stem

    @contextmanager
    def _there(self) -> Iterator[None]:
        with _reachable(str(self._folder)):
            if not self._mark.exists():
                raise CollectionError(f"{self._folder}: the collection's photos are not there")
            yield

    def _file(self, name: str) -> Path:
        _require_name(name)
        return self._folder / name[:2] / (name + _SUFFIX)


class RemoteObjects:
    """Objects in S3 or another store that obstore knows by its URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store = object_store.open_store(url, _PATIENCE, CollectionError, "'cropperhead[web]'")
        import obstore  # noqa: PLC0415 - an extra

        self._obstore = obstore

    def prepare(self, is_new: bool) -> None:
        """See Objects: buckets are made by their owners."""
        del is_new
        self.exists("0" * 64)

    def put(self, name: str, content: bytes) -> None:
        """See Objects."""
        with self._reachable():
            self._obstore.put(self._store, _key(name), content)

    def get(self, name: str) -> bytes | None:
        """See Objects."""
        with self._reachable():
            try:
                return bytes(self._obstore.get(self._store, _key(name)).bytes())
            except FileNotFoundError:
                return None

    def exists(self, name: str) -> bool:
        """See Objects."""
        with self._reachable():
            try:
                self._obstore.head(self._store, _key(name))
            except FileNotFoundError:
                return False
            return True

    def delete(self, name: str) -> None:
        """See Objects."""
        with self._reachable(), suppress(FileNotFoundError):
            self._obstore.delete(self._store, _key(name))

    def names(self, least_age_s: float) -> Iterator[str]:
        """See Objects."""
        latest = time.time() - least_age_s
        with self._reachable():
            for page in self._obstore.list(self._store):
                for each in page:
                    name = Path(each["path"]).stem
                    is_old = each["last_modified"].timestamp() <= latest
                    if is_old and _NAME.fullmatch(name) and each["path"] == _key(name):
                        yield name

    def _reachable(self) -> AbstractContextManager[None]:
        return object_store.reachable(self._url, CollectionError)


def _key(name: str) -> str:
    _require_name(name)
    return f"{name[:2]}/{name}{_SUFFIX}"


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a SHA-256 in hexadecimal digits")


@contextmanager
def _reachable(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CollectionError(f"{place}: {disk_problem(error)}") from error
