"""Pipes, sockets, devices, folders and lost links in the place of files hold up no command.

Whoever opened a pipe or the device here would wait or read forever: each command runs in a process
of its own, with a limit that only such a wait can reach.
"""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from catalog_files import Photo, make_catalog, real_text
from conftest import ROOT, picture, save_photo, settings, xmp

LIMIT_S = 300


def make_socket(place):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place.name)  # a short path: a whole one may be too long


KINDS = {
    "pipe": os.mkfifo,
    "socket": make_socket,
    "device": lambda place: place.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "lost": lambda place: place.symlink_to("gone"),
    "loop": lambda place: place.symlink_to(place.name),
}
WAITING = ("pipe", "socket", "device")
SIDECARS = {"xmp": "{}.xmp", "named": "{}.jpg.xmp", "pp3": "{}.jpg.pp3", "arp": "{}.jpg.arp"}
LOGS = ("-wal", "-journal", "-shm")


@pytest.fixture
def project(tmp_path, monkeypatch, model):
    """A folder with a model, params, and `photos`: each kind in each place, and a sound photo."""
    shutil.copy(model, tmp_path / "model.tflite")
    params = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params.replace("workers: 0", "workers: 1"))
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "photos")
    _fill(Path(), xmp(settings()))
    return tmp_path


def _fill(folder, packet):
    save_photo(folder / "good.jpg", packet)
    for shade, (kind, make) in enumerate(KINDS.items(), 1):
        make(folder / f"{kind}.jpg")
        make(folder / f"{kind}.lrcat")
        for way, name in SIDECARS.items():
            stem = f"{kind}_{way}"
            save_photo(folder / f"{stem}.jpg", packet, picture(90 + 8 * shade))
            make(folder / name.format(stem))
    for kind in WAITING:
        for log in LOGS:
            catalog = make_catalog(folder / f"{kind}{log}.lrcat", [Photo("a.jpg", real_text())])
            KINDS[kind](Path(f"{catalog}{log}"))


def run(project, *arguments):
    """The output of a command, which must end by itself and without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "cropperhead.cli", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_inspect_names_each_and_shows_the_sound_photo(project):
    printed = run(project, "inspect", "photos")
    for kind in WAITING:
        assert (
            f"photos/{kind}.jpg\n  rejected: unreadable: cannot be opened: it is a {kind}"
            in printed
        )
        for way, name in SIDECARS.items():
            sidecar = name.format(f"{kind}_{way}")
            assert f"{sidecar}: cannot be opened: it is a {kind}, expected a file" in printed
    assert "photos/good.jpg\n  displayed 90 x 60 px" in printed


def test_extract_lists_each_by_its_name(project):
    run(project, "extract", "photos", "--out", "out")
    listed = (project / "out" / "rejected.csv").read_text()
    for kind in WAITING:
        reason = f"it is a {kind}, expected a file"
        assert f'{kind}.jpg,"unreadable: cannot be opened: {reason}"' in listed
        for catalog in (kind, *(f"{kind}{log}" for log in LOGS)):
            problem = f"broken_catalog: the catalog cannot be opened or copied: {reason}"
            assert f'{catalog}.lrcat,"{problem}"' in listed


@pytest.mark.parametrize(
    "arguments",
    [
        ["extract", "--dry-run", "photos"],
        ["convert", "photos", "--to", "darktable"],
        ["suggest", "photos", "--model", "model.tflite", "--write", "lightroom"],
        ["suggest", "photos", "--undo"],
    ],
    ids=" ".join,
)
def test_every_command_ends_and_replaces_nothing(project, arguments):
    before = {path: path.lstat().st_ino for path in places(project)}
    assert run(project, *arguments)
    assert {path: path.lstat().st_ino for path in places(project)} == before


def places(project):
    """All that is in the place of a file."""
    inside = (project / "photos").iterdir()
    return [path for path in inside if path.name.startswith(tuple(KINDS)) and not path.is_file()]


@pytest.mark.parametrize("kind", WAITING)
def test_a_model_that_is_none_is_named(project, monkeypatch, kind):
    monkeypatch.chdir(project)
    KINDS[kind](Path("odd.tflite"))
    printed = run(project, "suggest", "photos/good.jpg", "--model", "odd.tflite")
    assert printed == f"odd.tflite: cannot be read: it is a {kind}, expected a file\n"


@pytest.mark.parametrize("kind", WAITING)
def test_params_and_a_named_catalog_that_are_none_are_named(project, monkeypatch, kind):
    monkeypatch.chdir(project)
    KINDS[kind](Path("odd.lrcat"))
    printed = run(project, "inspect", "photos/good.jpg", "--catalog", "odd.lrcat")
    assert f"it is a {kind}, expected a file" in printed
    Path("params.yaml").unlink()
    KINDS[kind](Path("params.yaml"))
    printed = run(project, "extract", "photos", "--dry-run")
    assert printed == "params.yaml: it is not a file. Run from the project's root folder.\n"
