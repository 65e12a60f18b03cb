"""Shards in an object store: what is sent, in which order, and who goes on from there."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from shutil import ignore_patterns
from typing import NamedTuple

import obstore
import pandas as pd
import pytest
from conftest import extract_params, picture, save_photo, settings, xmp
from servers import BUCKET

from cropperhead.cli.main import main
from cropperhead.dataset import extract, shard_store
from cropperhead.errors import StoreError
from cropperhead.library import scan
from cropperhead.system.object_store import Patience

CROP = xmp(settings())
BATCH = 4
DVC = [sys.executable, "-m", "dvc"]


class Remote(NamedTuple):
    """A prefix of its own in the store, and a library of photos in a folder."""

    url: str
    library: Path
    server: object
    prefix: str

    def draw(self, start: int, stop: int) -> None:
        for number in range(start, stop):
            save_photo(self.library / f"{number:02d}.jpg", CROP, picture(90 + number, 60))

    def extract(self, out: Path, url: str | None = None) -> pd.DataFrame:
        """Extract by batches of four, and give the ledger by file."""
        params = extract_params(self.library, batch_files=BATCH)
        entries = scan.scan(self.library).entries
        extract.extract_into(out, self.library, entries, params, self.url if url is None else url)
        return pd.read_parquet(out / "ledger.parquet").set_index("file")

    def index(self) -> dict[str, dict]:
        return json.loads(self.get(shard_store.INDEX))

    def get(self, name: str) -> bytes:
        found = self.server.client.get_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}")
        return found["Body"].read()

    def put(self, name: str, content: bytes) -> None:
        self.server.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}", Body=content)

    def delete(self, name: str) -> None:
        self.server.client.delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}")

    def names(self) -> set[str]:
        listed = self.server.client.get_paginator("list_objects_v2")
        pages = listed.paginate(Bucket=BUCKET, Prefix=f"{self.prefix}/")
        found = (one["Key"] for page in pages for one in page.get("Contents", []))
        return {key.removeprefix(f"{self.prefix}/") for key in found}

    def sent(self) -> dict[str, int]:
        """The bytes that were sent to each object since the last call."""
        sizes: dict[str, int] = {}
        for one in self.server.requests():
            name = one.path.partition("?")[0].removeprefix(f"/{BUCKET}/{self.prefix}/")
            if one.method in {"PUT", "POST"} and one.received:
                sizes[name] = sizes.get(name, 0) + one.received
        return sizes


@pytest.fixture
def remote(store, monkeypatch, request, tmp_path):
    monkeypatch.setattr(shard_store, "_PATIENCE", Patience(1, 1, retries=2, retry_s=2))
    prefix = f"team/{request.node.name}"
    store.requests()
    return Remote(f"s3://{BUCKET}/{prefix}", tmp_path / "library", store, prefix)


def path_of(content: bytes) -> str:
    """DVC's name of an object in a remote."""
    md5 = hashlib.md5(content).hexdigest()
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def stored_files(out: Path) -> dict[str, bytes]:
    files = [*sorted((out / "extracted").iterdir()), out / "ledger.parquet"]
    return {file.name: file.read_bytes() for file in files}


def named_paths(index: dict) -> set[str]:
    objects = [*index["shards"].values(), *index["ledger"], *index["journal"]]
    return {f"files/md5/{md5[:2]}/{md5[2:]}" for md5, _ in objects}


def test_each_object_is_sent_once_and_of_an_unchanged_library_nothing(remote, tmp_path):
    remote.draw(0, 6)
    remote.extract(tmp_path / "out")
    files = stored_files(tmp_path / "out")
    assert sorted(files) == ["ledger.parquet", "shard-00000.parquet", "shard-00001.parquet"]
    sent = remote.sent()
    assert {path_of(one): len(one) for one in files.values()}.items() <= sent.items()
    # beside them: the empty ledger, the journal's lines of two batches, the index
    assert len(sent) == 3 + 1 + 2 + 1
    assert named_paths(remote.index()) == {path_of(one) for one in files.values()}
    assert remote.index()["journal"] == []
    remote.extract(tmp_path / "out")
    assert not remote.sent()
    remote.draw(6, 8)
    remote.extract(tmp_path / "out")
    new = stored_files(tmp_path / "out")
    assert new.items() > {name: one for name, one in files.items() if "shard" in name}.items()
    [shard] = new.keys() - files
    sent = remote.sent()
    assert sent[path_of(new[shard])] == len(new[shard])
    assert len(sent) == 1 + 1 + 1 + 1  # the shard, its lines, the ledger, the index
    remote.extract(tmp_path / "local", url="")
    remote.extract(tmp_path / "again", url="")
    assert stored_files(tmp_path / "local") == stored_files(tmp_path / "again")
    assert not remote.sent()


def test_the_files_on_the_disk_are_the_same_with_and_without_a_store(remote, tmp_path):
    remote.draw(0, 6)
    for name, url in (("with", remote.url), ("without", "")):
        remote.extract(tmp_path / name, url)
    assert stored_files(tmp_path / "with") == stored_files(tmp_path / "without")


def test_whenever_the_index_is_written_all_that_it_names_is_there(remote, tmp_path, monkeypatch):
    put, states = obstore.put, []

    def watched(store, path, content, **options):
        result = put(store, path, content, **options)
        if path == shard_store.INDEX:
            assert named_paths(remote.index()) <= remote.names()
            states.append(len(remote.index()["shards"]))
        return result

    monkeypatch.setattr(obstore, "put", watched)
    remote.draw(0, 6)
    remote.extract(tmp_path / "out")
    (remote.library / "00.jpg").unlink()  # its shard is written anew
    remote.extract(tmp_path / "out")
    # first 0 shards, 1, 2, and these with their whole ledger; then 2 without the photo, and so on
    assert states == [0, 1, 2, 2, 2, 2]


def interrupted(remote, out, monkeypatch, at=2):
    """Extract until the store stops answering, when it is asked to take shard number `at`."""
    put, seen = obstore.put, []

    def failing(store, path, content, **options):
        if isinstance(content, Path) and content.name.startswith("shard") and path not in seen:
            seen.append(path)
            if len(seen) == at:
                remote.server.pause()
        return put(store, path, content, **options)

    with monkeypatch.context() as patch:
        patch.setattr(obstore, "put", failing)
        try:
            with pytest.raises(
                StoreError, match=r"Check the network and the credentials\. What was"
            ):
                remote.extract(out)
        finally:
            remote.server.go_on()


def test_a_store_that_goes_away_ends_the_run_and_the_next_one_sends_the_rest(
    remote, tmp_path, monkeypatch
):
    remote.draw(0, 10)
    interrupted(remote, tmp_path / "out", monkeypatch)
    assert len(remote.index()["shards"]) == 1
    assert named_paths(remote.index()) <= remote.names()
    written = sorted(file.name for file in (tmp_path / "out" / "extracted").iterdir())
    assert written == ["shard-00000.parquet", "shard-00001.parquet"]
    files = [(tmp_path / "out" / "extracted" / one).read_bytes() for one in written]
    # a store that is back may still take what came while it was away
    remote.delete(path_of(files[1]))
    remote.sent()
    ledger = remote.extract(tmp_path / "out")
    sent = remote.sent()
    assert [path_of(one) in sent for one in files] == [False, True]
    assert ledger["outcome"].tolist() == ["cropped"] * 10
    assert stored_files(tmp_path / "out").keys() == {*remote.index()["shards"], "ledger.parquet"}


def test_another_machine_goes_on_from_what_is_in_the_store(remote, tmp_path, monkeypatch):
    remote.draw(0, 10)
    interrupted(remote, tmp_path / "lost", monkeypatch)
    read, readings = extract.reading.read_files, []

    def counting(library, tasks, *rest):
        readings.extend(tasks := list(tasks))
        return read(library, tasks, *rest)

    monkeypatch.setattr(extract.reading, "read_files", counting)
    remote.extract(tmp_path / "new")
    assert [entry.file for entry, _ in readings] == [f"{number:02d}.jpg" for number in range(4, 10)]
    remote.extract(tmp_path / "whole", url="")
    assert stored_files(tmp_path / "new") == stored_files(tmp_path / "whole")
    readings.clear()
    remote.sent()
    remote.extract(tmp_path / "third")  # all of it is fetched, and nothing is read or sent
    assert not readings
    assert not remote.sent()
    assert stored_files(tmp_path / "third") == stored_files(tmp_path / "whole")


def test_of_two_runs_at_once_the_second_is_refused_and_harms_nothing(remote, tmp_path):
    remote.draw(0, 5)
    for name in ("a", "b"):
        remote.extract(tmp_path / name, url="")
    places = [(tmp_path / name / "extracted", tmp_path / name / "ledger.parquet") for name in "ab"]
    stores = [shard_store.ShardStore(remote.url, *one) for one in places]
    (places[1][0] / "shard-00001.parquet").unlink()
    stores[0].publish()
    with pytest.raises(StoreError, match="another run has written to it since this one began"):
        stores[1].publish()
    assert len(remote.index()["shards"]) == 2
    stores[0].publish()  # as if nothing had been
    with pytest.raises(StoreError, match="another run"):  # and never by chance
        stores[1].publish()
    shard_store.ShardStore(remote.url, *places[1]).publish()
    assert len(remote.index()["shards"]) == 1


def test_an_answer_that_was_lost_is_no_other_run(remote, tmp_path, monkeypatch):
    """The client repeats such a request, which then meets its own object."""
    put = obstore.put

    def repeated(store, path, content, **options):
        result = put(store, path, content, **options)
        return put(store, path, content, **options) if path == shard_store.INDEX else result

    monkeypatch.setattr(obstore, "put", repeated)
    remote.draw(0, 6)
    assert len(remote.extract(tmp_path / "out")) == 6


def test_what_is_not_what_the_index_says_is_never_used(remote, tmp_path):
    remote.draw(0, 6)
    remote.extract(tmp_path / "out")
    shard = (tmp_path / "out" / "extracted" / "shard-00001.parquet").read_bytes()
    remote.put(path_of(shard), shard[:-1] + b"?")
    with pytest.raises(StoreError, match=r"has another content than its name says\. Push it again"):
        remote.extract(tmp_path / "new")
    remote.put(path_of(shard), shard[:-1])
    with pytest.raises(StoreError):
        remote.extract(tmp_path / "new")
    remote.delete(path_of(shard))
    with pytest.raises(StoreError, match=r"is not there\. Push it again from where it was made"):
        remote.extract(tmp_path / "new")
    assert [one.name for one in (tmp_path / "new" / "extracted").iterdir()] == [
        "shard-00000.parquet"
    ]
    remote.extract(tmp_path / "out")  # which has it
    remote.extract(tmp_path / "new")
    assert stored_files(tmp_path / "new") == stored_files(tmp_path / "out")


NO_INDEX = {
    "empty": b"{}",
    "newer": b'{"format": 2, "shards": {}, "ledger": [], "journal": []}',
    "path": b'{"format": 1, "shards": {"../shard-00000.parquet": ["%s", 1]}, "ledger": [], '
    b'"journal": []}',
    "no MD5": b'{"format": 1, "shards": {}, "ledger": [["../../other", 1]], "journal": []}',
    "no size": b'{"format": 1, "shards": {}, "ledger": [["%s", "1"]], "journal": []}',
}


@pytest.mark.parametrize("content", NO_INDEX.values(), ids=NO_INDEX.keys())
def test_an_index_that_cannot_be_read_is_named(remote, tmp_path, content):
    remote.put(shard_store.INDEX, content.replace(b"%s", b"0" * 32))
    with pytest.raises(StoreError, match="no index that this version of CropperHead reads"):
        extract.restore(remote.url, tmp_path / "extracted", tmp_path / "ledger.parquet")
    assert not list(tmp_path.iterdir())


def test_a_large_file_goes_by_parts_and_comes_back_whole(remote, tmp_path):
    folder, ledger = tmp_path / "extracted", tmp_path / "ledger.parquet"
    folder.mkdir()
    content = bytes(range(256)) * (9 << 12)  # 9 MB: two parts to send, two to fetch
    (folder / "shard-00000.parquet").write_bytes(content)
    ledger.write_bytes(b"ledger")
    shard_store.ShardStore(remote.url, folder, ledger).publish()
    other = tmp_path / "other"
    extract.restore(remote.url, other / "extracted", other / "ledger.parquet")
    assert (other / "extracted" / "shard-00000.parquet").read_bytes() == content
    assert (other / "ledger.parquet").read_bytes() == b"ledger"


def test_a_store_that_cannot_be_written_to_is_named_before_a_photo_is_read(remote, tmp_path):
    remote.draw(0, 1)
    with pytest.raises(StoreError, match=r"s3://no-such-bucket/x: .*bucket does not exist"):
        remote.extract(tmp_path / "out", "s3://no-such-bucket/x")
    assert not (tmp_path / "out" / "extracted").exists()
    with pytest.raises(StoreError, match="credentials into the environment"):
        remote.extract(tmp_path / "out", "s3://key:secret@bucket/x")


@pytest.mark.usefixtures("one_process")
def test_the_command_stores_what_it_extracts(remote, tmp_path, capsys):
    remote.draw(0, 2)
    command = ["extract", str(remote.library), "--shards", remote.url]
    assert main(command) == 2
    assert main([*command, "--dry-run"]) == 2
    assert "--shards needs --out DIR" in capsys.readouterr().err
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    assert named_paths(remote.index()) <= remote.names()
    # other commands that extract, such as `compare`, leave the pipeline's store alone
    params = extract_params(remote.library, shards="s3://no-such-bucket/x")
    extract.extract_into(tmp_path / "b", remote.library, [], params)


def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*DVC, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_dvc_pushes_no_shard_that_is_there_and_another_machine_pulls_all(remote, tmp_path):
    """By HTTP, for which DVC needs no S3 of its own; the names in a remote are the same."""
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:*"}
    statement = {"Statement": [everybody | {"Resource": f"arn:aws:s3:::{BUCKET}/*"}]}
    remote.server.client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(statement))
    remote.draw(0, 6)
    work = tmp_path / "work"
    remote.extract(work)
    endpoint = remote.server.environment["AWS_ENDPOINT_URL"]
    dvc(work, "init", "--no-scm")
    (work / ".dvc" / "config").write_text(
        "[core]\nremote = team\nanalytics = false\nno_scm = true\n['remote \"team\"']\n"
        f"url = {endpoint}/{BUCKET}/{remote.prefix}\nmethod = PUT\nverify = true\n"
    )
    dvc(work, "add", "extracted", "ledger.parquet")
    remote.server.requests()
    dvc(work, "push")
    puts = [one.path for one in remote.server.requests() if one.method == "PUT"]
    assert [Path(path).suffix for path in puts] == [".dir?"]  # the folder's list
    for name in ("other", "third"):
        shutil.copytree(work / ".dvc", tmp_path / name / ".dvc", ignore=ignore_patterns("cache"))
        for file in ("extracted.dvc", "ledger.parquet.dvc"):
            shutil.copy(work / file, tmp_path / name)
    dvc(tmp_path / "other", "pull")
    assert stored_files(tmp_path / "other") == stored_files(work)
    shard = (work / "extracted" / "shard-00001.parquet").read_bytes()
    remote.put(path_of(shard), shard[:-1] + b"?")
    done = dvc(tmp_path / "third", "pull")
    assert done.returncode
    assert not (tmp_path / "third" / "extracted" / "shard-00001.parquet").exists()
