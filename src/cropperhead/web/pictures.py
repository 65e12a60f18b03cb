"""Pictures of photos as browsers can show them: upright JPEGs, drawn in a worker process.

The page asks for those of photos that no browser shows (HEIC, TIFF, RAW), if the server was told to
read them. A photo that it sends is in the temporary folder while it is read, and is then deleted.
Only few are there at once, and the worker draws one after the other, so that none of them waits
within another's time limit.
"""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cropperhead.errors import RejectedFile
from cropperhead.photos import image as photo_image
from cropperhead.photos import photo_file, raw
from cropperhead.photos.image import upright_copy
from cropperhead.photos.photo_file import PhotoFile
from cropperhead.system import worker_pool
from cropperhead.system.worker_pool import OnDemand
from cropperhead.web.limits import RateLimit
from cropperhead.web.requests import (
    NO_STORE,
    Places,
    Refusal,
    pass_body,
    refuse,
    require_rate,
)

_QUALITY, _FULL_QUALITY = 85, 95
_LIMIT_S = 60.0
MOST_BYTES = 300_000_000  # of a photo that is sent: 100 megapixels of TIFF
_BODY_S = 120.0  # for it to arrive
_MOST_PHOTOS = 4  # in the temporary folder at once
_PER_ADDRESS_HOURLY, _TOTAL_HOURLY = 300, 1200  # a fifth of which may come at once
_MOST_MEGAPIXELS = 200  # as the page takes them
_NO_MEMORY = "it needs more memory than there is"
_SUFFIXES = photo_image.SUFFIXES | raw.SUFFIXES


@dataclass(frozen=True)
class PictureRequest:
    """A photo to be shown: how it is turned, and how long its long side may be in px.

    None stands for the camera's turn, and for the photo's own size.
    """

    file: Path
    shown_as: int | None = None
    long_side: int | None = None


Pictures = OnDemand[PictureRequest, bytes | str]  # a JPEG, or why there is none


def open_pictures() -> Pictures:
    """A worker process that draws pictures when they are asked for; a context manager."""
    return worker_pool.OnDemand(draw_pictures, 1, _no_picture, _LIMIT_S)


def draw_pictures(requests: Sequence[PictureRequest]) -> list[bytes | str]:
    """JPEGs of photos, or why there is none; runs in a worker process."""
    return [_draw_picture(request) for request in requests]


def picture_router() -> APIRouter:
    """The route `/api/picture`: a photo in, and a JPEG of it at full size out."""
    pictures: list[Pictures] = []
    limit = RateLimit(_PER_ADDRESS_HOURLY, _TOTAL_HOURLY)
    places = Places(_MOST_PHOTOS, "too many photos are being read; try again")
    turn = asyncio.Semaphore(1)  # the worker's time limit counts from when it is asked

    @asynccontextmanager
    async def run(_: Any) -> AsyncIterator[None]:
        with open_pictures() as opened:
            pictures.append(opened)
            yield

    router = APIRouter(lifespan=run)

    @router.post("/api/picture", max_body_size=MOST_BYTES)
    async def picture(request: Request) -> Response:
        name = PurePosixPath(unquote(request.headers.get("x-file-name", "")).lower())
        if name.suffix not in _SUFFIXES:
            raise HTTPException(415, "The server reads no photos of this kind.")
        try:
            require_rate(limit, request)
            with places.take():
                async with _store_body(request, name.suffix) as file, turn:
                    result = await run_in_threadpool(pictures[0].get, PictureRequest(file))
        except Refusal as error:
            return await refuse(request, error)
        if isinstance(result, str):
            raise HTTPException(422, f"The photo cannot be read: {result}.")
        return Response(result, media_type="image/jpeg", headers=NO_STORE)

    return router


@asynccontextmanager
async def _store_body(request: Request, suffix: str) -> AsyncIterator[Path]:
    """The photo that is sent, as a file that is deleted afterwards. Raises Refusal."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cropperhead-"))
            file = Path(folder) / f"photo{suffix}"
            with file.open("xb") as opened:

                async def write(chunk: bytes) -> None:
                    await run_in_threadpool(opened.write, chunk)

                await pass_body(request, MOST_BYTES, _BODY_S, write)
        except OSError as error:  # its message names a folder of the server
            problem = f"the server cannot store the photo: {error.strerror}"
            raise Refusal(507, "full", problem) from error
        yield file


def _draw_picture(request: PictureRequest) -> bytes | str:
    try:
        with photo_file.open_photo(request.file, _MOST_MEGAPIXELS) as photo:
            return _as_jpeg(photo, request)
    except (RejectedFile, OSError) as error:
        return str(error)
    except MemoryError:
        return _NO_MEMORY
    except ModuleNotFoundError as error:
        return f"its format needs {error.name}, which is not installed"


def _as_jpeg(photo: PhotoFile, request: PictureRequest) -> bytes | str:
    side, quality = request.long_side, _QUALITY if request.long_side else _FULL_QUALITY
    most = side or max(photo.frame)
    buffer = io.BytesIO()
    try:
        image = upright_copy(photo.picture(most), request.shown_as or photo.shown_as, most)
        image.convert("RGB").save(buffer, "JPEG", quality=quality)
    except MemoryError:  # without any text, which `open_photo` would quote
        return _NO_MEMORY
    return buffer.getvalue()


def _no_picture(_: PictureRequest, error: RejectedFile) -> str:
    return str(error)
