"""Outlines, and the figures that consist of them.

A figure has its own coordinates: it stands on (0, 0), is 1 high, and y points up. Outlines are
written as text, `"x y, x y"` in hundredths.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cropperhead.demo.colours import Colour

Points = NDArray[np.float64]  # (n, 2)


@dataclass(frozen=True)
class Part:
    """One coloured outline of a figure. A part that glows keeps its colour in any light."""

    points: Points
    colour: Colour
    glows: bool = False


Figure = Sequence[Part]


@dataclass(frozen=True)
class Spot:
    """A figure's place on the canvas: its foot and height in pixels; facing -1 mirrors it."""

    x: float
    y: float
    height: float
    facing: int = 1


def outline(corners: str | Iterable[tuple[float, float]]) -> Points:
    """Convert corners to an array; text has hundredths."""
    if isinstance(corners, str):
        pairs = [pair.split() for pair in corners.split(",")]
        return np.array([(float(x), float(y)) for x, y in pairs]) / 100
    return np.array(list(corners), dtype=float)


def curve(corners: str | Iterable[tuple[float, float]], steps: int = 6) -> Points:
    """Return a closed, smooth outline through points: a Catmull-Rom spline, `steps` points each."""
    knots = outline(corners)
    before, after, beyond = (np.roll(knots, shift, axis=0) for shift in (1, -1, -2))
    t = (np.arange(steps) / steps)[None, :, None]
    k, b, a, n = (part[:, None, :] for part in (knots, before, after, beyond))
    straight, bend = (a - b) * t, (2 * b - 5 * k + 4 * a - n) * t * t
    spline = k + (straight + bend + (3 * k - b - 3 * a + n) * t * t * t) / 2
    return np.asarray(spline.reshape(-1, 2))


def ellipse(
    x: float, y: float, radius_x: float, radius_y: float | None = None, steps: int = 28
) -> Points:
    """Return an ellipse about a point; a circle without the second radius."""
    turn = np.arange(steps) * (2 * np.pi / steps)
    down = radius_x if radius_y is None else radius_y
    return np.stack([x + radius_x * np.cos(turn), y + down * np.sin(turn)], 1)


def box(left: float, low: float, right: float, high: float) -> Points:
    """Return an upright rectangle."""
    return outline([(left, low), (right, low), (right, high), (left, high)])


def stroke(
    corners: str | Iterable[tuple[float, float]], widths: float | Sequence[float]
) -> list[Points]:
    """Return the outlines of a thick line: a limb for each segment, a joint for each point."""
    points = outline(corners)
    sizes = np.broadcast_to(np.asarray(widths, dtype=float), len(points))
    limbs = [
        _limb(points[index : index + 2], sizes[index : index + 2])
        for index in range(len(points) - 1)
    ]
    joints = [ellipse(x, y, size / 2, steps=10) for (x, y), size in zip(points, sizes, strict=True)]
    return limbs + joints


def parts(outlines: Iterable[Points], colour: Colour) -> list[Part]:
    """Return parts of one colour."""
    return [Part(points, colour) for points in outlines]


def place_figure(figure: Figure, spot: Spot) -> list[Part]:
    """Place a figure on the canvas, where y points down."""
    return transform_figure(
        figure, [[spot.height * spot.facing, 0], [0, -spot.height]], (spot.x, spot.y)
    )


def transform_figure(figure: Figure, matrix: ArrayLike, offset: ArrayLike) -> list[Part]:
    """Multiply a figure's points by a 2 x 2 matrix and shift them."""
    (a, b), (c, d) = np.asarray(matrix, dtype=float)
    dx, dy = np.asarray(offset, dtype=float)
    transformed = []
    for part in figure:
        x, y = part.points[:, 0], part.points[:, 1]
        points = np.stack([a * x + b * y + dx, c * x + d * y + dy], 1)
        transformed.append(Part(points, part.colour, part.glows))
    return transformed


def _limb(ends: Points, widths: NDArray[np.float64]) -> Points:
    (x1, y1), (x2, y2) = ends
    length = math.hypot(x2 - x1, y2 - y1) or 1e-9
    aside = np.array([-(y2 - y1), x2 - x1]) / length / 2
    start, end = aside * widths[0], aside * widths[1]
    return np.stack([ends[0] + start, ends[1] + end, ends[1] - end, ends[0] - start])
