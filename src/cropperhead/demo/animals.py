"""Animals to photograph. Each stands on (0, 0), is one high and looks right."""

import numpy as np

from cropperhead.demo.colours import Colour, pick, shade
from cropperhead.demo.outlines import Figure, Part, Points, curve, ellipse, outline, parts, stroke

_HORSES: tuple[Colour, ...] = ((124, 66, 38), (236, 228, 216), (66, 48, 44))
_PATCHES = (  # of a giraffe: x, y and radius
    *((-0.13, 0.47, 0.028), (-0.07, 0.52, 0.026), (-0.06, 0.45, 0.028), (0.0, 0.53, 0.026)),
    *((0.02, 0.46, 0.028), (0.08, 0.57, 0.026), (0.09, 0.49, 0.026), (0.14, 0.53, 0.02)),
    *((0.13, 0.64, 0.02), (0.18, 0.62, 0.014), (0.17, 0.71, 0.018), (0.205, 0.78, 0.015)),
    *((0.22, 0.85, 0.013), (0.245, 0.9, 0.011)),
)


def deer(_: np.random.Generator) -> Figure:
    """A stag."""
    coat = (164, 98, 54)
    far = [*_leg(-0.2, 0.36, 0.045), *_leg(0.13, 0.36, 0.04)]
    near = [*_leg(-0.27, 0.38, 0.05), *_leg(0.2, 0.38, 0.045)]
    body = curve(
        "-33 48, -31 58, -10 58.5, 10 57, 19 63, 25 76, 33 77, 34 66, 28 50, "
        "20 37, 0 35, -20 34, -31 38"
    )
    head = curve("24 74, 28 80, 35 80, 45 73.5, 45.5 70, 41 69, 32 70")
    ear = curve("25 79, 17 83, 20 77")
    antlers = [
        *stroke("29 79, 22 90, 25 100", (0.022, 0.018, 0.01)),
        *stroke("22.5 89, 15 95", (0.016, 0.008)),
        *stroke("32 79, 37 90, 35 99", (0.022, 0.018, 0.01)),
        *stroke("36.5 89, 45 95", (0.016, 0.008)),
        *stroke("30 83, 36 86", (0.014, 0.008)),
    ]
    return [
        *parts(far, shade(coat, 0.62)),
        *parts(near, shade(coat, 0.85)),
        Part(body, coat),
        Part(curve("-31 57, -10 57.5, 12 56, 10 53, -10 54"), shade(coat, 1.1)),
        Part(curve("-30.5 38.5, -20 34.2, 0 35.2, 19 37.2, 12 41, -10 40"), shade(coat, 0.82)),
        Part(ellipse(-0.335, 0.5, 0.03, 0.055), (236, 222, 200)),
        Part(ear, shade(coat, 0.75)),
        Part(head, shade(coat, 1.05)),
        Part(ellipse(0.445, 0.715, 0.018, 0.018), (40, 30, 28)),
        *parts(antlers, (214, 190, 150)),
    ]


def horse(rng: np.random.Generator) -> Figure:
    """A horse, standing."""
    coat = pick(rng, _HORSES)
    mane = shade(coat, 0.5)
    far = [*_leg(-0.4, 0.42, 0.06), *_leg(0.2, 0.42, 0.055)]
    near = [*_leg(-0.5, 0.44, 0.07), *_leg(0.29, 0.44, 0.065)]
    body = curve(
        "-56 62, -50 72, -30 72.5, -5 69, 15 74, 30 90, 40 96, 46 86, 40 70, "
        "36 52, 22 43, -10 41, -40 42, -54 48"
    )
    head = curve("33 95, 40 100, 46 98, 60 79, 59 73, 52 73, 42 83")
    tail = curve("-54 68, -62 60, -65 35, -60 26, -57 45")
    crest = curve("38 99, 29 96, 12 78, 13 72, 26 84")
    return [
        Part(tail, mane),
        *parts(far, shade(coat, 0.6)),
        *parts(near, shade(coat, 0.82)),
        Part(body, coat),
        Part(curve("-50 70, -20 70, 10 69, 5 65, -30 66"), shade(coat, 1.07)),
        Part(
            curve("-53 48.5, -40 42.2, -10 41.2, 22 43.2, 33 50, 10 48, -25 47"), shade(coat, 0.84)
        ),
        Part(crest, mane),
        Part(head, shade(coat, 1.05)),
        Part(curve("37 98, 39 105, 42 99"), shade(coat, 0.8)),
    ]


def camel(_: np.random.Generator) -> Figure:
    """A dromedary with a red saddle cloth."""
    coat = (196, 150, 96)
    far = [*_leg(-0.26, 0.42, 0.045), *_leg(0.12, 0.42, 0.045)]
    near = [*_leg(-0.34, 0.44, 0.055), *_leg(0.2, 0.44, 0.055)]
    body = curve(
        "-42 56, -36 68, -20 72, -10 86, -2 86, 6 72, 20 68, 30 60, 40 60, 46 74, "
        "46 90, 53 90, 54 70, 46 52, 30 45, 10 42, -20 41, -40 46"
    )
    head = curve("45 92, 50 98.5, 57 97, 67 90, 66 86, 56 86, 49 86")
    saddle = outline("-19 73, -14 80, -10 86.8, -2 86.8, 3 79, 8 71, 7 53, -18 53")
    stripe = outline("-18.3 60, 7.3 60, 7.1 56, -18.1 56")
    return [
        *parts(far, shade(coat, 0.62)),
        *parts(near, shade(coat, 0.86)),
        Part(body, coat),
        Part(curve("-39 46.5, -20 41.2, 10 42.2, 30 45.5, 20 48, -10 47"), shade(coat, 0.84)),
        Part(head, shade(coat, 1.06)),
        Part(saddle, (196, 48, 44)),
        Part(stripe, (240, 196, 84)),
    ]


def giraffe(_: np.random.Generator) -> Figure:
    """A giraffe."""
    coat, patch = (226, 176, 104), (150, 88, 44)
    far = [*_leg(-0.12, 0.4, 0.03), *_leg(0.1, 0.4, 0.03)]
    near = [*_leg(-0.17, 0.42, 0.036), *_leg(0.14, 0.42, 0.034)]
    body = curve(
        "-20 47, -17 54, -2 58, 8 64, 18 80, 23.5 93, 28.5 92, 24.5 78, 20 60, "
        "17 46, 10 40, -6 39, -17 41"
    )
    head = curve("23.5 92, 25 96.5, 29 96.5, 37 90, 36.5 87.5, 32 87.5")
    horns = [*stroke("25.5 95, 24.5 100", 0.014), *stroke("28 95.5, 27.5 100", 0.014)]
    spots = [Part(ellipse(x, y, size, size * 1.1, steps=6), patch) for x, y, size in _PATCHES]
    tail = parts(stroke("-19 50, -23.5 36, -23 30", (0.014, 0.012, 0.026)), shade(patch, 0.7))
    return [
        *tail,
        *parts(far, shade(coat, 0.66)),
        *parts(near, shade(coat, 0.9)),
        Part(body, coat),
        *spots,
        *parts(horns, patch),
        Part(curve("24 94, 19 95.5, 22.5 92"), shade(coat, 0.8)),
        Part(head, shade(coat, 1.04)),
    ]


def elephant(_: np.random.Generator) -> Figure:
    """An elephant."""
    skin = (138, 126, 124)
    far = [_column(-0.34, 0.42, 0.15), _column(0.12, 0.42, 0.15)]
    near = [_column(-0.44, 0.45, 0.17), _column(0.22, 0.45, 0.17)]
    body = curve(
        "-56 55, -54 75, -40 90, -15 95, 10 92, 25 96, 42 100, 55 90, 58 72, "
        "46 50, 34 36, 0 31, -40 33, -53 40"
    )
    trunk = stroke(
        "54 78, 62 60, 64 40, 63 20, 68 10, 74 12", (0.19, 0.15, 0.11, 0.085, 0.07, 0.05)
    )
    ear = curve("22 90, 32 92, 40 78, 37 60, 28 48, 16 58, 12 76")
    tusk = curve("53 62, 60 50, 72 47, 62 47, 53 54")
    tail = parts(stroke("-55 70, -62 50, -61 36", (0.025, 0.018, 0.035)), shade(skin, 0.6))
    return [
        *tail,
        *parts(far, shade(skin, 0.62)),
        *parts(near, shade(skin, 0.86)),
        Part(body, skin),
        Part(curve("-53 42, -40 33.5, 0 31.5, 34 36.5, 20 42, -20 41"), shade(skin, 0.86)),
        Part(curve("-46 84, -15 94, 12 91, 0 87.5, -25 87"), shade(skin, 1.08)),
        *parts(trunk, shade(skin, 0.96)),
        Part(ear, shade(skin, 0.8)),
        Part(curve("24 87, 31 88, 36 76, 32 62, 22 68, 18 78"), shade(skin, 0.9)),
        Part(tusk, (244, 236, 214)),
        Part(ellipse(0.47, 0.8, 0.016), (30, 26, 26)),
    ]


def heron(_: np.random.Generator) -> Figure:
    """A heron, standing still."""
    white, grey = (238, 240, 240), (150, 164, 182)
    legs = [*stroke("-3 45, -2 22, -4 0", 0.022), *stroke("5 45, 5 0", 0.022)]
    body = curve("-32 36, -20 54, 0 63, 12 60, 14 48, 2 40, -15 38")
    wing = curve("-34 34, -18 53, 0 58, 5 50, -10 43")
    neck = stroke("8 55, 17 68, 6 78, 10 92", (0.1, 0.06, 0.048, 0.05))
    head = curve("5 93, 10 99, 18 97, 20 93, 12 90")
    bill = outline("17 97.5, 39 92.5, 17 92")
    plume = curve("12 99, -6 96, -10 92, 8 95.5")
    return [
        *parts(legs, (206, 160, 70)),
        Part(body, white),
        Part(wing, grey),
        *parts(neck, white),
        Part(head, white),
        Part(plume, (44, 50, 66)),
        Part(bill, (240, 176, 50)),
        Part(ellipse(0.145, 0.953, 0.012), (20, 20, 24)),
    ]


def gulls(rng: np.random.Generator) -> Figure:
    """A few birds far off, scattered over a square about (0, 0)."""
    shapes: list[Part] = []
    for x, y in rng.uniform(-1, 1, (int(rng.integers(3, 7)), 2)):
        size, lift = rng.uniform(0.1, 0.17), rng.uniform(0.3, 0.8)
        wing = [
            (x, y),
            (x + size * 0.45, y + size * lift),
            (x + size, y + size * lift * 0.55),
            (x + size * 0.45, y + size * lift * 0.7),
        ]
        shapes.append(Part(outline(wing), (60, 62, 74)))
        shapes.append(Part(outline((2 * x - a, b) for a, b in wing), (60, 62, 74)))
    return shapes


def _leg(x: float, high: float, thick: float) -> list[Points]:
    knee, hock, hoof = x + thick * 0.3, x - thick * 0.1, x + thick * 0.2
    widths = (thick * 1.9, thick * 0.8, thick * 0.6, thick * 0.75)
    return stroke([(x, high), (knee, high * 0.5), (hock, 0.03), (hoof, 0.008)], widths)


def _column(x: float, high: float, thick: float) -> Points:
    left = [(x - thick * 0.5, high), (x - thick * 0.42, 0.12), (x - thick * 0.5, 0.0)]
    right = [(2 * x - a, b) for a, b in reversed(left)]
    return outline([*left, *right])
