"""What the modules of all editors share: the shape of their answers, and when a crop is refused."""

from enum import Enum
from typing import NamedTuple

from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Crop, Rectangle

# Six decimals of a fraction are 0.01 px at 10,000 px; editors themselves round corners to pixels.
FRAME_TOLERANCE_PX = 1.0


PHOTOGRAPHER = "photographer"  # the author of a photo's own crop; duplicates are further authors


class State(Enum):
    """What a photo's settings in one editor say about its crop."""

    SILENT = "nothing is said"
    UNCROPPED = "not cropped"
    CROPPED = "cropped"


class LeftOut(NamedTuple):
    """A version that could not be used of a photo with others: the file it stands in, and why."""

    file: str
    kind: str
    reason: str


def require_within(
    box: Rectangle, width: float, height: float, said: str, tolerance: float = FRAME_TOLERANCE_PX
) -> Rectangle:
    """The same rectangle, if it has an area and leaves the frame by at most `tolerance` px.

    `width` and `height` are the frame's in pixels, `said` the editor's own numbers, for the error.
    Raises RejectedFile (`inverted`, `outside`).
    """
    if not (box.width > 0 and box.height > 0):
        raise RejectedFile("inverted", f"the crop has no area: {said}")
    if not box.outside(width, height) <= tolerance:
        raise RejectedFile("outside", f"the crop leaves the frame: {said}")
    return box


def displayed_crop(box: Rectangle, width: int, height: int, shown_as: int) -> Crop:
    """The displayed crop that a rectangle in pixels of the stored frame makes.

    `width` and `height` are the stored frame's, `shown_as` (1 to 8) the orientation by which it is
    displayed.
    """
    shown = orientation.displayed(box, width, height, shown_as)
    return Crop.from_rectangle(shown, *orientation.displayed_size(width, height, shown_as))


def stored_box(crop: Crop, width: int, height: int, shown_as: int) -> Rectangle:
    """The rectangle in pixels of the stored frame that a displayed crop is: the reverse."""
    size = orientation.displayed_size(width, height, shown_as)
    return orientation.stored(crop.in_pixels(*size), *size, orientation=shown_as)
