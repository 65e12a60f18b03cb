"""Boats and a balloon to photograph. Each stands on (0, 0) and is one high."""

import numpy as np

from cropperhead.demo.colours import Colour, pick, shade
from cropperhead.demo.outlines import (
    Figure,
    Part,
    Points,
    box,
    curve,
    ellipse,
    outline,
    parts,
    stroke,
)

_HULLS: tuple[Colour, ...] = ((196, 46, 42), (36, 62, 110), (240, 236, 226))
_SAILS: tuple[Colour, ...] = ((250, 246, 236), (250, 246, 236), (238, 150, 60), (206, 60, 52))
_COATS: tuple[Colour, ...] = ((214, 52, 44), (240, 184, 50), (232, 110, 40))
_GORES: tuple[Colour, ...] = ((214, 46, 46), (230, 110, 40), (46, 96, 168), (150, 44, 110))
_PALE_GORES: tuple[Colour, ...] = ((250, 226, 160), (250, 244, 230), (246, 190, 60))
_GORE_COUNT = 11


def sailboat(rng: np.random.Generator) -> Figure:
    """A sailing boat under full sail."""
    hull, cloth = pick(rng, _HULLS), pick(rng, _SAILS)
    body = outline("-36 10, -30 0, 26 0, 42 11.5, 20 10")
    main = curve("0 98, 2 55, 0 16, -16 15, -34 17, -17 50", steps=8)
    jib = curve("3 86, 18 46, 37 15, 20 15, 4 17, 5 50", steps=8)
    return [
        *parts(stroke("1 8, 1 100", 0.016), (110, 84, 62)),
        Part(body, hull),
        Part(outline("-36 10, -34 7.5, 36 8.5, 42 11.5, 20 10"), shade(hull, 1.25)),
        Part(main, cloth),
        Part(curve("0 98, 2 55, 0 16, -10 15.5, -6 50", steps=8), shade(cloth, 0.88)),
        Part(jib, shade(cloth, 0.94)),
        *parts(stroke("-34 15, 2 14.5", 0.012), (110, 84, 62)),
        Part(ellipse(-0.2, 0.16, 0.028, 0.034), (212, 160, 130)),
        Part(curve("-23.5 14, -20 13.5, -17 14, -16.5 9, -24 9"), (220, 60, 50)),
    ]


def canoe(rng: np.random.Generator) -> Figure:
    """A canoe with its paddler; half of its height is the paddler's."""
    coat = pick(rng, _COATS)
    hull = curve("-140 36, -125 10, -80 -2, 80 -2, 125 10, 140 36, 100 24, -100 24")
    return [
        *parts(stroke("5 62, 50 95", 0.03), (150, 110, 70)),
        *parts(stroke("5 62, -20 38", 0.03), (150, 110, 70)),
        Part(curve("-20 72, 0 76, 18 70, 22 20, -26 20"), coat),
        Part(curve("-20 72, -6 75, -8 20, -26 20"), shade(coat, 0.72)),
        *parts(stroke("12 66, 30 56, 30 80", 0.09), shade(coat, 0.86)),
        Part(ellipse(0.0, 0.87, 0.1, 0.115), (212, 160, 130)),
        Part(curve("-12 88, -6 100, 6 100, 12 90"), (70, 48, 40)),
        Part(hull, (170, 70, 44)),
        Part(curve("-138 34, -100 24, 100 24, 138 34, 100 18, -100 18"), (224, 150, 92)),
        *parts(stroke("47 93, 62 104", 0.09), (196, 150, 96)),
    ]


def balloon(rng: np.random.Generator) -> Figure:
    """A hot-air balloon with coloured gores."""
    first, second = pick(rng, _GORES), pick(rng, _PALE_GORES)
    edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, _GORE_COUNT + 1))
    belt = np.concatenate([_seam(-1, 0.46, 0.54), _seam(1, 0.54, 0.46)])
    return [
        *parts([*stroke("-5 9, -9 27", 0.008), *stroke("5 9, 9 27", 0.008)], (70, 58, 50)),
        *(
            _gore(float(edges[gore]), float(edges[gore + 1]), first if gore % 2 else second)
            for gore in range(_GORE_COUNT)
        ),
        Part(belt, shade(first, 0.72)),
        Part(box(-0.05, 0.0, 0.05, 0.085), (124, 84, 52)),
        Part(box(0.01, 0.0, 0.05, 0.085), (92, 62, 40)),
        Part(box(-0.056, 0.075, 0.056, 0.092), (70, 48, 36)),
    ]


def _gore(left: float, right: float, colour: Colour) -> Part:
    """One strip of the envelope, between two fractions (-1 to 1) of its half width."""
    middle = (left + right) / 2
    bright = 1.12 - 0.55 * max(0.0, middle + 0.15) - 0.12 * max(0.0, -middle - 0.6)
    points = np.concatenate([_seam(left, 0.0, 1.0), _seam(right, 1.0, 0.0)])
    return Part(points, shade(colour, bright))


def _seam(side: float, start: float, end: float) -> Points:
    """A line on the envelope from one of its heights (0 mouth, 1 crown) to another."""
    heights = np.linspace(start, end, 19)
    dome = 0.375 * np.sqrt(np.clip(1 - ((heights - 0.58) / 0.42) ** 2, 0, 1))
    throat = 0.075 + 0.3 * np.sin(heights / 0.58 * np.pi / 2)
    half = np.where(heights > 0.58, dome, throat)
    return np.stack([side * half, 0.24 + 0.76 * heights], 1)
