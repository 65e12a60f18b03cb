"""What a store's errors are turned into; `tests/library/test_store.py` has a store's own."""

import pytest

from cropperhead.errors import LibraryError
from cropperhead.system import object_store

REFUSED = """Generic S3 error: Server returned non-2xx status code: 403 Forbidden:
<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>

Debug source: ..."""


def test_a_problem_is_what_the_store_says_in_one_line():
    assert object_store.problem(ValueError(REFUSED)) == "Access Denied"
    assert object_store.problem(ValueError("no route\n\nDebug source: ...")) == "no route"
    assert object_store.problem(ValueError("")) == "ValueError"
    assert object_store.problem(ValueError("no \x1b[1mroute")) == "no \\x1b[1mroute"
    signed = "Error performing GET https://a.example/b?sv=1&sig=SEKRET in 5ms"
    unsigned = "Error performing GET https://a.example/b in 5ms"
    assert object_store.problem(ValueError(signed)) == unsigned


def test_missing_credentials_are_named_and_not_the_address_that_was_asked_for_them():
    asked = "Error performing PUT http://169.254.169.254/latest/api/token in 5.9ms"
    with (
        pytest.raises(LibraryError, match=r"s3://a: no credentials were found\. Set AWS_ACCESS"),
        object_store.reachable("s3://a", LibraryError),
    ):
        raise ValueError(asked)
