"""The only door to FastAPI: the page's application.

Each use of the page is a router of its own, and `create_app` puts them together. `guard` stands
before all of them.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, PlainTextResponse, Response

from cropperhead import __version__
from cropperhead.web import assets, page_model
from cropperhead.web.assets import Asset
from cropperhead.web.guard import Guard
from cropperhead.web.page_model import PageModel
from cropperhead.web.pictures import picture_router
from cropperhead.web.requests import BodyLimit
from cropperhead.web.sidecar import sidecar_router

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
_TERMS = "/collect/terms"  # which the page asks for only if there is a collection
_MOST_BODY_BYTES = 65_536  # of a request to routes that set no limit of their own
# By the service worker, for use without a server; what this server offers it may not once it is
# started anew
_NOT_CACHED = frozenset({"review.html", "sw.js", "server.json"})


@dataclass(frozen=True)
class PageSettings:
    """What the page is to offer, and to whom.

    `hosts` are the names, without ports, by which it may be addressed. `model` is None where the
    page is not to predict. `routers` are those of further uses, such as the review of a folder.
    `reads_photos`: whether the server reads photos that no browser shows, and is sent them for it.
    """

    model: PageModel | None = None
    hosts: Sequence[str] = LOOPBACK_NAMES
    routers: Sequence[APIRouter] = field(default=())
    reads_photos: bool = False


def create_app(settings: PageSettings) -> FastAPI:
    """Make the application; it opens no file besides those of the page."""
    app = FastAPI(
        title="CropperHead",
        version=__version__,
        openapi_url=None,  # no pages of its own, whose scripts come from elsewhere
        docs_url=None,
        redoc_url=None,
        max_body_size=_MOST_BODY_BYTES,
    )
    app.add_exception_handler(RequestValidationError, _refuse)
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, hosts=settings.hosts)
    readers = [picture_router()] if settings.reads_photos else []
    for router in (*settings.routers, *readers, sidecar_router()):
        app.include_router(router)
    app.include_router(_page_router(settings))
    return app


def _refuse(_: Request, error: Exception) -> Response:
    """Says what is wrong, without the values: JSON has no infinity, but Python reads it."""
    assert isinstance(error, RequestValidationError)
    kept = ("type", "loc", "msg")
    detail = [{key: one[key] for key in kept} for one in error.errors()]
    return JSONResponse({"detail": detail}, status_code=422)


def _page_router(settings: PageSettings) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    files = dict(assets.page_assets())
    if settings.model is not None:
        files["model.tflite"] = settings.model.asset
        faces = page_model.faces_asset()
        files |= {} if faces is None else {"faces.tflite": faces}
        facts = _model_facts(settings.model, faces is not None)
        files["model.json"] = assets.make_asset(facts, "json")
    files["server.json"] = assets.make_asset(_server_facts(settings), "json")
    files["sw.js"] = _service_worker(files)

    @router.get("/healthz")
    def healthz() -> Response:
        return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})

    @router.api_route("/", methods=["GET", "HEAD"])
    def index(request: Request) -> Response:
        return files["index.html"].response(request)

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    def file(request: Request, path: str) -> Response:
        if path not in files:
            raise HTTPException(404, "There is no such page.")
        return files[path].response(request)

    return router


def _model_facts(model: PageModel, finds_faces: bool) -> bytes:
    facts = {"name": model.name, "id": model.fingerprint, "size": model.input_size}
    return json.dumps(facts | {"faces": finds_faces}).encode()


def _server_facts(settings: PageSettings) -> bytes:
    """What this server does besides serving the page, as it was started."""
    paths = {getattr(route, "path", "") for one in settings.routers for route in one.routes}
    facts = {"readsPhotos": settings.reads_photos, "collects": _TERMS in paths}
    return json.dumps(facts).encode()


def _service_worker(files: dict[str, Asset]) -> Asset:
    """The service worker, with the files that it keeps and a name that changes with them."""
    kept = {path: file.sha256 for path, file in sorted(files.items()) if path not in _NOT_CACHED}
    version = hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:16]
    paths = ["/", *(f"/{path}" for path in kept if not path.endswith((".txt", ".map", ".json")))]
    paths += ["/model.json"] * ("model.json" in kept)
    head = f"const VERSION = {json.dumps(version)};\nconst FILES = {json.dumps(paths)};\n"
    script = assets.page_text("service_worker.js")
    return assets.make_asset((head + script).encode(), "js")
