"""The routes of a study: its page, people's ballots and crops, and their votes.

No answer says whose crop is whose, before a rater has voted on everything.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from cropperhead.collection.settings import CollectionSettings
from cropperhead.errors import CollectionError, RejectedFile
from cropperhead.study.export import page_files
from cropperhead.study.voting import Voting
from cropperhead.web.assets import make_asset
from cropperhead.web.limits import RateLimit
from cropperhead.web.requests import (
    NO_STORE,
    Refusal,
    log,
    read_body,
    read_object,
    refuse,
    require_rate,
)

PATH = "/study"
_PAGE = "index.html"
_MOST_BODY_BYTES = 16_384  # 60 votes have some 6,000
_VOTES = 60  # of a rater, for whom as many requests are let through
# The page's own policy, which lets it show no picture but those of the study
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A crop's name is this rater's own, and always means the same picture
_KEPT = {"Cache-Control": "private, max-age=86400, immutable"}
_BY_RECEIPT, _VOTE = ("id", "receipt"), ("rater", "session", "votes")

Handle = Callable[[dict[str, Any]], dict[str, Any]]


def make_router(voting: Voting, settings: CollectionSettings) -> APIRouter:
    """Make the routes below /study."""
    router, desk = APIRouter(prefix=PATH, include_in_schema=False), _Desk(voting, settings)
    files = {
        name: make_asset(content, name.rpartition(".")[2])
        for name, content in page_files(voting.study, has_server=True).items()
    }

    @router.get("")
    def below() -> Response:  # relative addresses of the page need the slash
        return RedirectResponse(f"{PATH}/", 308)

    @router.get("/")
    def page(request: Request) -> Response:
        response = files[_PAGE].response(request)
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    # Starlette's routes, for the most frequent requests: FastAPI's can take as long as the answer
    async def crop(request: Request) -> Response:  # in no thread: the file is small
        try:
            content = voting.crop(**request.path_params)
        except RejectedFile as error:
            return await refuse(request, error)
        return Response(content, headers=_KEPT, media_type="image/jpeg")

    async def vote(request: Request) -> Response:
        return await desk.answer(request, _VOTE, desk.vote)

    router.add_route(f"{PATH}/crops/{{rater}}/{{name}}.jpg", crop)
    router.add_route(f"{PATH}/votes", vote, methods=["POST"])

    @router.post("/sessions")
    async def begin(request: Request) -> Response:
        return await desk.answer(request, _BY_RECEIPT, partial(desk.begin, request))

    @router.post("/results")
    async def result(request: Request) -> Response:
        return await desk.answer(request, _BY_RECEIPT, desk.result)

    @router.post("/withdrawals")
    async def withdraw(request: Request) -> Response:
        return await desk.answer(request, _BY_RECEIPT, desk.withdraw)

    @router.get("/{name}")
    def file(request: Request, name: str) -> Response:
        if name not in files:
            return PlainTextResponse("There is no such page.\n", 404, headers=NO_STORE)
        return files[name].response(request)

    return router


class _Desk:
    def __init__(self, voting: Voting, settings: CollectionSettings) -> None:
        self._voting, self._seconds = voting, settings.body_seconds
        self._requests = RateLimit(
            settings.per_address_hourly * _VOTES, settings.total_hourly * _VOTES
        )
        self._raters = RateLimit(settings.raters_hourly, settings.total_hourly)

    async def answer(self, request: Request, names: tuple[str, ...], handle: Handle) -> Response:
        """Read a request within its limits and handle it; everything that fails is an answer."""
        try:
            require_rate(self._requests, request)
            body = await read_body(request, _MOST_BODY_BYTES, self._seconds)
            found = await run_in_threadpool(handle, read_object(request, body, names))
            response = JSONResponse(found, headers=NO_STORE)
        except (Refusal, RejectedFile, CollectionError) as error:
            response = await refuse(request, error)
        reason = response.headers.get("x-reason", "")
        log(
            f"study {request.url.path.rpartition('/')[2]}",
            status=response.status_code,
            reason=reason,
        )
        return response

    def begin(self, request: Request, fields: dict[str, Any]) -> dict[str, Any]:
        found = self._voting.find(fields["id"], fields["receipt"])
        if found is None:
            require_rate(self._raters, request)
            found = self._voting.begin(fields["id"], fields["receipt"])
        return found

    def vote(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"new": self._voting.cast(**fields)}

    def result(self, fields: dict[str, Any]) -> dict[str, Any]:
        return self._voting.result(fields["id"], fields["receipt"])

    def withdraw(self, fields: dict[str, Any]) -> dict[str, Any]:
        if not self._voting.withdraw(fields["id"], fields["receipt"]):
            raise RejectedFile("unknown_receipt", "there are no votes with this receipt")
        return {"outcome": "withdrawn"}
