"""The routes of a review. All are below an address that holds a secret token.

So neither another page nor another user of the machine can reach them. Photos are named by their
number: no request names a file.
"""

import secrets
from typing import Literal

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel
from starlette.responses import Response

from cropperhead.errors import CropperheadError, RejectedFile
from cropperhead.geometry.crops import FULL_FRAME, outside
from cropperhead.web import assets
from cropperhead.web.review import LONGEST_SIDE, Review
from cropperhead.web.sidecar import PageCrop

_TOKEN_BYTES = 32
_THUMBNAIL = 360  # px
_SIDES = {"thumbnail": _THUMBNAIL, "picture": LONGEST_SIDE}
_UNCHANGED = 1e-3  # of a side by which a crop may be outside the photo: rounding
_CACHED = "private, max-age=3600"


class DecisionRequest(BaseModel):
    """What a person decides; `crop` where it is not the suggestion."""

    decision: Literal["accepted", "rejected", ""]
    crop: PageCrop | None = None


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def review_path(token: str) -> str:
    """The path of the review's page."""
    return f"/review/{token}/"


def review_router(review: Review, token: str) -> APIRouter:
    """The routes of a review."""
    router = APIRouter()
    path = "/review/{token}"

    def require(given: str) -> None:
        if not secrets.compare_digest(given.encode(), token.encode()):
            raise HTTPException(404, "There is no such page.")

    def require_photo(index: int) -> None:
        if not 0 <= index < len(review.photos):
            raise HTTPException(404, "There is no such photo.")

    @router.get(f"{path}/")
    def page(request: Request, token: str) -> Response:
        require(token)
        return assets.page_assets()["review.html"].response(request)

    @router.get(f"{path}/photos")
    def photos(token: str, since: int = 0) -> dict[str, object]:
        require(token)
        return review.changes(since)

    @router.get(path + "/photos/{index}/{kind}")
    def picture(token: str, index: int, kind: Literal["thumbnail", "picture"]) -> Response:
        require(token)
        require_photo(index)
        try:
            content = review.picture(index, _SIDES[kind])
        except RejectedFile as error:
            raise HTTPException(422, str(error)) from error
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": _CACHED})

    @router.post(path + "/photos/{index}/decision")
    def decide(token: str, index: int, wanted: DecisionRequest) -> dict[str, object]:
        require(token)
        require_photo(index)
        crop = None if wanted.crop is None else wanted.crop.crop()
        width, height = review.photos[index].frame
        if crop is not None:
            limits = crop.limits()
            is_inside = height and outside(limits[None], [width / height])[0] <= _UNCHANGED
            is_box = crop.top < crop.bottom and crop.left < crop.right
            if not (is_inside and is_box) or tuple(limits) == FULL_FRAME:
                raise HTTPException(422, "The crop is not within the photo, or all of it.")
        try:
            review.decide(index, wanted.decision, crop)
        except CropperheadError as error:
            raise HTTPException(409, str(error)) from error
        return review.photos[index].fields(index)

    @router.post(f"{path}/write")
    def write(token: str) -> dict[str, object]:
        require(token)
        review.write_accepted()
        return vars(review.progress)

    return router
