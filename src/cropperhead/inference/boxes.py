"""Rectangles in a frame: their overlap, and how tilted ones fit into it.

Boxes are (…, 4): top, left, bottom, right as fractions of the frame's sides, before any tilt. The
frame's `aspect` is its width / height. Overlap is intersection over union. Stretching both sides of
two boxes does not change it, so that untilted ones need no aspect.
"""

import math

import numpy as np

from cropperhead.geometry import crops
from cropperhead.geometry.crops import Floats


def overlaps(boxes: Floats, others: Floats) -> Floats:
    """The overlap of each of (c, 4) untilted boxes with each of (k, 4), (c, k)."""
    top, left, bottom, right = boxes.T[:, :, None]
    shared = np.maximum(np.minimum(bottom, others[:, 2]) - np.maximum(top, others[:, 0]), 0)
    shared *= np.maximum(np.minimum(right, others[:, 3]) - np.maximum(left, others[:, 1]), 0)
    union = crops.area(boxes)[:, None] + crops.area(others) - shared
    return np.asarray(shared / np.maximum(union, 1e-12))


def centre_and_sides(boxes: Floats) -> tuple[Floats, Floats]:
    """Centres and sides (..., 2) of boxes, down and across; sides are 0 where it is inside out."""
    low, high = boxes[..., :2], boxes[..., 2:4]
    return (low + high) / 2, np.maximum(high - low, 0)


def fit_into_frame(boxes: Floats, angle_deg: float, aspect: float) -> Floats:
    """Boxes (..., 4) tilted by an angle, shrunk if they are too large for the frame, and moved in.

    Sides keep their ratio; those that are inside out become 0.
    """
    centre, sides = centre_and_sides(boxes)
    tilt = math.radians(angle_deg)
    sine, cosine = np.abs([math.sin(tilt), math.cos(tilt)])
    # half the sides of the upright rectangle around the tilted one, in frames
    reach = sides @ np.array([(cosine, sine / aspect), (sine * aspect, cosine)]) / 2
    shrunk = np.minimum(1, 0.5 / np.maximum(reach.max(axis=-1, keepdims=True), 0.5))
    centre = np.clip(centre, reach * shrunk, 1 - reach * shrunk)
    half = sides * shrunk / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def resize(limits: Floats, factor: float, aspect: float) -> Floats:
    """A crop (5,) with its sides multiplied, about its centre as far as the frame allows."""
    centre, sides = centre_and_sides(limits[:4])
    half = sides * factor / 2
    box = np.concatenate([centre - half, centre + half])
    return np.append(fit_into_frame(box, float(limits[4]), aspect), limits[4])


def turn_back(boxes: Floats, angle_deg: float, aspect: float) -> Floats:
    """Boxes (n, 4) tilted by one angle, in axes tilted alike, in which they are upright, (n, 4).

    In frame heights. Each is tilted about its own centre: only the centres move.
    """
    shape = np.array([1, aspect])
    centre, sides = centre_and_sides(boxes)
    sine, cosine = math.sin(tilt := math.radians(angle_deg)), math.cos(tilt)
    centre = centre * shape @ np.array([(cosine, sine), (-sine, cosine)])
    return np.concatenate([centre - sides * shape / 2, centre + sides * shape / 2], axis=-1)


def turn_forth(boxes: Floats, angle_deg: float, aspect: float) -> Floats:
    """The inverse of `turn_back`: boxes (n, 4) in fractions of the frame's sides."""
    shape = np.array([1, aspect])
    centre, sides = centre_and_sides(boxes)
    sine, cosine = math.sin(tilt := math.radians(angle_deg)), math.cos(tilt)
    centre = centre @ np.array([(cosine, -sine), (sine, cosine)]) / shape
    return np.concatenate([centre - sides / shape / 2, centre + sides / shape / 2], axis=-1)
