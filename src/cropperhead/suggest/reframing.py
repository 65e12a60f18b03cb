"""Where the places in a photo are in its cropped copy."""

from dataclasses import dataclass

import numpy as np

from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Crop, Rectangle


@dataclass(frozen=True)
class Reframing:
    """How a photo becomes its cropped copy.

    `stored` is the frame of the photo's pixels as they are in the file, width and height in px,
    `shown_as` the orientation (1 to 8) in which they are displayed, and `crop` is cut out of the
    displayed picture. `size` is the copy's width and height in px.
    """

    stored: tuple[int, int]
    shown_as: int
    crop: Crop
    size: tuple[int, int]

    def moved(self, place: Rectangle) -> Rectangle | None:
        """Move a place from the stored frame into the copy, both in px.

        Returns the smallest upright rectangle around it, cut off at the copy's edges; None for a
        place whose centre was cropped off.
        """
        displayed = orientation.to_displayed(place, *self.stored, self.shown_as)
        frame = self.crop.in_pixels(*orientation.displayed_size(*self.stored, self.shown_as))
        moved = displayed.relative_to(frame)
        width, height = self.size
        if not (0 <= moved.centre_x <= width and 0 <= moved.centre_y <= height):
            return None
        corners = np.clip(moved.corners(), 0, self.size)
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        return Rectangle(
            float(left + right) / 2,
            float(top + bottom) / 2,
            float(right - left),
            float(bottom - top),
            0,
        )
