"""People to photograph. Each stands on (0, 0), is one high and looks right."""

import numpy as np

from cropperhead.demo.colours import Colour, pick, shade
from cropperhead.demo.outlines import Figure, Part, Points, curve, ellipse, outline, parts, stroke

_COATS: tuple[Colour, ...] = ((206, 52, 44), (236, 178, 40), (224, 104, 36), (214, 62, 92))
_UMBRELLAS: tuple[Colour, ...] = ((206, 40, 44), (238, 186, 44), (222, 90, 40))
_HAIR: tuple[Colour, ...] = ((52, 38, 32), (96, 62, 40), (180, 140, 84))
_SKIN: Colour = (212, 160, 130)
_TROUSERS: Colour = (44, 46, 60)
_STEEL: Colour = (40, 42, 50)


def walker(rng: np.random.Generator) -> Figure:
    """Somebody in a bright coat, walking."""
    return _person(pick(rng, _COATS), pick(rng, _HAIR))


def hiker(rng: np.random.Generator) -> Figure:
    """A walker with a rucksack, a cap and a stick."""
    coat = pick(rng, _COATS)
    return [
        *parts(stroke("17 0, 24 60", 0.022), (90, 66, 46)),
        Part(curve("-8 80, -20 79, -25 66, -22 50, -8 50"), (58, 78, 70)),
        Part(ellipse(-0.16, 0.83, 0.07, 0.045), (196, 170, 120)),
        *_person(coat, _HAIR[0]),
        Part(curve("-7 94, -5 100, 5 100, 7 94"), shade(coat, 0.8)),
        Part(outline("4 95, 13 94, 13 92.5, 4 92.5"), shade(coat, 0.65)),
    ]


def umbrella(rng: np.random.Generator) -> Figure:
    """A walker under an umbrella."""
    colour = pick(rng, _UMBRELLAS)
    person = [
        Part(part.points * 0.8, part.colour) for part in _person((52, 60, 84), pick(rng, _HAIR))
    ]
    panels = [
        Part(_panel(-1 + index / 2), shade(colour, factor))
        for index, factor in enumerate((1.08, 0.95, 0.82, 0.7))
    ]
    return [*parts(stroke("10 50, 5 99.5", 0.016), (40, 36, 38)), *person, *panels]


def _panel(start: float) -> Points:
    """A quarter of an umbrella's dome, from `start` (-1 to 0.5) of its half width."""
    arc = np.linspace(0, np.pi / 2, 8)
    sides = [
        np.stack([0.05 + 0.29 * edge * np.sin(arc), 0.78 + 0.2 * np.cos(arc)], 1)
        for edge in (start, start + 0.5)
    ]
    scallop = np.array([[0.05 + 0.29 * (start + 0.25), 0.805]])
    return np.concatenate([sides[0], scallop, sides[1][::-1]])


def _person(coat: Colour, hair: Colour) -> Figure:
    return [
        *parts(stroke("-3 46, -7 22, -12 1.5", (0.1, 0.075, 0.055)), shade(_TROUSERS, 0.8)),
        *parts(stroke("3 46, 8 23, 9 1.5", (0.1, 0.08, 0.06)), _TROUSERS),
        Part(ellipse(-0.105, 0.014, 0.05, 0.022), (30, 26, 26)),
        Part(ellipse(0.115, 0.014, 0.055, 0.022), (36, 30, 28)),
        Part(curve("-10 81, 0 84.5, 9 81, 11.5 66, 13.5 42, 0 39, -14.5 41, -12.5 64"), coat),
        Part(curve("-10 81, -3 83, -3 60, -5 40, -14.5 41, -12.5 64"), shade(coat, 0.72)),
        *parts(stroke("6 78, 9 62, 15 50", (0.075, 0.065, 0.05)), shade(coat, 0.86)),
        Part(ellipse(0.16, 0.487, 0.026), _SKIN),
        Part(ellipse(0.012, 0.915, 0.06, 0.072), _SKIN),
        Part(curve("4.5 98.5, -2 99, -6 93, -5 86.5, -1.5 88, 0 94"), hair),
    ]


def cyclist(rng: np.random.Generator) -> Figure:
    """A cyclist, leaning on the handlebar."""
    coat = pick(rng, _COATS)
    return [
        *parts([*_wheel(-0.31, 0.2), *_wheel(0.33, 0.2)], _STEEL),
        *parts(stroke("-31 20, -12 52, -2 19, -31 20", 0.02), shade(coat, 0.75)),
        *parts(stroke("-12 52, 24 48, -2 19", 0.02), shade(coat, 0.75)),
        *parts(stroke("33 20, 24 50, 25 56", 0.022), shade(coat, 0.75)),
        *parts(stroke("-12 58, 6 42, 2 12", (0.1, 0.075, 0.05)), (58, 60, 78)),
        Part(ellipse(0.05, 0.11, 0.055, 0.024), (230, 226, 220)),
        Part(curve("-17 57, -8 54, 8 68, 15 80, 6 86, -7 78"), coat),
        *parts(stroke("10 80, 16 66, 26 58", (0.06, 0.05, 0.04)), shade(coat, 0.84)),
        Part(ellipse(0.165, 0.905, 0.052, 0.06), _SKIN),
        Part(curve("9 91, 10 98, 18 100, 24 94"), (236, 236, 232)),
    ]


def _wheel(x: float, y: float) -> list[Points]:
    rim = [(float(a), float(b)) for a, b in ellipse(x, y, 0.195)]
    spokes = [stroke([(x, y), point], 0.006)[0] for point in rim[::4]]
    return [*stroke([*rim, rim[0]], 0.02), *spokes]
