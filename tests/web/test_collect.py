import json
import os
import socket
from contextlib import contextmanager

import pytest
from sent_photos import crop, fields, jpeg, text
from servers import serving, wait_for

from cropperhead.collection import migrate
from cropperhead.collection.intake import Collection
from cropperhead.collection.reception import Reception
from cropperhead.collection.sent import hash_consent
from cropperhead.collection.settings import CONSENT, CollectionSettings, open_collection
from cropperhead.errors import ParamsError
from cropperhead.web import app, collect, requests, service


@contextmanager
def served(folder, **changes):
    """A client of a real server with a collection in a folder."""
    opened = open_collection(str(folder))
    migrate.prepare(opened)
    reception = Reception(opened, CollectionSettings(str(folder), **changes))
    page = app.PageSettings(routers=[collect.make_router(reception)])
    with serving(app.create_app(page)) as client:
        client.reception = reception
        yield client


@pytest.fixture
def client(tmp_path):
    with served(tmp_path) as found:
        yield found


def send(client, photo=None, name="photo.jpg", **changes):
    return client.post(
        "/collect/crops",
        files={"photo": (name, photo if photo is not None else jpeg(), "image/jpeg")},
        data={"crop": text(**changes)},
    )


def rows(client):
    return client.reception.collection.list_crops()


def test_a_crop_that_is_sent_is_stored_and_a_repeat_answers_that_it_is(client):
    changes, photo = fields(), jpeg()
    first, again = (send(client, photo, **changes) for _ in range(2))
    assert (first.status_code, first.json()) == (201, {"outcome": "stored"})
    assert (again.status_code, again.json()) == (200, {"outcome": "repeated"})
    assert len(rows(client)) == 1


def test_the_page_is_told_what_people_agree_to_and_how_many_see_no_suggestion(client):
    terms = client.get("/collect/terms").json()
    assert terms["consent"] == {"sha256": hash_consent(CONSENT), "text": CONSENT}
    assert terms["blind_share"] == 0.5


def test_a_crop_is_withdrawn_with_its_receipt_alone(client):
    send(client, id="01" * 16, receipt="02" * 16)
    wrong = client.post("/collect/withdrawals", json={"id": "01" * 16, "receipt": "03" * 16})
    assert (wrong.status_code, wrong.json()["reason"]) == (404, "unknown_receipt")
    right = client.post("/collect/withdrawals", json={"id": "01" * 16, "receipt": "02" * 16})
    assert (right.status_code, rows(client)) == (200, [])
    assert send(client, id="01" * 16, receipt="02" * 16).json()["reason"] == "withdrawn"


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"photo": b"GIF89a"}, 415, "not_jpeg"),
        ({"photo": b""}, 415, "not_jpeg"),
        ({"photo": jpeg(progressive=True)}, 422, "not_baseline"),
        ({"photo": jpeg(1400, 1400, quality=20)}, 413, "too_large"),
        ({"crop": crop(0, 0, 1, 1, 10)}, 422, "crop"),
        ({"consent": "0" * 64}, 409, "consent"),
        ({"id": "x"}, 422, "field"),
    ],
)
def test_what_is_refused_is_answered_with_its_reason_and_counted(client, changes, status, reason):
    answer = send(client, **changes)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert client.reception.outcomes() == {reason: 1}
    assert rows(client) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\0b.jpg", "x" * 1500, "ü\n.jpg"])
def test_names_of_files_do_not_matter(client, name, tmp_path):
    assert send(client, name=name).status_code == 201
    assert client.post(
        "/collect/crops", files={"photo": (name, jpeg()), "crop": (name, text())}
    ).is_success
    stored = [file for file in tmp_path.rglob("*") if file.is_file()]
    others = {file.name for file in stored if file.suffix == ".txt"}
    assert others == {"collection.txt"}  # by which a store is told from an empty folder
    known = {".jpg", ".sqlite", ".sqlite-wal", ".sqlite-shm", ".txt"}
    assert {file.suffix for file in stored} <= known


@pytest.mark.parametrize(
    "body",
    [
        {"json": {}},
        {"data": {"crop": text()}},
        {"files": {"photo": jpeg()}},
        {"files": [("photo", jpeg()), ("photo", jpeg())], "data": {"crop": text()}},
        {"files": {"photo": jpeg()}, "data": {"crop": text(), "more": "x"}},
        {"files": {"photo": jpeg()}, "data": {"crop": "x" * 5000}},
        {"files": {"photo": ("x" * 3000, jpeg())}, "data": {"crop": text()}},
        {"content": b"--x\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"content": b"--x", "headers": {"content-type": "multipart/form-data"}},
        {
            "content": b"--x\r\nContent-Type: a\r\n\r\n1\r\n--x--\r\n",
            "headers": {"content-type": "multipart/form-data; boundary=x"},
        },
        {
            "content": b'--x\r\nContent-Disposition: form-data; name="crop"\r\n\r\n1\r\n--x--\r\n',
            "headers": {"content-type": "multipart/form-data; boundary=x; charset=none"},
        },
        {},
    ],
)
def test_forms_that_are_none_are_refused(client, body):
    answer = client.post("/collect/crops", **body)
    assert answer.status_code == 422
    assert answer.json()["reason"] in {"form", "json"}
    assert rows(client) == []


@pytest.mark.parametrize(
    "body",
    [
        {"content": b"{", "headers": {"content-type": "application/json"}},
        {"content": b"[" * 4000, "headers": {"content-type": "application/json"}},
        {"json": []},
        {"json": {"id": 1, "receipt": 2}},
        {"json": {"id": "01" * 16}},
        {"data": {"id": "x"}},
    ],
)
def test_withdrawals_that_are_none_are_refused(client, body):
    assert client.post("/collect/withdrawals", **body).status_code in {415, 422}


def test_bodies_are_limited_whether_their_length_is_stated_or_not(client, monkeypatch):
    monkeypatch.setattr(requests, "_DRAINING_S", 60)  # a busy machine may need more than usual

    def parts():
        for _ in range(30):
            yield b"x" * 65536

    head = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"x" * 2_000_000, parts()):
        answer = client.post("/collect/crops", content=body, headers=head)
        assert answer.status_code == 413
    big = client.post("/collect/withdrawals", json={"id": "x" * 9000, "receipt": ""})
    assert big.status_code == 413


def test_an_address_may_send_so_much_and_others_still_may(tmp_path):
    with served(tmp_path, per_address_hourly=10) as client:
        # a fifth of an hour's ten may come at once
        assert [send(client).status_code for _ in range(3)] == [201, 201, 429]
        assert int(send(client).headers["retry-after"]) > 60
        assert client.get("/collect/terms").status_code == 200
    with served(tmp_path, total_hourly=5) as client:
        assert [send(client).status_code for _ in range(2)] == [201, 429]


def test_a_collection_s_answers_have_the_page_s_headers(client):
    answer = send(client)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    cross = client.post("/collect/crops", headers={"origin": "https://elsewhere.example"})
    assert cross.status_code == 403


def test_a_store_that_goes_away_is_answered_with_try_again(client, tmp_path):
    (tmp_path / "objects").rename(tmp_path / "away")
    answer = send(client)
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")
    assert answer.headers["retry-after"]
    assert str(tmp_path) not in answer.text
    assert client.get("/healthz").status_code == 503
    (tmp_path / "away").rename(tmp_path / "objects")
    assert client.get("/healthz").text == "ok\n"
    assert send(client).status_code == 201


def test_metrics_are_for_this_machine(client):
    send(client)
    send(client, b"x")
    lines = client.get("/metrics").text.splitlines()
    assert 'cropperhead_requests_total{outcome="stored"} 1' in lines
    assert 'cropperhead_requests_total{outcome="not_jpeg"} 1' in lines
    assert 'cropperhead_crops{status="new"} 1' in lines
    assert {"cropperhead_raters 0", "cropperhead_votes 0"} <= set(lines)
    behind_a_proxy = client.get("/metrics", headers={"x-forwarded-for": "192.0.2.1"})
    assert behind_a_proxy.status_code == 404


def test_the_log_tells_what_happened_and_nothing_about_the_sender(client, caplog):
    caplog.set_level("INFO", requests.LOGGER.name)
    changes = fields()
    send(client, name="my holiday.jpg", **changes)
    (line,) = [json.loads(one) for one in caplog.messages if '"crops"' in one]
    assert set(line) == {"time", "event", "bytes", "status", "reason", "ms"}
    for secret in (changes["id"], changes["sender"], changes["receipt"], "holiday", "127.0.0.1"):
        assert secret not in caplog.text


def test_a_slow_body_is_given_up(tmp_path):
    head = (
        "POST /collect/crops HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x"
    )
    with (
        served(tmp_path, body_seconds=0.5) as client,
        socket.create_connection(("127.0.0.1", client.base_url.port), timeout=30) as slow,
    ):
        slow.sendall(head.encode())
        answer = b""
        while received := slow.recv(4096):
            answer += received
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"slow"' in answer


def test_only_this_machine_may_use_a_collection_without_a_password(tmp_path, monkeypatch):
    settings = CollectionSettings(str(tmp_path))
    with pytest.raises(ParamsError, match="needs a moderation password"):
        service.collection_routers(settings, is_local=False)
    assert len(service.collection_routers(settings, is_local=True)) == 1
    monkeypatch.setenv("CROPPERHEAD_MODERATION_PASSWORD", "a long enough password")
    assert len(service.collection_routers(settings, is_local=False)) == 2


def test_what_is_left_over_is_swept_when_the_server_starts(tmp_path):
    opened = open_collection(str(tmp_path))
    migrate.prepare(opened)
    opened.objects.put("0" * 64, b"left over")
    file = tmp_path / "objects" / "00" / f"{'0' * 64}.jpg"
    os.utime(file, (0, 0))
    with served(tmp_path) as client:
        assert isinstance(client.reception.collection, Collection)
        wait_for(lambda: not file.exists())
