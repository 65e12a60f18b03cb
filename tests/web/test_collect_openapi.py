"""Requests of every kind that the description allows, and many that it does not: no failure."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from servers import serving

from cropperhead.collection import migrate
from cropperhead.collection.reception import Reception
from cropperhead.collection.settings import CollectionSettings, open_collection
from cropperhead.web import app, collect

_UNLIMITED = {"per_address_hourly": 10**9, "total_hourly": 10**9, "min_free_gigabytes": 0}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collection")
    opened = open_collection(str(folder))
    migrate.prepare(opened)
    reception = Reception(opened, CollectionSettings(str(folder), **_UNLIMITED))
    page = app.create_app(app.PageSettings(routers=[collect.make_router(reception)]))
    with serving(page) as client:
        yield page, str(client.base_url)
    assert opened.counts().all_crops == 0  # a photo that is random text is none


@pytest.fixture
def api(address):
    page, url = address
    described = page.openapi()
    described["paths"] = {
        path: item for path, item in described["paths"].items() if path.startswith("/collect")
    }
    schema = schemathesis.openapi.from_dict(described)
    schema.config.update(base_url=url)
    return schema


def test_no_request_makes_the_server_fail(api):
    operations = [each.ok() for each in api.get_all_operations()]
    assert len(operations) == 3
    for operation in operations:
        send_many(operation)


def send_many(operation):
    @given(case=operation.as_strategy())
    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    def send(case):
        answer = case.call(timeout=60)
        assert answer.status_code < 500
        if answer.status_code >= 400:
            assert httpx.Response(200, content=answer.content).json()["reason"]

    send()
