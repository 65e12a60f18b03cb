"""The collection's routes: what to know before sending a crop, sending, withdrawing, watching."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from cropperhead.collection import sent, uploads
from cropperhead.collection.intake import Counts, Outcome
from cropperhead.collection.reception import Reception
from cropperhead.errors import CollectionError, RejectedFile
from cropperhead.web.forms import FormError, parse_form
from cropperhead.web.limits import RateLimit
from cropperhead.web.requests import (
    NO_STORE,
    Places,
    Refusal,
    log,
    read_body,
    read_object,
    refuse,
    require_rate,
    sender_address,
)

_ENVELOPE_BYTES = 4096  # of a form's headers and boundaries
_LOOPBACK = frozenset({"127.0.0.1", "::1"})


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
        return JSONResponse(_terms(reception), headers=NO_STORE)

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
            log("unhealthy", problem=str(error))
            return PlainTextResponse("unavailable\n", 503, headers=NO_STORE)
        return PlainTextResponse("ok\n", headers=NO_STORE)

    @router.get("/metrics", summary="Counts in Prometheus's text form, for this machine alone")
    def metrics(request: Request) -> Response:
        if sender_address(request) not in _LOOPBACK:
            raise HTTPException(404)
        text = _metrics(reception.outcomes(), reception.collection.counts())
        media_type = "text/plain; version=0.0.4; charset=utf-8"
        return Response(text, media_type=media_type, headers=NO_STORE)

    return router


class _Intake:
    def __init__(self, reception: Reception, limit: RateLimit) -> None:
        self._reception, self._limit = reception, limit
        at_once = reception.settings.uploads_at_once  # their bodies are in memory
        self._places = Places(at_once, "too many crops are being sent; try again")

    async def answer(self, request: Request, most: int, handle: Any) -> Response:
        """Read a request within its limits and handle it; everything that fails is an answer."""
        started = time.perf_counter()
        facts: dict[str, Any] = {}
        try:
            require_rate(self._limit, request)
            with self._places.take():
                body = await read_body(request, most, self._reception.settings.body_seconds)
                facts["bytes"] = len(body)
                response: Response = await handle(request, body)
        except (Refusal, RejectedFile, CollectionError) as error:
            if isinstance(error, Refusal):
                self._reception.count(error.reason)
            response = await refuse(request, error)
        facts |= {"status": response.status_code, "reason": response.headers.get("x-reason", "")}
        facts["ms"] = round((time.perf_counter() - started) * 1000)
        log(request.url.path.rpartition("/")[2], **facts)
        return response

    async def send(self, request: Request, body: bytes) -> Response:
        try:
            form = parse_form(request.headers.get("content-type", ""), body, ("photo", "crop"))
        except FormError as error:
            raise Refusal(422, "form", str(error)) from error
        receive = partial(self._reception.receive, form["photo"], form["crop"])
        outcome = await run_in_threadpool(receive)
        status = 201 if outcome is Outcome.STORED else 200
        return JSONResponse({"outcome": outcome.value}, status, headers=NO_STORE)

    async def withdraw(self, request: Request, body: bytes) -> Response:
        fields = read_object(request, body, {"id", "receipt"})
        withdraw = partial(self._reception.withdraw, fields["id"], fields["receipt"])
        if not await run_in_threadpool(withdraw):
            raise RejectedFile("unknown_receipt", "there is no crop with this receipt")
        return JSONResponse({"outcome": "withdrawn"}, headers=NO_STORE)


@asynccontextmanager
async def _run(reception: Reception, app: Any) -> AsyncIterator[None]:
    del app
    sweeper = asyncio.create_task(_sweep_for_ever(reception))
    log("started")
    try:
        yield
    finally:
        sweeper.cancel()
        reception.collection.database.close()
        log("stopped")


async def _sweep_for_ever(reception: Reception) -> None:
    while True:
        try:
            swept = await run_in_threadpool(reception.collection.sweep)
            log("swept", orphans=swept)
        except CollectionError as error:
            log("not_swept", problem=str(error))
        await asyncio.sleep(reception.settings.sweep_minutes * 60)


def _terms(reception: Reception) -> dict[str, Any]:
    settings = reception.settings
    return {
        "consent": {"sha256": reception.consent_sha256, "text": settings.consent},
        "blind_share": settings.blind_share,
        "max_bytes": settings.max_photo_bytes,
        "max_megapixels": uploads.MAX_MEGAPIXELS,
    }


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
        "# HELP cropperhead_withdrawn_crops Crops that were withdrawn, and people who "
        "withdrew their votes or were banned.",
        "# TYPE cropperhead_withdrawn_crops gauge",
        f"cropperhead_withdrawn_crops {counts.withdrawn}",
        "# HELP cropperhead_raters People who opened a study to vote.",
        "# TYPE cropperhead_raters gauge",
        f"cropperhead_raters {counts.raters}",
        "# HELP cropperhead_votes Their votes.",
        "# TYPE cropperhead_votes gauge",
        f"cropperhead_votes {counts.votes}",
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
    415: "The request is not a form, or the photo is not a JPEG.",
    422: "The form, the crop or the photo cannot be used.",
    429: "Too many requests; Retry-After says when to try again.",
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
