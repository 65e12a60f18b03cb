"""Requests that store something: their bodies, read with limits, and the answers to refused ones.

Bodies are read here, with limits of size and of time, before anything looks into them.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cropperhead.errors import CollectionError, RejectedFile
from cropperhead.web.limits import RateLimit

LOGGER = logging.getLogger("cropperhead.collection")
NO_STORE = {"Cache-Control": "no-store"}
RETRY_S = 5
BODY_S = 15.0  # for a body to arrive, of a request to routes that set no limit of their own
_CLOCK = "cropperhead.body_clock"
_SLOW = "the request took too long to arrive"
_STATUS = {
    "not_jpeg": 415,
    "too_large": 413,
    "consent": 409,
    "id_taken": 409,
    "withdrawn": 410,
    "ended": 410,
    "banned": 403,
    "full": 507,
    "unknown_receipt": 404,
    "unknown_rater": 404,
    "unknown_crop": 404,
    "no_study": 503,
    "unfinished": 409,
}
_REFUSED = 422
_UNREAD = frozenset({400, 408, 413, 429, 503, 507})
_DRAINED = frozenset({413, 429, 503, 507})  # of these; the others have gone, or are slow
_DRAINED_BYTES, _DRAINING_S = 2_000_000, 1.0


class Refusal(Exception):
    """A request that is refused before its content is looked into."""

    def __init__(self, status: int, reason: str, detail: str, retry_s: float | None = None) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail, self.retry_s = status, reason, detail, retry_s


class Places:
    """Places for requests that are handled at once; further ones are refused, as `busy`."""

    def __init__(self, count: int, detail: str) -> None:
        self._free, self._detail = count, detail

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a place. Raises Refusal where none is free."""
        if not self._free:
            raise Refusal(503, "busy", self._detail, RETRY_S)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class BodyLimit:
    """Answers 408 where a request's body takes longer than `BODY_S` to arrive.

    Routes that read it by `pass_body` have that limit instead.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI servers call it."""
        clock = _Clock(asyncio.get_running_loop().time() + BODY_S)

        async def receive_in_time() -> Message:
            try:
                async with asyncio.timeout_at(clock.end):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, _SLOW, {"Connection": "close"}) from None
            if not message.get("more_body"):
                clock.end = None  # what follows is that the sender has gone, which may take long
            return message

        if scope["type"] == "http":
            scope[_CLOCK] = clock
            await self._app(scope, receive_in_time, send)
        else:
            await self._app(scope, receive, send)


@dataclass
class _Clock:
    """When a body has to be there, by the event loop's clock; None: at no time."""

    end: float | None


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Read a body of at most so many bytes in so many seconds. Raises Refusal."""
    chunks = []

    async def keep(chunk: bytes) -> None:
        chunks.append(chunk)

    await pass_body(request, most, seconds, keep)
    return b"".join(chunks)


async def pass_body(
    request: Request, most: int, seconds: float, take: Callable[[bytes], Awaitable[object]]
) -> None:
    """Pass a body on as it arrives, with the limits of `read_body`. Raises Refusal."""
    if clock := request.scope.get(_CLOCK):
        clock.end = None  # this route's own limit counts
    stated = request.headers.get("content-length", "0")
    if stated.isdigit() and int(stated) > most:
        raise Refusal(413, "too_large", f"expected at most {most:,} bytes")
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise Refusal(413, "too_large", f"expected at most {most:,} bytes")
                await take(chunk)
    except TimeoutError:
        raise Refusal(408, "slow", _SLOW) from None
    except ClientDisconnect:
        raise Refusal(400, "disconnected", "the connection was closed") from None


def read_object(request: Request, body: bytes, names: Collection[str]) -> dict[str, Any]:
    """Read a JSON object that has exactly these names. Raises Refusal."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refusal(415, "form", "expected application/json")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(422, "json", "it cannot be read as JSON") from None
    if not isinstance(fields, dict) or set(fields) != set(names):
        raise Refusal(422, "json", f"expected an object of {' and '.join(sorted(names))}")
    return fields


def require_rate(limit: RateLimit, request: Request) -> None:
    """Raise Refusal where the sender's address asks too often."""
    wait_s = limit.wait_s(sender_address(request))
    if wait_s:
        raise Refusal(429, "rate", "too many requests; try again later", wait_s)


async def refuse(request: Request, error: Refusal | RejectedFile | CollectionError) -> JSONResponse:
    """Answer a request that failed, with the reason; the reason is a header, too.

    Reads what is still to come of a small body: a connection that is closed while somebody sends is
    reset, and the answer may be lost with it.
    """
    response = _refusal_response(error)
    if response.status_code in _DRAINED:
        await _drain(request)
    return response


async def _drain(request: Request) -> None:
    size = 0
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):  # the last: it was read before
        async with asyncio.timeout(_DRAINING_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > _DRAINED_BYTES:
                    return


def _refusal_response(error: Refusal | RejectedFile | CollectionError) -> JSONResponse:
    if isinstance(error, Refusal):
        return _refused(error.status, error.reason, error.detail, error.retry_s)
    if isinstance(error, RejectedFile):
        return _refused(_STATUS.get(error.kind, _REFUSED), error.kind, str(error))
    log("unavailable", problem=str(error))
    return _refused(503, "unavailable", "it cannot be stored now; send it again later", RETRY_S)


def sender_address(request: Request) -> str:
    """Return the address that a request comes from; empty if there is none."""
    return request.client.host if request.client else ""


def log(event: str, **facts: Any) -> None:
    """Log one line of JSON, which holds nothing about the sender."""
    LOGGER.info(json.dumps({"time": round(time.time(), 3), "event": event} | facts))


def _refused(status: int, reason: str, detail: str, retry_s: float | None = None) -> JSONResponse:
    headers = NO_STORE | {"X-Reason": reason}
    if retry_s is not None:
        headers["Retry-After"] = str(int(retry_s) + 1)
    if status in _UNREAD:  # the rest of the body is not read
        headers["Connection"] = "close"
    return JSONResponse({"reason": reason, "detail": detail}, status, headers)
