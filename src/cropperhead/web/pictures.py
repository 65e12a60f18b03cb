"""Pictures of photos as browsers can show them: upright JPEGs, drawn in a worker process.

The page asks for those of photos that no browser shows (HEIC, TIFF, RAW), if the server was told to
read them. A photo that it sends is in the temporary folder while it is read, and is then deleted.
"""

import io
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
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
from cropperhead.system import worker_pool
from cropperhead.system.worker_pool import OnDemand

_QUALITY, _FULL_QUALITY = 85, 95
_LIMIT_S = 60.0
MOST_BYTES = 300_000_000  # of a photo that is sent: 100 megapixels of TIFF
_MOST_MEGAPIXELS = 200  # as the page takes them
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
        with tempfile.NamedTemporaryFile(prefix="cropperhead-", suffix=name.suffix) as file:
            async for chunk in request.stream():
                await run_in_threadpool(file.write, chunk)
            file.flush()
            result = await run_in_threadpool(pictures[0].get, PictureRequest(Path(file.name)))
        if isinstance(result, str):
            raise HTTPException(422, f"The photo cannot be read: {result}.")
        return Response(result, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    return router


def _draw_picture(request: PictureRequest) -> bytes | str:
    side, quality = request.long_side, _QUALITY if request.long_side else _FULL_QUALITY
    try:
        with photo_file.open_photo(request.file, _MOST_MEGAPIXELS) as photo:
            most = side or max(photo.frame)
            image = upright_copy(photo.picture(most), request.shown_as or photo.shown_as, most)
    except (RejectedFile, OSError, MemoryError) as error:
        return str(error)
    except ModuleNotFoundError as error:
        return f"its format needs {error.name}, which is not installed"
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _no_picture(_: PictureRequest, error: RejectedFile) -> str:
    return str(error)
