"""Clutter at a picture's sides.

Each thing is drawn as it enters from the left, in frame heights: x points inwards and is 0 at the
thing's end, y points up from the frame's foot (0) to its top (1). Things that enter from above or
below extend over the frame's whole width, `aspect`. `along` (0 to 1) varies each.
"""

import numpy as np

from cropperhead.demo.colours import Colour, pick, shade
from cropperhead.demo.outlines import Figure, Part, box, curve, ellipse, outline, parts, stroke

_WOOD: Colour = (74, 56, 46)
_IRON: Colour = (44, 46, 52)
_BIN: Colour = (52, 74, 62)
_BARK: Colour = (58, 46, 40)
_BUSH: Colour = (44, 62, 40)
_GRASS: Colour = (62, 76, 42)
_STONE: Colour = (84, 80, 80)
_CARS: tuple[Colour, ...] = ((92, 96, 104), (60, 70, 96), (120, 44, 40), (196, 196, 192))
_COATS: tuple[Colour, ...] = ((52, 54, 64), (74, 62, 58), (58, 70, 62))
_LEAVES: tuple[Colour, ...] = ((58, 82, 44), (150, 84, 40), (70, 92, 46))


def post(rng: np.random.Generator, along: float, _: float) -> Figure:
    """A fence post with rails that extend beyond the picture."""
    high, wide = 0.42 + 0.3 * along, rng.uniform(0.055, 0.08)
    rails = [stroke([(-0.6, high * k + 0.05), (-wide / 2, high * k)], 0.035)[0] for k in (0.4, 0.8)]
    body = outline([(-wide, -0.3), (-wide, high - 0.02), (0, high), (0, -0.3)])
    edge = outline([(-wide * 0.35, -0.3), (-wide * 0.35, high - 0.01), (0, high), (0, -0.3)])
    return [*parts(rails, shade(_WOOD, 0.8)), Part(body, _WOOD), Part(edge, shade(_WOOD, 1.3))]


def lamp(_: np.random.Generator, along: float, __: float) -> Figure:
    """A street lamp."""
    top = 0.72 + 0.2 * along
    glass = [(-0.1, top + 0.13), (-0.02, top + 0.13), (-0.035, top), (-0.085, top)]
    roof = [(-0.12, top + 0.125), (-0.06, top + 0.18), (0.0, top + 0.125)]
    return [
        *parts(stroke([(-0.06, -0.3), (-0.06, top)], 0.03), _IRON),
        *parts(stroke("-6 -30, -6 12", 0.05), _IRON),
        Part(outline(glass), (252, 226, 160)),
        Part(outline(roof), _IRON),
        Part(box(-0.105, top - 0.015, -0.015, top + 0.005), _IRON),
    ]


def sign(rng: np.random.Generator, along: float, _: float) -> Figure:
    """A round traffic sign, or one with a place name."""
    high, middle = 0.5 + 0.35 * along, -0.085
    pole = parts(stroke([(middle, -0.3), (middle, high)], 0.024), (92, 94, 98))
    if rng.random() < 0.5:
        rim, face = ellipse(middle, high, 0.085), ellipse(middle, high, 0.062)
        return [*pole, Part(rim, (196, 36, 36)), Part(face, (238, 236, 230))]
    board = box(middle - 0.2, high - 0.05, middle + 0.085, high + 0.06)
    writing = box(middle - 0.18, high - 0.01, middle + 0.06, high + 0.005)
    return [*pole, Part(board, (38, 84, 150)), Part(writing, (236, 236, 230))]


def dustbin(_: np.random.Generator, along: float, __: float) -> Figure:
    """A dustbin."""
    high = 0.22 + 0.1 * along
    body = [(-0.26, -0.3), (-0.28, high), (-0.01, high), (-0.03, -0.3)]
    edge = [(-0.09, -0.3), (-0.09, high), (-0.01, high), (-0.03, -0.3)]
    lid = [(-0.3, 0.0), (-0.26, 0.05), (-0.04, 0.05), (0.0, 0.0), (-0.15, -0.01)]
    return [
        Part(outline(body), _BIN),
        Part(outline(edge), shade(_BIN, 0.7)),
        Part(curve((x, y + high) for x, y in lid), shade(_BIN, 1.25)),
    ]


def car(rng: np.random.Generator, along: float, _: float) -> Figure:
    """The back of a parked car."""
    paint = pick(rng, _CARS)
    shapes = [
        Part(curve("-70 5, -70 36, -40 37, -24 35, -13 22, -2 19, 0 10, -2 4, -30 2"), paint),
        Part(outline("-60 23, -58 33, -26 33, -18 23"), (38, 46, 56)),
        Part(curve("-5 18, -1 16, -1 11, -6 13"), (206, 30, 30)),
        Part(box(-0.7, 0.04, -0.01, 0.065), shade(paint, 0.6)),
        Part(ellipse(-0.2, 0.045, 0.085), (24, 24, 28)),
        Part(ellipse(-0.2, 0.045, 0.042), (120, 122, 126)),
    ]
    lift = np.array([0.0, 0.1 * along - 0.08])
    return [Part(part.points + lift, part.colour) for part in shapes]


def shoulder(rng: np.random.Generator, along: float, _: float) -> Figure:
    """A stranger's head and shoulder, seen from behind."""
    lift = np.array([0.0, 0.3 + 0.16 * along])
    coat = curve("-50 -60, -42 -16, -22 -8, -6 -17, 0 -34, 0 -60")
    return [
        Part(coat + lift, pick(rng, _COATS)),
        Part(box(-0.27, -0.12, -0.17, 0.02) + lift, (176, 128, 104)),
        Part(ellipse(-0.22, 0.07, 0.098, 0.125) + lift, (50, 38, 34)),
    ]


def trunk(rng: np.random.Generator, along: float, _: float) -> Figure:
    """A tree's trunk from top to bottom."""
    lean = 0.06 * (along - 0.5)
    edge = [(lean * k - rng.uniform(0.02, 0.032), -0.3 + 0.2 * k) for k in range(9)]
    inner = [(x - rng.uniform(0.025, 0.04), y) for x, y in reversed(edge)]
    body = outline([(-0.5, -0.3), *edge, (-0.5, 1.3)])
    return [Part(body, _BARK), Part(outline([*edge, *inner]), shade(_BARK, 1.35))]


def bush(rng: np.random.Generator, along: float, _: float) -> Figure:
    """A dark bush in the lower corner."""
    high, shapes = 0.34 + 0.24 * along, []
    for layer in range(3):
        for turn, out, size in rng.random((26, 3)):
            reach = np.sqrt(out)
            x = -0.25 + 0.24 * reach * np.cos(turn * np.pi / 2)
            y = -0.05 + high * reach * np.sin(turn * np.pi / 2)
            leaf = ellipse(x, y, 0.02 + 0.025 * size, steps=10)
            shapes.append(Part(leaf, shade(_BUSH, 0.7 + 0.28 * layer)))
    return shapes


def branch(rng: np.random.Generator, _: float, aspect: float) -> Figure:
    """A branch with leaves, hanging in from an upper corner."""
    reach, tone = aspect * rng.uniform(0.4, 0.75), pick(rng, _LEAVES)
    bend = [(-0.2, 1.12), (reach * 0.3, 1.06), (reach * 0.7, 1.02), (reach, 0.96)]
    shapes = parts(stroke(bend, (0.045, 0.035, 0.02, 0.008)), (48, 38, 34))
    for x in np.linspace(0, reach, int(30 * reach) + 8):
        y = float(np.interp(x, [a for a, _ in bend], [b for _, b in bend]))
        hanging = x + rng.uniform(-0.05, 0.08), y - rng.uniform(0.02, 0.1)
        shapes.append(_leaf(rng, hanging, shade(tone, rng.uniform(0.7, 1.25))))
        standing = x, y + rng.uniform(-0.02, 0.08)
        shapes.append(_leaf(rng, standing, shade(tone, rng.uniform(0.6, 1.1))))
    return shapes


def leaves(rng: np.random.Generator, along: float, aspect: float) -> Figure:
    """The hanging leaves of a tree overhead, along the whole top."""
    tone = pick(rng, _LEAVES[:2])
    shapes = []
    for x in np.linspace(-0.1, aspect + 0.1, int(58 * aspect)):
        low = 0.93 + 0.05 * np.sin(x * 5 + along * 9) + rng.uniform(-0.03, 0.03)
        shapes += [
            _leaf(rng, (x, low + lift), shade(tone, rng.uniform(0.6, 1.2)))
            for lift in (0.0, 0.06, 0.12)
        ]
    return [*shapes, Part(box(-0.2, 1.0, aspect + 0.2, 1.3), shade(tone, 0.6))]


def _leaf(rng: np.random.Generator, tip: tuple[float, float], colour: Colour) -> Part:
    turn, length = rng.uniform(-2.4, -0.7), rng.uniform(0.045, 0.075)
    along = np.array([np.cos(turn), np.sin(turn)]) * length
    aside = np.array([-along[1], along[0]]) * 0.32
    base = np.array(tip) - along
    waist = base + along * 0.45
    corners = [base, waist + aside, base + along, waist - aside]
    return Part(curve([(float(x), float(y)) for x, y in corners], steps=4), colour)


def grass(rng: np.random.Generator, _: float, aspect: float) -> Figure:
    """Tall grass close to the lens."""
    shapes = [Part(box(-0.3, -0.6, aspect + 0.3, -0.02), shade(_GRASS, 0.6))]
    for place, tall, lean, bright in rng.random((int(80 * aspect), 4)):
        x = -0.15 + (aspect + 0.3) * place
        tip = (x + 0.1 * (lean - 0.5), 0.14 * (0.6 + 0.4 * tall))
        blade = outline([(x - 0.008, -0.4), tip, (x + 0.008, -0.4)])
        shapes.append(Part(blade, shade(_GRASS, 0.6 + 0.6 * bright)))
    return shapes


def rail(_: np.random.Generator, along: float, aspect: float) -> Figure:
    """A railing that somebody leaned over."""
    places = np.arange(-0.3 + 0.2 * along, aspect + 0.3, 0.26)
    return [
        *parts([box(x, -0.6, x + 0.025, 0.0) for x in places], shade(_IRON, 0.85)),
        Part(box(-0.4, -0.035, aspect + 0.4, 0.0), _IRON),
        Part(box(-0.4, -0.01, aspect + 0.4, 0.0), shade(_IRON, 1.5)),
    ]


def wall(rng: np.random.Generator, along: float, aspect: float) -> Figure:
    """A dry stone wall along the whole foot."""
    shapes = [Part(box(-0.4, -0.6, aspect + 0.4, -0.02), shade(_STONE, 0.5))]
    for row in range(5):
        x = -0.3 - 0.1 * along
        while x < aspect + 0.3:
            wide, high = rng.uniform(0.06, 0.16), rng.uniform(0.05, 0.062)
            low, right = -0.06 - 0.06 * row, x + wide - 0.006
            stone = [(x, low), (x + 0.005, low + high), (right - 0.008, low + high), (right, low)]
            shapes.append(Part(curve(stone, steps=4), shade(_STONE, rng.uniform(0.75, 1.25))))
            x += wide
    return shapes
