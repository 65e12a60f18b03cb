"""Extraction and suggestions on a real Ray cluster, of which a node dies in the middle."""

import io
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml
from conftest import ROOT, extract_params, save_photo, scene, settings, xmp
from ray_cluster import START_S, ray_cluster
from servers import BUCKET, free_port, wait_for

from cropperhead.dataset import reading
from cropperhead.demo.library import draw_library
from cropperhead.errors import LibraryError, RejectedFile, SetupError
from cropperhead.library.scan import PHOTO, Entry
from cropperhead.system import cluster
from cropperhead.system.engine import Engine

CRASHING = 13
LOOPBACKS = {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
NODES = 3  # with the head, of one processor each


@pytest.fixture(scope="module")
def nodes(object_store):
    """A cluster, on whose machines a store's credentials were set before Ray was started."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in object_store.environment.items():
            patch.setenv(name, value)
        with ray_cluster(NODES - 1) as started:
            yield started


@pytest.fixture(scope="module")
def connected(nodes):
    """This process as a driver; its name is the address."""
    import ray  # noqa: PLC0415

    ray.init(nodes.address, _node_ip_address=cluster.LOOPBACK, log_to_driver=False)
    yield nodes.address
    ray.shutdown()


def cropperhead(folder: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "cropperhead.cli", *arguments]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen) -> str:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output


def configure(folder: Path, **extract: object) -> Path:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["extract"] |= {"batch_files": 6} | extract
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_an_address_at_which_nothing_listens_is_named():
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(SetupError, match=f"answers at {address}: Connection refused"):
        list(cluster.map_chunks(squares_or_crash, chunks(8), address, 0, minus))


def test_ray_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SetupError, match=r"Install cropperhead\[cluster\]"):
        list(cluster.map_chunks(squares_or_crash, chunks(8), "", 0, minus))


def test_a_node_that_dies_in_the_middle_changes_no_byte(nodes, tmp_path):
    draw_library(tmp_path / "library", photos=24)
    local = configure(tmp_path / "local", workers=2)
    finish(cropperhead(local, "extract", str(tmp_path / "library"), "--out", "out"))
    there = configure(tmp_path / "there", engine="ray", address=nodes.address)
    extra = nodes.add_node(wait=False, num_cpus=1, node_ip_address=cluster.LOOPBACK)
    nodes.wait_for_nodes(START_S)
    busy = cropperhead(there, "extract", str(tmp_path / "library"), "--out", "out")
    journal = there / "out" / "ledger.journal"
    wait_for(lambda: journal.exists() or busy.poll() is not None)  # it is removed at the end
    nodes.remove_node(extra, allow_graceful=False)
    finish(busy)
    assert contents(there / "out") == contents(local / "out")
    assert len(list((there / "out" / "extracted").glob("*.parquet"))) >= 3


def test_a_library_in_a_store_gives_the_bytes_of_its_folder(nodes, object_store, tmp_path):
    folder, out = tmp_path / "library", ("extract", "--out", "out")
    for number in range(3):
        save_photo(folder / f"{number}.jpg", xmp(settings()), scene(number))
        save_photo(folder / "2024" / f"{number}.tif", None, scene(10 + number))
        (folder / "2024" / f"{number}.xmp").write_bytes(xmp(settings()))
        save_photo(folder / "2025" / f"{number}.jpg", None, scene(20 + number))
    save_photo(folder / "2025" / "crop.png", xmp(settings()), scene(30))
    (folder / "2025" / "broken.jpg").write_bytes(b"no photo")
    for file in sorted(one for one in folder.rglob("*") if one.is_file()):
        key = f"cluster/{file.relative_to(folder).as_posix()}"
        object_store.client.put_object(Bucket=BUCKET, Key=key, Body=file.read_bytes())
    local = configure(tmp_path / "local", workers=2, batch_files=2)
    finish(cropperhead(local, *out, str(folder)))
    there = configure(tmp_path / "there", engine="ray", address=nodes.address, batch_files=2)
    finish(cropperhead(there, *out, f"s3://{BUCKET}/cluster"))
    ours, theirs = (contents(one / "out") for one in (there, local))
    ledgers = [
        pd.read_parquet(io.BytesIO(one.pop("ledger.parquet"))).drop(columns="trace")
        for one in (ours, theirs)
    ]  # a trace has an ETag or a time
    pd.testing.assert_frame_equal(*ledgers)
    assert ledgers[0]["outcome"].value_counts().to_dict() == {
        "cropped": 7,
        "uncropped": 3,
        "rejected": 1,
    }
    assert ours == theirs
    assert len([name for name in ours if name.startswith("extracted/")]) >= 4


def listening_addresses(process: psutil.Process) -> list[str]:
    try:
        connections = process.net_connections("tcp")
    except psutil.NoSuchProcess:  # Ray ends idle workers at any moment
        return []
    return [
        connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN
    ]


@pytest.mark.usefixtures("nodes")
def test_nobody_else_can_reach_the_cluster():
    listening = [
        address
        for process in psutil.Process().children(recursive=True)
        for address in listening_addresses(process)
    ]
    assert len(listening) > NODES
    assert set(listening) <= LOOPBACKS


def squares_or_crash(chunk: Sequence[int]) -> list[int]:
    if CRASHING in chunk:
        os.kill(os.getpid(), signal.SIGKILL)
    return [number * number for number in chunk]


def squares_or_crash_the_machine(chunk: Sequence[int]) -> list[int]:
    if CRASHING in chunk:
        os.kill(multiprocessing.parent_process().pid, signal.SIGKILL)  # Ray's worker
    return squares_or_crash(chunk)


def minus(number: int, error: RejectedFile) -> int:
    return -number if error.kind == "crash" else 0


def chunks(count: int) -> list[list[int]]:
    return [list(range(start, start + 4)) for start in range(0, count, 4)]


EXPECTED = [i * i if i != CRASHING else -CRASHING for i in range(16)]


@pytest.mark.parametrize("work", [squares_or_crash, squares_or_crash_the_machine])
def test_an_item_that_kills_workers_is_named_and_nothing_else_is_lost(connected, work):
    results = Engine("ray", 0, connected).map_chunks(work, chunks(16), minus)
    assert [one for chunk in results for one in chunk] == EXPECTED


def test_at_most_two_chunks_for_each_processor_are_in_memory(connected):
    drawn = []

    def source():
        for chunk in chunks(4000):
            drawn.append(chunk)
            yield chunk

    results = cluster.map_chunks(squares_or_crash, source(), connected, 0, minus)
    assert next(results) == [0, 1, 4, 9]
    # a node that died in another test counts until Ray notices
    assert len(drawn) <= 2 * (NODES + 1)
    results.close()


def failing(chunk: Sequence[int]) -> list[int]:
    raise LibraryError(f"no library at {chunk[0]}")


def test_an_error_raised_by_the_work_is_raised_here(connected):
    with pytest.raises(LibraryError, match=r"^no library at 0$"):
        list(cluster.map_chunks(failing, chunks(8), connected, 0, minus))


def test_a_machine_with_other_versions_ends_the_run(connected, monkeypatch):
    monkeypatch.setattr(cluster, "_versions", lambda: {"pillow": "1.1.7"})
    with pytest.raises(SetupError, match=r"it has pillow \S+ where this machine has 1\.1\.7"):
        list(cluster.map_chunks(squares_or_crash, chunks(8), connected, 0, minus))


def test_a_machine_that_does_not_see_the_photos_rejects_none(tmp_path):
    params = extract_params(tmp_path / "away", engine="ray")
    task = (Entry("a.jpg", PHOTO, (), ""), 0)
    with pytest.raises(LibraryError, match=r"away is not there on .*, a machine of the cluster"):
        reading._read_chunk(tmp_path / "away", params, True, str(tmp_path), [task])


def test_a_machine_without_the_disk_of_some_photos_rejects_none(tmp_path):
    save_photo(tmp_path / "here" / "a.jpg")
    (tmp_path / "disk").mkdir()  # where it would be mounted
    params = extract_params(tmp_path, engine="ray")
    tasks = [(Entry(name, PHOTO, (), ""), 0) for name in ("here/a.jpg", "disk/b.jpg")]
    with pytest.raises(LibraryError, match=r"disk is not there on .*, a machine of the cluster"):
        reading._read_chunk(tmp_path, params, True, str(tmp_path), tasks)


def test_what_ray_tells_of_its_machines_does_not_get_among_the_results(monkeypatch, capsys):
    worker = pytest.importorskip("ray._private.worker")

    monkeypatch.setattr(worker, "_worker_logs_enabled", True)
    told = {"lines": ["a machine is dead"], "pid": "raylet", "ip": "127.0.0.1", "is_err": False}
    worker.print_worker_logs(told, sys.stdout)
    assert "a machine is dead" in capsys.readouterr().out
    cluster._keep_output_clean()
    worker.print_worker_logs(told, sys.stdout)
    assert capsys.readouterr().out == ""


def test_suggestions_are_those_of_one_machine(nodes, model, tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg", xmp(settings()))
    save_photo(tmp_path / "lib" / "b.jpg")
    command = ["suggest", "lib", "--json", "--model", str(model)]
    local = finish(cropperhead(tmp_path, *command))
    there = cropperhead(tmp_path, *command, "--engine", "ray", "--address", nodes.address)
    assert finish(there) == local != ""
