"""Fixtures of an empty collection of each kind."""

import pytest
import servers

from cropperhead.collection import migrate
from cropperhead.collection.settings import open_collection


@pytest.fixture(scope="session")
def postgresql():
    with servers.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def object_store():
    with servers.object_store() as store:
        yield store


@pytest.fixture(params=["sqlite and folder", "postgresql and s3"])
def collection(request, tmp_path, monkeypatch):
    """An empty collection of each kind."""
    if request.param == "sqlite and folder":
        opened = open_collection(str(tmp_path))
    else:
        server, store = (request.getfixturevalue(n) for n in ("postgresql", "object_store"))
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        opened = open_collection(server.url, f"{store.url}/{tmp_path.name}")
        server.empty()
    migrate.prepare(opened)
    yield opened
    opened.database.close()
