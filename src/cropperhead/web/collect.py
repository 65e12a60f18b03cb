"""The collection's routes: what to know before sending a crop, sending, withdrawing, watching.

Bodies are read here, with limits of size and of time, before anything looks into them.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response

from cropperhead.collection import sent, uploads
from cropperhead.collection.intake import Counts, Outcome
from cropperhead.collection.reception import Reception
from cropperhead.errors import CollectionError, RejectedFile
from cropperhead.web.forms import FormError, parse_form
from cropperhead.web.limits import RateLimit, network

LOGGER = logging.getLogger("cropperhead.collection")
_ENVELOPE_BYTES = 4096  # of a form's headers and boundaries
_STATUS = {
    "not_jpeg": 415,
    "too_large": 413,
    "consent": 409,
    "id_taken": 409,
    "withdrawn": 410,
    "banned": 403,
    "full": 507,
}
_REFUSED = 422
_NO_STORE = {"Cache-Control": "no-store"}
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_UNREAD = frozenset({400, 408, 413, 429, 503})
_RETRY_S = 5


class Refusal(Exception):
    """A request that is refused before its content is looked into."""

    def __init__(self, status: int, reason: str, detail: str, retry_s: float | None = None) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail, self.retry_s = status, reason, detail, retry_s


def make_router(reception: Reception) -> APIRouter:
    """Make the routes of a collection; while the server runs, orphans are swept."""
    settings = reception.settings
    limit = RateLimit(settings.per_address_hourly, settings.total_hourly)
    router = APIRouter(lifespan=partial(_run, reception))
    intake = _Intake(reception, limit)
    most = settings.max_photo_bytes + sent.MAX_BYTES + _ENVELOPE_BYTES
    answers: dict[int | str, dict[str, Any]] = {
        code: {"description": text, "content": {"application/json": {"schema": _REFUSAL_SCHEMA}}}
        for code, text in _ANSWERS.items()
    }

    @router.get("/collect/terms", summary="What to know before sending a crop")
    def terms() -> JSONResponse:
        return JSONResponse(_terms(reception), headers=_NO_STORE)

    @router.post(
        "/collect/crops",
        summary="Send a crop with its photo",
        status_code=201,
        max_body_size=most,
        responses={
            201: _stored("The crop is stored."),
            200: _stored("It was stored before."),
            **answers,
        },
        openapi_extra={"requestBody": _SEND_BODY},
    )
    async def send(request: Request) -> Response:
        return await intake.answer(request, most, intake.send)

    @router.post(
        "/collect/withdrawals",
        summary="Withdraw a crop with its receipt",
        responses={200: _stored("The crop is deleted."), 404: answers[422], **answers},
        openapi_extra={"requestBody": _WITHDRAW_BODY},
    )
    async def withdraw(request: Request) -> Response:
        return await intake.answer(request, sent.MAX_BYTES, intake.withdraw)

    @router.get("/healthz", summary="Whether crops can be stored now")
    def healthz() -> Response:
        try:
            reception.check()
        except CollectionError as error:
            _log("unhealthy", problem=str(error))
            return PlainTextResponse("unavailable\n", 503, headers=_NO_STORE)
        return PlainTextResponse("ok\n", headers=_NO_STORE)

    @router.get("/metrics", summary="Counts in Prometheus's text form, for this machine alone")
    def metrics(request: Request) -> Response:
        if _address(request) not in _LOOPBACK:
            raise HTTPException(404)
        text = _metrics(reception.outcomes(), reception.collection.counts())
        media_type = "text/plain; version=0.0.4; charset=utf-8"
        return Response(text, media_type=media_type, headers=_NO_STORE)

    return router


class _Intake:
    def __init__(self, reception: Reception, limit: RateLimit) -> None:
        self._reception, self._limit = reception, limit
        self._free = reception.settings.uploads_at_once

    async def answer(self, request: Request, most: int, handle: Any) -> Response:
        """Read a request within its limits and handle it; everything that fails is an answer."""
        started = time.perf_counter()
        facts: dict[str, Any] = {}
        try:
            self._check_rate(request)
            async with self._place():
                body = await self._body(request, most)
                facts["bytes"] = len(body)
                response: Response = await handle(request, body)
        except Refusal as error:
            self._reception.count(error.reason)
            response = _refused(error.status, error.reason, error.detail, error.retry_s)
        except RejectedFile as error:
            status = _STATUS.get(error.kind, _REFUSED)
            response = _refused(status, error.kind, str(error))
        except CollectionError as error:
            _log("unavailable", problem=str(error))
            detail = "it cannot be stored now; send it again later"
            response = _refused(503, "unavailable", detail, _RETRY_S)
        facts |= {"status": response.status_code, "reason": response.headers.get("x-reason", "")}
        facts["ms"] = round((time.perf_counter() - started) * 1000)
        _log(request.url.path.rpartition("/")[2], **facts)
        return response

    async def send(self, request: Request, body: bytes) -> Response:
        try:
            form = parse_form(request.headers.get("content-type", ""), body, ("photo", "crop"))
        except FormError as error:
            raise Refusal(422, "form", str(error)) from error
        receive = partial(self._reception.receive, form["photo"], form["crop"])
        outcome = await run_in_threadpool(receive)
        status = 201 if outcome is Outcome.STORED else 200
        return JSONResponse({"outcome": outcome.value}, status, headers=_NO_STORE)

    async def withdraw(self, request: Request, body: bytes) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise Refusal(415, "form", "expected application/json")
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            raise Refusal(422, "json", "it cannot be read as JSON") from None
        if not isinstance(fields, dict) or set(fields) != {"id", "receipt"}:
            raise Refusal(422, "json", "expected an object of id and receipt")
        withdraw = partial(self._reception.withdraw, fields["id"], fields["receipt"])
        if not await run_in_threadpool(withdraw):
            return _refused(404, "unknown_receipt", "there is no crop with this receipt")
        return JSONResponse({"outcome": "withdrawn"}, headers=_NO_STORE)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Hold one of the places for requests whose body is in memory."""
        if not self._free:
            raise Refusal(503, "busy", "too many crops are being sent; try again", _RETRY_S)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    def _check_rate(self, request: Request) -> None:
        wait_s = self._limit.wait_s(network(_address(request)))
        if wait_s:
            raise Refusal(429, "rate", "too many requests; try again later", wait_s)

    async def _body(self, request: Request, most: int) -> bytes:
        """Read a body of limited size in limited time."""
        stated = request.headers.get("content-length", "0")
        if stated.isdigit() and int(stated) > most:
            raise Refusal(413, "too_large", f"expected at most {most:,} bytes")
        chunks, size = [], 0
        try:
            async with asyncio.timeout(self._reception.settings.body_seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > most:
                        raise Refusal(413, "too_large", f"expected at most {most:,} bytes")
                    chunks.append(chunk)
        except TimeoutError:
            raise Refusal(408, "slow", "the request took too long to arrive") from None
        except ClientDisconnect:
            raise Refusal(400, "disconnected", "the connection was closed") from None
        return b"".join(chunks)


@asynccontextmanager
async def _run(reception: Reception, app: Any) -> AsyncIterator[None]:
    del app
    sweeper = asyncio.create_task(_sweep_for_ever(reception))
    _log("started")
    try:
        yield
    finally:
        sweeper.cancel()
        reception.collection.database.close()
        _log("stopped")


async def _sweep_for_ever(reception: Reception) -> None:
    while True:
        try:
            swept = await run_in_threadpool(reception.collection.sweep)
            _log("swept", orphans=swept)
        except CollectionError as error:
            _log("not_swept", problem=str(error))
        await asyncio.sleep(reception.settings.sweep_minutes * 60)


def _terms(reception: Reception) -> dict[str, Any]:
    settings = reception.settings
    return {
        "consent": {"sha256": reception.consent_sha256, "text": settings.consent},
        "blind_share": settings.blind_share,
        "max_bytes": settings.max_photo_bytes,
        "max_megapixels": uploads.MAX_MEGAPIXELS,
    }


def _refused(status: int, reason: str, detail: str, retry_s: float | None = None) -> JSONResponse:
    headers = _NO_STORE | {"X-Reason": reason}
    if retry_s is not None:
        headers["Retry-After"] = str(int(retry_s) + 1)
    if status in _UNREAD:  # the rest of the body is not read
        headers["Connection"] = "close"
    return JSONResponse({"reason": reason, "detail": detail}, status, headers)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _log(event: str, **facts: Any) -> None:
    """Log one line of JSON, which holds nothing about the sender."""
    LOGGER.info(json.dumps({"time": round(time.time(), 3), "event": event} | facts))


def _metrics(outcomes: Mapping[str, int], counts: Counts) -> str:
    """Format the counts as Prometheus reads them (exposition format 0.0.4)."""
    lines = [
        "# HELP cropperhead_requests_total Requests that send or withdraw a crop, by outcome.",
        "# TYPE cropperhead_requests_total counter",
        *(
            f'cropperhead_requests_total{{outcome="{name}"}} {number}'
            for name, number in sorted(outcomes.items())
        ),
        "# HELP cropperhead_crops Crops in the collection, by status.",
        "# TYPE cropperhead_crops gauge",
        *(f'cropperhead_crops{{status="{name}"}} {n}' for name, n in sorted(counts.crops.items())),
        "# HELP cropperhead_withdrawn_crops Crops that were withdrawn.",
        "# TYPE cropperhead_withdrawn_crops gauge",
        f"cropperhead_withdrawn_crops {counts.withdrawn}",
        "# HELP cropperhead_photos Photos in the collection.",
        "# TYPE cropperhead_photos gauge",
        f"cropperhead_photos {counts.photos}",
        "# HELP cropperhead_photo_bytes Bytes of these photos.",
        "# TYPE cropperhead_photo_bytes gauge",
        f"cropperhead_photo_bytes {counts.photo_bytes}",
    ]
    return "\n".join(lines) + "\n"


_ANSWERS = {
    400: "The connection was closed.",
    403: "Crops of this sender are not accepted.",
    408: "The request took too long to arrive.",
    409: "Another crop has this id, or the consent is out of date.",
    410: "This crop was withdrawn.",
    413: "The request or the photo is too large.",
    415: "The request is no form, or the photo no JPEG.",
    422: "The form, the crop or the photo cannot be used.",
    429: "Too many requests; Retry-After tells when to try again.",
    503: "It cannot be stored now; send it again.",
    507: "The collection is full.",
}
_REFUSAL_SCHEMA = {
    "type": "object",
    "required": ["reason", "detail"],
    "properties": {"reason": {"type": "string"}, "detail": {"type": "string"}},
}
_OUTCOME_SCHEMA = {
    "type": "object",
    "required": ["outcome"],
    "properties": {"outcome": {"enum": ["stored", "repeated", "withdrawn"]}},
}
_KEY_SCHEMA = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_SIDE_SCHEMA = {"type": "number", "minimum": 0, "maximum": 1}
_CROP_SCHEMA = {
    "type": "object",
    "required": ["top", "left", "bottom", "right", "angle"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("top", "left", "bottom", "right"), _SIDE_SCHEMA),
        "angle": {"type": "number", "minimum": -sent.MAX_ANGLE_DEG, "maximum": sent.MAX_ANGLE_DEG},
    },
}
_SENT_SCHEMA = {
    "type": "object",
    "required": [
        *("id", "sender", "receipt", "consent", "crop", "shown", "started_from", "started"),
    ],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("id", "sender", "receipt"), _KEY_SCHEMA),
        "consent": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        **dict.fromkeys(("crop", "started"), _CROP_SCHEMA),
        "suggested": {"anyOf": [_CROP_SCHEMA, {"type": "null"}]},
        "shown": {"enum": list(sent.SHOWN)},
        "started_from": {"enum": list(sent.STARTS)},
        "confidence": {"anyOf": [_SIDE_SCHEMA, {"type": "null"}]},
        "model": {"type": ["string", "null"], "maxLength": 64},
    },
}
_SEND_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["photo", "crop"],
                "properties": {
                    "photo": {"type": "string", "contentMediaType": "image/jpeg"},
                    "crop": _SENT_SCHEMA,
                },
            },
            "encoding": {"crop": {"contentType": "application/json"}},
        }
    },
}
_WITHDRAW_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["id", "receipt"],
                "additionalProperties": False,
                "properties": {"id": _KEY_SCHEMA, "receipt": _KEY_SCHEMA},
            }
        }
    },
}


def _stored(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": _OUTCOME_SCHEMA}},
    }
