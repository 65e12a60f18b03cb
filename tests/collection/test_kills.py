"""Nothing that was acknowledged is lost, whatever is killed or goes away.

`pytest -m slow -s tests/collection/test_kills.py` kills the server 100 times on each kind of
collection and prints what happened.
"""

import contextlib
import random
import time

import kills
import pytest
from servers import wait_for


@contextlib.contextmanager
def place_of(kind, request, tmp_path, monkeypatch):
    """The place of a collection that nobody has used."""
    database, objects = kind.split(" and ")
    store = str(tmp_path / "objects")
    if objects == "s3":
        server = request.getfixturevalue("object_store")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        store = f"{server.url}/{tmp_path.name}"
    if database == "sqlite":
        yield f"sqlite:///{tmp_path}/collection.sqlite?objects={store}"
        return
    server = request.getfixturevalue("postgresql")
    server.empty()
    yield f"{server.url}?objects={store}"


def kill_often(times, place):
    rng = random.Random(7)
    server = kills.Server(place, {})
    try:
        with kills.People(server.port) as people:
            for _ in range(times):
                people.wait_for_answers(rng.randint(1, 12))
                time.sleep(rng.uniform(0, 0.1))
                server.kill()
            wait_for(lambda: people.withdrawn)
    finally:
        server.stop()
    orphans = kills.check(place, people)
    told = len(people.acknowledged), len(people.withdrawn)
    print(f"{times} kills: {told[0]} stored, {told[1]} withdrawn, {orphans} orphans swept")
    assert min(told) > 0


@pytest.mark.parametrize("kind", ["sqlite and folder", "postgresql and s3"])
def test_killing_the_server_loses_nothing(kind, request, tmp_path, monkeypatch):
    with place_of(kind, request, tmp_path, monkeypatch) as place:
        kill_often(3, place)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["sqlite and folder", "sqlite and s3", "postgresql and folder", "postgresql and s3"]
)
def test_killing_the_server_a_hundred_times_loses_nothing(kind, request, tmp_path, monkeypatch):
    with place_of(kind, request, tmp_path, monkeypatch) as place:
        kill_often(100, place)


def test_a_database_and_a_store_that_go_away_lose_nothing(
    request, tmp_path, monkeypatch, postgresql, object_store
):
    with place_of("postgresql and s3", request, tmp_path, monkeypatch) as place:
        server = kills.Server(place, {})
        try:
            with kills.People(server.port) as people:
                people.wait_for_answers(10)
                postgresql.stop("immediate")
                people.wait_for_answers(3, 503)
                postgresql.start()
                people.wait_for_answers(10)
                object_store.pause()
                try:
                    people.wait_for_answers(1, 503)
                finally:
                    object_store.go_on()
                people.wait_for_answers(10)
            assert server.terminate() == 0
        finally:
            server.stop()
        kills.check(place, people)


def test_a_folder_that_goes_away_loses_nothing(tmp_path):
    place = str(tmp_path / "collection")
    server = kills.Server(place, {})
    folder, away = (tmp_path / "collection" / name for name in ("objects", "away"))
    try:
        with kills.People(server.port) as people:
            for _ in range(3):
                people.wait_for_answers(5)
                folder.rename(away)
                people.wait_for_answers(3, 503)
                away.rename(folder)
        assert server.terminate() == 0
    finally:
        server.stop()
    kills.check(place, people)
