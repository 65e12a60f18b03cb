"""Crop geometry, in the displayed, upright frame of a photo.

A crop is a rectangle rotated about its own centre. It has five values, in this order everywhere:
**top, left, bottom, right** of the *unrotated* rectangle, as fractions of the displayed frame's
sides, and **angle** in degrees, positive when the rectangle turns clockwise (y points down), as in
Lightroom's `CropAngle`.

Functions on many crops take `limits`, an array of shape (n, 5), and `aspect` (n,), the frame's
width / height: the shape of a tilted rectangle depends on the frame's. Lengths are then in units of
the frame's height.
"""

from dataclasses import astuple, dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CROP_COLUMNS = ("crop_top", "crop_left", "crop_bottom", "crop_right", "crop_angle")
FULL_FRAME = (0.0, 0.0, 1.0, 1.0, 0.0)

_CORNER_SIGNS = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=float)  # tl, tr, br, bl


@dataclass(frozen=True)
class Rectangle:
    """A rectangle in pixels of some frame, rotated `angle` degrees clockwise about its centre."""

    centre_x: float
    centre_y: float
    width: float
    height: float
    angle: float

    def corners(self) -> Floats:
        """Return the corners in pixels, (4, 2): top left, top right, bottom right, bottom left."""
        half = np.array([self.width, self.height]) / 2
        return (
            np.array([self.centre_x, self.centre_y]) + (_CORNER_SIGNS * half) @ _turn(self.angle).T
        )

    def moved(self, right: float, down: float) -> "Rectangle":
        """Return the rectangle moved by so many pixels."""
        return replace(self, centre_x=self.centre_x + right, centre_y=self.centre_y + down)

    def relative_to(self, frame: "Rectangle") -> "Rectangle":
        """Return the rectangle in pixels of the picture that is cut out along `frame`."""
        offset = np.array([self.centre_x - frame.centre_x, self.centre_y - frame.centre_y])
        x, y = offset @ _turn(-frame.angle).T + np.array([frame.width, frame.height]) / 2
        return Rectangle(float(x), float(y), self.width, self.height, self.angle - frame.angle)

    def outside(self, frame_width: float, frame_height: float) -> float:
        """Return by how many pixels the farthest corner is outside the frame; 0 if none is."""
        corners = self.corners()
        excess = np.maximum(-corners, corners - np.array([frame_width, frame_height]))
        return float(max(0.0, excess.max()))


@dataclass(frozen=True)
class Crop:
    """One crop: the five values described in the module's docstring."""

    top: float
    left: float
    bottom: float
    right: float
    angle: float

    @classmethod
    def from_rectangle(cls, box: Rectangle, frame_width: float, frame_height: float) -> Self:
        """Convert a rectangle in pixels of the displayed frame to a crop.

        Editors round corners to pixels, so a limit up to 1 px outside the frame moves to its edge.
        """
        half_width, half_height = box.width / 2, box.height / 2
        return cls(
            top=_on_edge((box.centre_y - half_height) / frame_height, 1 / frame_height),
            left=_on_edge((box.centre_x - half_width) / frame_width, 1 / frame_width),
            bottom=_on_edge((box.centre_y + half_height) / frame_height, 1 / frame_height),
            right=_on_edge((box.centre_x + half_width) / frame_width, 1 / frame_width),
            angle=box.angle,
        )

    def in_pixels(self, frame_width: float, frame_height: float) -> Rectangle:
        """Return the crop's rectangle in pixels of a displayed frame of the given size."""
        return Rectangle(
            centre_x=(self.left + self.right) / 2 * frame_width,
            centre_y=(self.top + self.bottom) / 2 * frame_height,
            width=(self.right - self.left) * frame_width,
            height=(self.bottom - self.top) * frame_height,
            angle=self.angle,
        )

    def limits(self) -> Floats:
        """Return the five values as an array, (5,)."""
        return np.array(astuple(self), dtype=float)


def corners(limits: ArrayLike, aspect: ArrayLike) -> Floats:
    """Return the crops' corners, (n, 4, 2), clockwise from the top left, in frame heights."""
    limits, aspect = np.asarray(limits, dtype=float), np.asarray(aspect, dtype=float)
    top, left, bottom, right, angle = np.moveaxis(limits, -1, 0)
    centre = np.stack([(left + right) / 2 * aspect, (top + bottom) / 2], axis=-1)
    half = np.stack([(right - left) / 2 * aspect, (bottom - top) / 2], axis=-1)
    offsets = _CORNER_SIGNS * half[..., None, :]
    turned: Floats = centre[..., None, :] + offsets @ np.swapaxes(_turn(angle), -1, -2)
    return turned


def outside(limits: ArrayLike, aspect: ArrayLike) -> Floats:
    """Return how far the farthest corner is outside the frame, as a fraction of its side, (n,)."""
    points = corners(limits, aspect)
    points[..., 0] /= np.asarray(aspect, dtype=float)[..., None]
    return np.asarray(np.maximum(0.0, np.maximum(-points, points - 1).max(axis=(-1, -2))))


def inside_frame(limits: ArrayLike, aspect: ArrayLike) -> Floats:
    """Shrink crops about their centres just enough that every corner is inside the frame, (n, 5).

    Centres must be inside the frame. Crops that fit are returned unchanged.
    """
    limits, aspect = np.array(limits, dtype=float), np.asarray(aspect, dtype=float)
    frame = np.stack([aspect, np.ones_like(aspect)], axis=-1)
    points = corners(limits, aspect)
    centre = points.mean(axis=-2)
    reach = np.abs(points - centre[..., None, :]).max(axis=-2)
    room = np.minimum(centre, frame - centre)
    scale = np.minimum(1.0, np.min(room / np.maximum(reach, 1e-12), axis=-1))
    middle = (limits[..., :2] + limits[..., 2:4]) / 2
    half = (limits[..., 2:4] - limits[..., :2]) / 2 * scale[..., None]
    return np.concatenate([middle - half, middle + half, limits[..., 4:]], axis=-1)


def mirror(limits: ArrayLike) -> Floats:
    """Return the crops of the photos mirrored left to right, (n, 5)."""
    top, left, bottom, right, angle = np.moveaxis(np.asarray(limits, dtype=float), -1, 0)
    return np.stack([top, 1 - right, bottom, 1 - left, -angle], axis=-1)


def area(limits: ArrayLike) -> Floats:
    """Return the share of the frame's area that each crop keeps, (n,)."""
    limits = np.asarray(limits, dtype=float)
    sides = np.maximum(limits[..., 2:4] - limits[..., :2], 0.0)
    return np.asarray(sides.prod(axis=-1))


def overlap(first: ArrayLike, second: ArrayLike, aspect: ArrayLike) -> Floats:
    """Return the tilted rectangles' intersection over union, (n,), in [0, 1]; 0 without an area.

    The intersection of two convex polygons is the convex hull of each polygon's corners inside the
    other and the points where their edges cross. The shoelace formula gives its area.
    """
    one, two = corners(first, aspect), corners(second, aspect)
    points = np.concatenate([one, two, _crossings(one, two)], axis=-2)
    is_corner = np.concatenate(
        [_inside(one, two), _inside(two, one), np.isfinite(points[..., 8:, 0])], axis=-1
    )
    shared = _hull_area(points, is_corner)
    union = _shoelace(one) + _shoelace(two) - shared
    has_area = (area(first) > 0) & (area(second) > 0)  # a crop that is inside out has none
    return np.where(has_area, np.clip(shared / np.maximum(union, 1e-12), 0.0, 1.0), 0.0)


def boundary_displacement(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return the mean distance of the four limits, as fractions of the frame's sides, (n,).

    The boundary displacement error of the cropping literature (Chen et al., WACV 2017).
    """
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    return np.asarray(np.abs(difference[..., :4]).mean(axis=-1))


def _on_edge(limit: float, tolerance: float) -> float:
    edge = min(max(limit, 0.0), 1.0)
    return edge if abs(limit - edge) <= tolerance else limit


def _turn(angle_deg: ArrayLike) -> Floats:
    """Return rotation matrices (..., 2, 2), clockwise where y points down."""
    radians = np.deg2rad(np.asarray(angle_deg, dtype=float))
    cosine, sine = np.cos(radians), np.sin(radians)
    return np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)


def _cross(u: Floats, v: Floats) -> Floats:
    return np.asarray(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0])


def _inside(points: Floats, polygon: Floats) -> NDArray[np.bool_]:
    """Return which points (n, p, 2) are inside or on the convex polygons (n, q, 2), (n, p)."""
    edges = np.roll(polygon, -1, axis=-2) - polygon
    reach = points[..., :, None, :] - polygon[..., None, :, :]
    # tolerance of 1e-9 squared frame heights: a corner on an edge counts as inside
    return np.asarray((_cross(edges[..., None, :, :], reach) >= -1e-9).all(axis=-1))


def _crossings(one: Floats, two: Floats) -> Floats:
    """Return where the edges of two quadrilaterals cross, (n, 16, 2); NaN if a pair does not."""
    start, edge = one[..., :, None, :], (np.roll(one, -1, axis=-2) - one)[..., :, None, :]
    other, span = two[..., None, :, :], (np.roll(two, -1, axis=-2) - two)[..., None, :, :]
    slope = _cross(edge, span)
    parallel = np.abs(slope) < 1e-12
    divisor = np.where(parallel, 1.0, slope)
    along = _cross(other - start, span) / divisor
    across = _cross(other - start, edge) / divisor
    hit = ~parallel & (along >= 0) & (along <= 1) & (across >= 0) & (across <= 1)
    points = np.where(hit[..., None], start + along[..., None] * edge, np.nan)
    return points.reshape(*points.shape[:-3], 16, 2)


def _hull_area(points: Floats, is_corner: NDArray[np.bool_]) -> Floats:
    """Return the areas of the convex polygons with the marked points (n, p, 2) as corners, (n,)."""
    count = is_corner.sum(axis=-1)
    safe = np.where(is_corner[..., None], points, 0.0)
    middle = safe.sum(axis=-2) / np.maximum(count, 1)[..., None]
    # the other points move onto the first corner, where they add no area
    first = np.take_along_axis(safe, is_corner.argmax(axis=-1)[..., None, None], axis=-2)
    rays = np.where(is_corner[..., None], safe, first) - middle[..., None, :]
    order = np.argsort(np.arctan2(rays[..., 1], rays[..., 0]), axis=-1)
    ring = np.take_along_axis(rays, order[..., None], axis=-2)
    return np.where(count >= 3, np.abs(_shoelace(ring)), 0.0)


def _shoelace(polygon: Floats) -> Floats:
    return np.asarray(_cross(polygon, np.roll(polygon, -1, axis=-2)).sum(axis=-1) / 2)
