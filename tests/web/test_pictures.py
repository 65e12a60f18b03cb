"""Photos that are sent to the server to be shown: how many, for how long, and how often."""

import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from conftest import save_photo, scene
from web_pages import serving

from cropperhead.web import app, pictures

PATH, NAME = "/api/picture", {"X-File-Name": "a.tif"}


class Worker:
    """Stands for the worker process, and counts who is with it at once."""

    def __init__(self):
        self.now = self.most = 0
        self.go_on = threading.Event()

    @contextmanager
    def opened(self):
        yield self

    def get(self, _):
        self.now += 1
        self.most = max(self.most, self.now)
        assert self.go_on.wait(60)
        self.now -= 1
        return b"a picture"


@pytest.fixture(autouse=True)
def worker(monkeypatch, tmp_path):
    found = Worker()
    monkeypatch.setattr(pictures, "open_pictures", found.opened)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return found


@contextmanager
def reading():
    """A client of a server that reads photos."""
    application = app.create_app(app.PageSettings(reads_photos=True))
    with serving(application) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def begin(client):
    """Sends the beginning of a photo."""
    parts = urlsplit(str(client.base_url))
    opened = socket.create_connection((parts.hostname, parts.port))
    head = f"POST {PATH} HTTP/1.1\r\nHost: {parts.netloc}\r\nX-File-Name: a.tif\r\n"
    opened.sendall(f"{head}Content-Length: 1000\r\n\r\nbeginning".encode())
    return opened


def wait_for_files(folder, count):
    pause = threading.Event()
    for _ in range(6000):
        if len(list(folder.glob("*/photo.tif"))) == count:
            return
        pause.wait(0.01)
    pytest.fail(f"There are not {count} photos in {list(folder.iterdir())}.")


def test_few_photos_are_stored_at_once_and_none_of_who_went_away(worker, tmp_path, caplog):
    worker.go_on.set()
    with reading() as client:
        started = [begin(client) for _ in range(4)]
        wait_for_files(tmp_path, 4)
        busy = client.post(PATH, content=b"x", headers=NAME)
        assert (busy.status_code, busy.headers["x-reason"]) == (503, "busy")
        assert int(busy.headers["retry-after"]) > 0
        for one in started:
            one.close()
        wait_for_files(tmp_path, 0)
        assert client.post(PATH, content=b"x", headers=NAME).content == b"a picture"
    assert [one for one in caplog.records if one.exc_info] == []
    assert list(tmp_path.iterdir()) == []


def test_the_worker_is_asked_for_one_photo_after_the_other(worker, tmp_path):
    with reading() as client, ThreadPoolExecutor() as threads:
        asked = [threads.submit(client.post, PATH, content=b"x", headers=NAME) for _ in range(3)]
        wait_for_files(tmp_path, 3)
        assert client.get("/healthz").text == "ok\n"
        worker.go_on.set()
        assert [one.result().content for one in asked] == [b"a picture"] * 3
    assert worker.most == 1


def test_a_photo_that_arrives_too_slowly_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_BODY_S", 0.05)
    with reading() as client, begin(client) as slow:
        slow.settimeout(60)
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")
    assert list(tmp_path.iterdir()) == []


def test_who_asks_too_often_is_told_when_to_come_back(worker, monkeypatch):
    worker.go_on.set()
    monkeypatch.setattr(pictures, "_PER_ADDRESS_HOURLY", 10)  # two at once
    with reading() as client:
        answers = [client.post(PATH, content=b"x", headers=NAME) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) > 100


def test_a_folder_that_takes_no_photo_is_one_sentence(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with reading() as client:
        answer = client.post(PATH, content=b"x", headers=NAME)
    assert (answer.status_code, answer.headers["x-reason"]) == (507, "full")
    assert answer.json()["detail"].startswith("the server cannot store the photo: No such file")
    assert [one for one in caplog.records if one.exc_info] == []


def test_a_photo_that_needs_too_much_memory_is_one_sentence(tmp_path, monkeypatch):
    def draw(*_):
        raise MemoryError

    monkeypatch.setattr(pictures, "upright_copy", draw)
    file = save_photo(tmp_path / "a.tif", image=scene(1))
    [said] = pictures.draw_pictures([pictures.PictureRequest(file)])
    assert said == "it needs more memory than there is"
