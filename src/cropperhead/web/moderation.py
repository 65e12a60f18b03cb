"""The moderators' page: crops that wait, to be accepted or rejected, and senders to be banned.

It needs no script: the crops are drawn by the browser from SVG, and the buttons are forms.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any
from urllib.parse import parse_qs

import argon2
import jinja2
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from cropperhead.collection.intake import Collection, StoredCrop
from cropperhead.collection.settings import PASSWORD_HASH_VARIABLE, PASSWORD_VARIABLE
from cropperhead.collection.tables import ACCEPTED, CROP, NEW, REJECTED, STATUSES, SUGGESTED
from cropperhead.errors import CollectionError, ParamsError
from cropperhead.geometry.crops import Crop
from cropperhead.web.limits import RateLimit

_COOKIE, _PATH = "cropperhead_moderation", "/moderate"
_SESSION_S = 12 * 3600
_MOST_SESSIONS = 100
_LEAST_LETTERS = 12  # of a password
_PAGE = 48  # crops
_MOST_BODY_BYTES = 16_384
_TRIES_HOURLY, _ALL_TRIES_HOURLY = 25, 200  # passwords; a fifth of them at once
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    # Without a referrer a browser says that a form comes from nowhere (`Origin: null`)
    "Referrer-Policy": "same-origin",
}
_ACTIONS = {"accept": ACCEPTED, "reject": REJECTED, "wait": NEW}


class Password:
    """The moderators' password, of which only a hash is kept."""

    def __init__(self, hashed: str) -> None:
        """Take a hash of argon2. Raises ParamsError if it is none."""
        self._hasher = argon2.PasswordHasher()
        try:
            self._hasher.check_needs_rehash(hashed)
        except argon2.exceptions.InvalidHashError as error:
            raise ParamsError(
                f"{PASSWORD_HASH_VARIABLE}: it is not an Argon2 hash. `cropperhead collected "
                "hash-password` makes one."
            ) from error
        self._hashed = hashed

    def matches(self, given: str) -> bool:
        """Return whether this is the password; it takes some 50 ms and 64 MB."""
        try:
            return self._hasher.verify(self._hashed, given)
        except argon2.exceptions.VerificationError:
            return False


def hash_password(password: str) -> str:
    """Hash a password. Raises ParamsError for one that is too short."""
    if len(password) < _LEAST_LETTERS:
        raise ParamsError(f"the moderation password must have at least {_LEAST_LETTERS} letters")
    return argon2.PasswordHasher().hash(password)


def read_password(environment: Mapping[str, str] = os.environ) -> Password | None:
    """Read the password or its hash from the environment; None if there is neither."""
    hashed, plain = (environment.get(n) for n in (PASSWORD_HASH_VARIABLE, PASSWORD_VARIABLE))
    if hashed:
        return Password(hashed)
    return Password(hash_password(plain)) if plain else None


class Sessions:
    """Who is logged in; known to this process alone, so that a restart logs everybody out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._ends: dict[str, float] = {}
        self._clock = clock

    def begin(self) -> str:
        """Return a new session's token."""
        now = self._clock()
        valid = {token: end for token, end in self._ends.items() if end > now}
        self._ends = dict(list(valid.items())[-_MOST_SESSIONS + 1 :])
        token = secrets.token_urlsafe(32)
        self._ends[token] = now + _SESSION_S
        return token

    def is_valid(self, token: str | None) -> bool:
        """Return whether a token is that of a session."""
        return token is not None and self._ends.get(token, 0.0) > self._clock()

    def end(self, token: str | None) -> None:
        """End a session."""
        self._ends.pop(token or "", None)


def make_router(collection: Collection, password: Password) -> APIRouter:
    """Make the routes below /moderate."""
    router, desk = APIRouter(prefix=_PATH, include_in_schema=False), _Desk(collection, password)

    @router.get("/style.css")
    def style() -> Response:
        headers = {"Cache-Control": "no-cache"}
        return Response(_text("moderate.css"), headers=headers, media_type="text/css")

    @router.get("")
    def page(request: Request) -> Response:
        if not desk.is_moderator(request):
            return desk.login_page()
        return desk.gallery(request.query_params.get("status", NEW))

    @router.post("/login")
    async def login(request: Request) -> Response:
        return await desk.login(request)

    @router.post("/logout")
    async def logout(request: Request) -> Response:
        desk.sessions.end(request.cookies.get(_COOKIE))
        response = RedirectResponse(_PATH, 303, headers=_HEADERS)
        response.delete_cookie(_COOKIE, path=_PATH)
        return response

    @router.post("/crops")
    async def decide(request: Request) -> Response:
        if not desk.is_moderator(request):
            return desk.login_page()
        return await desk.decide(request)

    @router.get("/photos/{name}.jpg")
    def photo(request: Request, name: str) -> Response:
        if not desk.is_moderator(request):
            return PlainTextResponse("Log in first.\n", 403, headers=_HEADERS)
        return desk.photo(name)

    return router


class _Desk:
    def __init__(self, collection: Collection, password: Password) -> None:
        self._collection, self._password = collection, password
        self.sessions = Sessions()
        self._tries = RateLimit(_TRIES_HOURLY, _ALL_TRIES_HOURLY)
        self._one_at_a_time = asyncio.Lock()  # each try takes 64 MB
        self._templates = _templates()

    def is_moderator(self, request: Request) -> bool:
        return self.sessions.is_valid(request.cookies.get(_COOKIE))

    def login_page(self, problem: str = "", status: int = 200) -> Response:
        return self._render("login.html.j2", status, problem=problem)

    async def login(self, request: Request) -> Response:
        address = request.client.host if request.client else ""
        if self._tries.wait_s(address):
            return self.login_page("Too many tries. Try again in some minutes.", 429)
        given = (await _form(request)).get("password", [""])[0]
        async with self._one_at_a_time:
            is_right = await run_in_threadpool(self._password.matches, given)
        if not is_right:
            return self.login_page("This is not the password.", 403)
        response = RedirectResponse(_PATH, 303, headers=_HEADERS)
        response.set_cookie(
            _COOKIE,
            self.sessions.begin(),
            max_age=_SESSION_S,
            path=_PATH,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    def gallery(self, status: str) -> Response:
        status = status if status in STATUSES else NEW
        try:
            crops, counts = self._collection.list_crops(status, _PAGE), self._collection.counts()
        except CollectionError as error:
            return PlainTextResponse(f"{error}\n", 503, headers=_HEADERS)
        shown = [_drawing(crop) for crop in crops]
        return self._render("moderate.html.j2", crops=shown, status=status, counts=counts)

    async def decide(self, request: Request) -> Response:
        form = await _form(request)
        action, _, identity = form.get("action", [""])[0].partition(" ")
        identities = [identity] if identity else form.get("id", [])
        try:
            if action == "ban":
                for each in identities:
                    await run_in_threadpool(self._collection.ban, each)
            elif action in _ACTIONS:
                status = _ACTIONS[action]
                await run_in_threadpool(self._collection.moderate, identities, status)
            else:
                return PlainTextResponse("There is no such action.\n", 422, headers=_HEADERS)
        except CollectionError as error:
            return PlainTextResponse(f"{error}\n", 503, headers=_HEADERS)
        back = form.get("status", [NEW])[0]
        shown = back if back in STATUSES else NEW
        return RedirectResponse(f"{_PATH}?status={shown}", 303, headers=_HEADERS)

    def photo(self, name: str) -> Response:
        try:
            is_known = self._collection.has_photo(name)
            content = self._collection.objects.get(name) if is_known else None
        except CollectionError as error:
            return PlainTextResponse(f"{error}\n", 503, headers=_HEADERS)
        if content is None:
            return PlainTextResponse("There is no such photo.\n", 404, headers=_HEADERS)
        return Response(content, headers=_HEADERS, media_type="image/jpeg")

    def _render(self, name: str, code: int = 200, **values: Any) -> Response:
        text = self._templates.get_template(name).render(**values)
        return HTMLResponse(text, code, headers=_HEADERS)


def _drawing(crop: StoredCrop) -> dict[str, Any]:
    """What a template draws of a crop: outlines as SVG's points, in px of the photo."""
    size = crop["width"], crop["height"]
    suggested = None
    if crop["suggested_by"] is not None:
        suggested = _points([crop[name] for name in SUGGESTED], size)
    return {
        **crop,
        "outline": _points([crop[name] for name in CROP], size),
        "suggested": suggested,
        "sender": crop["author"][:12],
        "day": time.strftime("%Y-%m-%d", time.gmtime(crop["received"])),
    }


def _points(limits: list[float], size: tuple[int, int]) -> str:
    corners = Crop(*limits).in_pixels(*size).corners()
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


async def _form(request: Request) -> dict[str, list[str]]:
    """The fields of a form; empty for a body that is too long (`max_body_size`) or none."""
    body = await request.body()
    if len(body) > _MOST_BODY_BYTES:
        return {}
    try:
        return parse_qs(body.decode(), max_num_fields=4 * _PAGE)
    except ValueError:
        return {}


def _text(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
