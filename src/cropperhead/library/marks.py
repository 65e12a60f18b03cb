"""The mark that CropperHead leaves on a crop of its own: by which model, and what it was.

A crop that is still the marked one is an untouched suggestion, from which nothing can be learned;
one that differs is a person's correction. Where a sidecar keeps the mark is its editor's affair.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from cropperhead.editors import base, registry
from cropperhead.editors.suggestion_mark import KEYS
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Crop, Rectangle
from cropperhead.library import sidecars

# How far editors' rounding may move a corner. RawTherapee has whole pixels, and cuts what is less
# than one beyond its canvas: at most 1 px both ways, 1.4 px. The others keep hundredths.
ROUNDING_PX = 1.5


@dataclass(frozen=True)
class Mark:
    """A suggestion as it was made: by which model, for which editor, in which orientation (1-8)."""

    model: str
    editor: str
    crop: Crop  # as displayed by `orientation`
    orientation: int

    def texts(self) -> dict[str, str]:
        """The mark as texts, by key."""
        limits = " ".join(f"{value:.9g}" for value in astuple(self.crop))
        values = self.model, self.editor, limits, str(self.orientation)
        return dict(zip(KEYS, values, strict=True))


def parse_mark(texts: Mapping[str, Any]) -> Mark | None:
    """Parses what `Mark.texts` gives; None for texts that make no mark."""
    try:
        limits = [float(value) for value in texts["Crop"].split()]
        turned = orientation.parse_orientation(int(texts["Orientation"]), 0)
        crop = Crop(*limits)
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    if not turned or not np.isfinite(limits).all():
        return None
    return Mark(str(texts.get("Model", "")), str(texts.get("Editor", "")), crop, turned)


def read_mark(sidecar: str, content: bytes) -> Mark | None:
    """The mark in a sidecar of this name; None for none, and for content that cannot be parsed."""
    editors = registry.with_sidecars(sidecars.suffix(sidecar))
    return parse_mark(editors[0].read_mark(content)) if editors else None


def is_untouched(mark: Mark, box: Rectangle, width: int, height: int) -> bool:
    """Whether a crop is still the suggestion, apart from editors' rounding.

    `box` is the crop in pixels of the stored frame, `width` and `height` are that frame's.
    """
    return is_same(base.stored_box(mark.crop, width, height, mark.orientation), box)


def is_same(one: Rectangle, other: Rectangle) -> bool:
    """Whether two crops in pixels of one frame are the same, apart from editors' rounding."""
    return distance_px(one, other) <= ROUNDING_PX


def distance_px(one: Rectangle, other: Rectangle) -> float:
    """How far apart the corners of two crops are at most, in x or y."""
    return float(np.abs(one.corners() - other.corners()).max())
