"""A photo library in an object store, and the same one in a folder."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import extract_params
from servers import BUCKET

from cropperhead.dataset import extract
from cropperhead.library import scan
from cropperhead.library.store import StoredLibrary


class Bucket(NamedTuple):
    """A library in the store, below a prefix of its own, and the same files in a folder."""

    library: StoredLibrary
    folder: Path
    prefix: str
    server: object
    client: object

    def upload(self) -> StoredLibrary:
        """Put what is in the folder into the store, and forget the requests so far."""
        for file in sorted(self.folder.rglob("*")):
            if file.is_file():
                self.put(file.relative_to(self.folder).as_posix(), file.read_bytes())
        self.server.requests()
        return self.library

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}", Body=content)

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}")

    def fetched(self) -> dict[str, int]:
        """The bytes of each object that were sent since the last call, and of "" the listings'."""
        sizes: dict[str, int] = {}
        for one in self.server.requests():
            path = one.path.split("?")[0].removeprefix(f"/{BUCKET}").removeprefix(f"/{self.prefix}")
            name = path.removeprefix("/")
            sizes[name] = sizes.get(name, 0) + one.sent
        return sizes


@pytest.fixture
def store(object_store, monkeypatch):
    """The server of an object store, which the environment names."""
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    return object_store


@pytest.fixture
def bucket(store, request, tmp_path):
    prefix = f"my photos, 100 % #1/{request.node.name}"  # characters with a meaning in URLs
    folder = tmp_path / "library"
    folder.mkdir()
    library = StoredLibrary(f"s3://{BUCKET}/{prefix}")
    return Bucket(library, folder, prefix, store, store.client)


def run(out, library, **values):
    """Extract a library, and give its ledger by file."""
    params = extract_params("library", **values)
    summary = extract.extract_into(out, library, scan.scan(library).entries, params)
    return pd.read_parquet(out / "ledger.parquet").set_index("file"), summary


def shards(out):
    return pd.concat([pq.read_table(one).to_pandas() for one in sorted(out.glob("*/shard-*"))])
