"""Only regular files are opened, and nothing waits for a pipe."""

import os
import socket
from pathlib import Path

import pytest

from cropperhead.system import regular_file
from cropperhead.system.regular_file import NotRegularError


def make_pipe(file):
    os.mkfifo(file)


def make_socket(file):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(file))


def make_link_to_device(file):
    file.symlink_to(os.devnull)


KINDS = [
    (Path.mkdir, "it is a folder, expected a file"),
    (make_pipe, "it is a pipe, expected a file"),
    (make_socket, "it is a socket, expected a file"),
    (make_link_to_device, "it is a device, expected a file"),
]


@pytest.mark.parametrize(("make", "problem"), KINDS)
def test_what_is_no_file_is_named_and_not_waited_for(tmp_path, make, problem):
    place = tmp_path / "a"
    make(place)
    with pytest.raises(NotRegularError) as caught:
        regular_file.open_regular(place)
    assert (caught.value.strerror, caught.value.filename) == (problem, str(place))
    assert regular_file.is_irregular(place)


def test_a_pipe_that_takes_the_place_of_a_file_at_the_last_moment_is_not_read(
    tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    make_pipe(tmp_path / "pipe")
    earlier = (tmp_path / "file").stat()
    monkeypatch.setattr(os, "stat", lambda *_, **__: earlier)
    with pytest.raises(NotRegularError, match="it is a pipe"):
        regular_file.open_regular(tmp_path / "pipe")


def test_a_link_to_a_file_is_followed_unless_it_must_not_be(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert regular_file.read_bytes(tmp_path / "link", 3) == b"abc"
    assert not regular_file.is_irregular(tmp_path / "link")
    with pytest.raises(NotRegularError, match="it is a link, expected a file"):
        regular_file.open_regular(tmp_path / "link", follow_link=False)


@pytest.mark.parametrize("follow", [True, False])
def test_a_link_that_leads_nowhere_or_to_itself_is_an_error_of_the_system(tmp_path, follow):
    (tmp_path / "nowhere").symlink_to("missing")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("nowhere", "loop"):
        with pytest.raises(OSError):
            regular_file.open_regular(tmp_path / name, follow_link=follow)
        assert not regular_file.is_irregular(tmp_path / name)


def test_a_file_of_the_most_bytes_is_read_and_a_larger_one_is_not(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1000))
    assert regular_file.read_bytes(tmp_path / "a", 1000) == bytes(1000)
    with pytest.raises(NotRegularError, match="it has more than 999 bytes"):
        regular_file.read_bytes(tmp_path / "a", 999)


def test_a_file_that_hides_its_size_is_read_as_far_as_it_may_be():
    hidden = Path("/proc/self/status")  # its size is 0
    if not hidden.exists():
        pytest.skip("only Linux has such files")
    assert regular_file.read_bytes(hidden, 1_000_000).startswith(b"Name:")
    with pytest.raises(NotRegularError, match="it has more than 10 bytes"):
        regular_file.read_bytes(hidden, 10)
