"""Words an editor's sidecar for a crop that was made on the page.

The browser sends numbers and the photo's name, never the photo. The sidecar is a new one: the page
cannot see what is next to a photo on somebody's disk. `cropperhead suggest` and `review` can.
"""

from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field
from starlette.responses import Response

from cropperhead.editors import base, registry
from cropperhead.editors.base import CameraTurn, CropToWrite
from cropperhead.errors import RejectedFile
from cropperhead.geometry.crops import FULL_FRAME, Crop

EditorName = Literal["lightroom", "darktable", "rawtherapee"]
Fraction = Annotated[float, Field(ge=-1, le=2)]  # a turned crop's limits may be outside the frame
_MOST_PX = 100_000
_LONGEST_NAME = 255
_FORMAT = "JPEG"  # one whose EXIF alone says how it is turned, as of all that the page decodes


class PageCrop(BaseModel):
    """A crop as the page has it: `geometry.crops.Crop`."""

    top: Fraction
    left: Fraction
    bottom: Fraction
    right: Fraction
    angle: float = Field(ge=-45, le=45)

    def crop(self) -> Crop:
        """The crop itself."""
        return Crop(self.top, self.left, self.bottom, self.right, self.angle)


class SidecarRequest(BaseModel):
    """A crop, and the photo that it is for: its name and its stored frame in px."""

    editor: EditorName
    photo: str = Field(min_length=1, max_length=_LONGEST_NAME)
    width: int = Field(gt=0, le=_MOST_PX)
    height: int = Field(gt=0, le=_MOST_PX)
    orientation: int = Field(ge=1, le=8)
    crop: PageCrop


def sidecar_router() -> APIRouter:
    """The route `/api/sidecar`."""
    router = APIRouter()

    @router.post("/api/sidecar")
    def sidecar(wanted: SidecarRequest) -> Response:
        try:
            name, content = word_sidecar(wanted)
        except RejectedFile as error:
            raise HTTPException(422, str(error)) from error
        return Response(
            content,
            media_type="application/octet-stream",
            headers={"X-File-Name": quote(name), "Cache-Control": "no-store"},
        )

    return router


def word_sidecar(wanted: SidecarRequest) -> tuple[str, bytes]:
    """The sidecar's name and content. Raises RejectedFile for a crop that cannot be written."""
    photo = PurePosixPath(wanted.photo.replace("\\", "/")).name
    if not photo or not photo.isprintable():
        raise RejectedFile("name", "the photo's name cannot be that of a file")
    crop = wanted.crop.crop()
    if tuple(crop.limits()) == FULL_FRAME:
        raise RejectedFile("whole", "The crop is the whole photo: there is nothing to write.")
    frame = wanted.width, wanted.height
    box = base.stored_box(crop, *frame, wanted.orientation)
    base.require_within(box, *frame, str(crop))
    camera = CameraTurn(wanted.orientation, wanted.orientation, _FORMAT)
    editor = registry.find_writable(wanted.editor)
    exif_orientation = editor.camera_orientations({}, photo, camera)[0]
    shown_now = editor.shown_as({}, exif_orientation)
    new = CropToWrite(
        photo=photo,
        frame=frame,
        exif_orientation=exif_orientation,
        camera=camera,
        shown_now=shown_now,
        crop=crop,
        shown_as=wanted.orientation,
    )
    return editor.sidecars.name_for(photo), editor.write(None, new, {})
