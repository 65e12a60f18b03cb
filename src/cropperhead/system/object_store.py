"""Opens object stores by their URLs, S3 and others that obstore knows, and says what is wrong.

Of s3fs and obstore, obstore reads 1,000 ranges of 64 KB in a quarter of the processor's time, takes
a third of the room, and is imported in 0.05 s instead of 1.3 s (docs/performance.md). But it lists
nothing beside an object with an odd name, and then botocore lists in its place.
"""

import os
import re
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cropperhead.errors import CropperheadError, SetupError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_MESSAGE = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)  # of S3's errors
# What stands before an @ or after a question mark. A password may hold a slash: its colon tells it
_WITH_SECRETS = re.compile(r"[^:/]*://(?:[^/]*@|[^/]*:(?!\d+(?:/|$))|.*\?)", re.DOTALL)
_QUERY = re.compile(r"(\w+://[^\s?]*)\?[^\s)]*")  # of an address in an error
_MOST_CHARACTERS = 300  # of a problem
# A control character, or a part between slashes that is empty, . or ..
_ODD = re.compile(r"[\x00-\x1f\x7f]|(?:^|/)\.{0,2}(?:/|$)")
REFUSED = (
    "its name ends in a slash, holds a control character, or has a part between slashes that is "
    "empty, . or .."
)
_S3 = ("s3://", "s3a://")
_TRIES = 8  # of botocore, after pauses of 1 to 20 s: some three minutes if nothing is answered
_CLOUD = "http://169.254."  # where a machine in a cloud gets its own credentials
_NO_CREDENTIALS = (
    "no credentials were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
)


@dataclass(frozen=True)
class Patience:
    """How long to wait for a store before it counts as gone.

    For a connection, and for an answer to one request; how often a request is repeated, each time
    after a longer pause, and for how long in all.
    """

    connect_s: int
    answer_s: int
    retries: int
    retry_s: int


# A store may be away for a minute: obstore waits from 0.1 to 15 s between two tries, ever longer
OF_A_LONG_RUN = Patience(connect_s=5, answer_s=20, retries=100, retry_s=60)


def is_url(place: str) -> bool:
    """Return whether a text names an object store and not a folder."""
    return "://" in place


def refuse_secrets(url: str, kind: type[CropperheadError]) -> None:
    """Raise an error of this kind, which does not repeat the URL, if that may hold a password.

    URLs are printed and logged.
    """
    if _WITH_SECRETS.match(url):
        raise kind(
            "the URL of an object store: it holds a user's name, a password or a query, expected "
            "one such as s3://bucket/prefix. Put credentials into the environment."
        )


def open_store(
    url: str, patience: Patience, kind: type[CropperheadError], install: str
) -> "ObjectStore":
    """Open the store at `s3://bucket/prefix`, or at any other URL of obstore's.

    Names in it are below the prefix, of which every character stands for itself. Credentials and
    addresses come from the environment, such as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL. Nothing is
    asked of the store yet. Raises SetupError if obstore is not installed, with what to `install`,
    and an error of this `kind` for a URL that obstore does not know.
    """
    refuse_secrets(url, kind)
    try:
        from obstore.store import from_url  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SetupError(
            f"{url}: object stores need obstore. Install it: pip install {install}"
        ) from error
    options: dict[str, Any] = {
        "connect_timeout": f"{patience.connect_s}s",
        "timeout": f"{patience.answer_s}s",
    }
    if os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):  # one's own, such as MinIO
        options["allow_http"] = True
    retries: dict[str, Any] = {
        "max_retries": patience.retries,
        "retry_timeout": timedelta(seconds=patience.retry_s),
    }
    open_any: Any = from_url  # typed for each kind of URL
    with reachable(url, kind):
        store: ObjectStore = open_any(_quoted(url), client_options=options, retry_config=retries)
    return store


@contextmanager
def reachable(url: str, kind: type[CropperheadError]) -> Iterator[None]:
    """Turn what goes wrong with a store in the block into an error of this kind.

    FileNotFoundError passes: an object that is not there may be no error.
    """
    from obstore.exceptions import BaseError  # noqa: PLC0415

    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError, ValueError, RuntimeError) as error:
        raise kind(f"{url}: {problem(error)}") from error


def problem(error: BaseException) -> str:
    """What the store says is wrong, in one line; obstore's own errors have many."""
    text = _QUERY.sub(r"\1", str(error))  # it may hold a signature
    if _CLOUD in text:
        return _NO_CREDENTIALS
    said = _MESSAGE.search(text)
    lines = (said[1] if said else text).strip().splitlines() or [type(error).__name__]
    shown = (one if one.isprintable() else ascii(one)[1:-1] for one in lines[0])
    return "".join(shown)[:_MOST_CHARACTERS].rstrip(".")


def is_s3(url: str) -> bool:
    """Whether a URL names a bucket in S3, or in a store that speaks it."""
    return url.startswith(_S3)


def refuses(path: str) -> bool:
    """Whether obstore takes no object of this name, and lists none beside it."""
    return bool(_ODD.search(path.removesuffix("/")))


def list_s3(url: str, patience: Patience) -> Iterator[dict[str, Any]]:
    """List what is in S3 by botocore, which takes every name, as `obstore.list` gives it.

    Paths are those below the prefix, untouched. Raises SetupError if botocore is not installed,
    OSError if the store cannot be listed.
    """
    try:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SetupError(
            f"{url}: an object has a name that obstore cannot list. Install botocore, which can: "
            "pip install botocore"
        ) from error
    bucket, _, prefix = url.partition("://")[2].partition("/")
    prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
    try:
        pages = _s3_client(patience).get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", []):
                yield {
                    "path": one["Key"].removeprefix(prefix),
                    "size": one["Size"],
                    "e_tag": one.get("ETag"),
                    "last_modified": one["LastModified"],
                }
    except (BotoCoreError, ClientError) as error:
        raise OSError(str(error)) from error


def _s3_client(patience: Patience) -> Any:
    """Botocore's client, with the switches and the region that obstore takes from the environment.

    Raises botocore's errors.
    """
    import botocore.config  # noqa: PLC0415
    import botocore.session  # noqa: PLC0415

    is_virtual, is_public = map(_is_on, ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "AWS_SKIP_SIGNATURE"))
    config = botocore.config.Config(
        connect_timeout=patience.connect_s,
        read_timeout=patience.answer_s,
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        s3={"addressing_style": "virtual" if is_virtual else "path"},
        signature_version=botocore.UNSIGNED if is_public else None,
    )
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return botocore.session.get_session().create_client("s3", region, config=config)


def _is_on(name: str) -> bool:
    """Whether the environment sets one of obstore's switches."""
    return os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}


def _quoted(url: str) -> str:
    """The URL with its prefix quoted: obstore takes `%20` for a space, and `#` for its end."""
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    return f"{scheme}://{bucket}/{urllib.parse.quote(prefix)}"
