"""Buildings to photograph. Each stands on (0, 0), is one high, lit from the left."""

import numpy as np

from cropperhead.demo.colours import Colour, mix, pick, shade
from cropperhead.demo.outlines import Figure, Part, box, curve, ellipse, outline, parts, stroke

_LAMP: Colour = (255, 216, 130)
_GLASS: Colour = (96, 118, 138)
_LOGS: tuple[Colour, ...] = ((142, 88, 56), (120, 78, 56), (168, 62, 48))
_BARNS: tuple[Colour, ...] = ((178, 46, 40), (236, 228, 212), (190, 66, 44))
_TENTS: tuple[Colour, ...] = ((238, 138, 44), (222, 84, 48), (240, 182, 60))
_STRIPES: tuple[Colour, ...] = ((200, 44, 42), (40, 74, 130), (200, 44, 42))
_MILLS: tuple[Colour, ...] = ((236, 226, 206), (150, 96, 62), (206, 190, 168))
_WINDOWS = ((-0.52, 0.24), (0.08, 0.19), (0.42, 0.19))  # of a house: left and lower edge
_BANDS = 6  # of a lighthouse, white and coloured
# Three strips of a round tower's width, from its left to its right edge, and how bright each is.
_ROUNDING = ((-1.0, -0.2, 1.0), (-0.2, 0.45, 0.9), (0.45, 1.0, 0.7))


def cabin(rng: np.random.Generator) -> Figure:
    """A log cabin with a lit window and a chimney."""
    return _house(pick(rng, _LOGS), (70, 62, 66), lamp=True)


def barn(rng: np.random.Generator) -> Figure:
    """A farmhouse or a red barn."""
    wall = pick(rng, _BARNS)
    return _house(wall, (84, 74, 78) if wall[1] < 100 else (176, 78, 54), lamp=False)


def _house(wall: Colour, roof: Colour, lamp: bool) -> Figure:
    gable = outline("-70 0, -70 50, -40 90, -10 50, -10 0")
    planks = [box(-0.7, y, -0.1, y + 0.008) for y in np.arange(0.08, 0.5, 0.07)]
    planks += [box(-0.1, y, 0.7, y + 0.008) for y in np.arange(0.08, 0.46, 0.07)]
    return [
        Part(box(0.28, 0.66, 0.4, 1.0), (120, 84, 72)),
        Part(box(0.36, 0.66, 0.4, 1.0), (90, 62, 54)),
        Part(box(-0.1, 0, 0.7, 0.5), shade(wall, 0.74)),
        Part(gable, wall),
        *parts(planks[:6], shade(wall, 0.86)),
        *parts(planks[6:], shade(wall, 0.64)),
        Part(outline("-40 93, 50 93, 78 44, -8 44"), roof),
        Part(outline("-40 96, -40 86, -74 42, -79 46"), shade(roof, 1.3)),
        Part(outline("-40 96, -40 86, -6 42, -1 46"), shade(roof, 0.8)),
        Part(outline("-40 96, 50 96, 52 92, -40 92"), shade(roof, 1.35)),
        Part(box(-0.32, 0, -0.18, 0.31), shade(wall, 0.5)),
        *(part for x, y in _WINDOWS for part in _window(x, y, lamp)),
    ]


def _window(x: float, y: float, lamp: bool) -> list[Part]:
    rim = (238, 232, 220)
    return [
        Part(box(x - 0.015, y - 0.015, x + 0.155, y + 0.185), rim),
        Part(box(x, y, x + 0.14, y + 0.17), _LAMP if lamp else _GLASS, glows=lamp),
        Part(box(x + 0.064, y, x + 0.076, y + 0.17), rim),
        Part(box(x, y + 0.079, x + 0.14, y + 0.091), rim),
    ]


def tent(rng: np.random.Generator) -> Figure:
    """A tent, lit from within."""
    cloth = pick(rng, _TENTS)
    return [
        Part(outline("-85 0, -10 100, 50 92, 85 0"), shade(cloth, 0.7)),
        Part(outline("-85 0, -10 100, 30 0"), cloth, True),
        Part(outline("-40 0, -10 80, 4 0"), mix(cloth, (255, 246, 200), 0.75), True),
        Part(outline("-12 80, -10 80, -16 0, -22 0"), shade(cloth, 0.8), True),
        *parts(stroke("-10 100, -105 0", 0.012), (230, 226, 214)),
        *parts(stroke("50 92, 105 0", 0.012), (200, 196, 186)),
    ]


def lighthouse(rng: np.random.Generator) -> Figure:
    """A striped lighthouse on its rock."""
    stripe = pick(rng, _STRIPES)
    return [
        Part(curve("-34 -4, -24 6, -10 10, 12 10, 25 5, 38 -4, 10 -8"), (92, 84, 82)),
        Part(curve("-30 -3, -22 5, -8 9, 0 5, -12 -2"), (130, 120, 112)),
        *_keepers_house(),
        *(part for band in range(_BANDS) for part in _band(band, stripe)),
        *_lantern(stripe),
    ]


def _band(index: int, stripe: Colour) -> list[Part]:
    low, high = 0.08 + 0.66 * index / _BANDS, 0.08 + 0.66 * (index + 1) / _BANDS
    a, b = (0.115 - 0.062 * (height - 0.08) for height in (low, high))  # the tower's half width
    tone = stripe if index % 2 else (246, 242, 234)
    return [
        Part(
            outline([(left * a, low), (right * a, low), (right * b, high), (left * b, high)]),
            shade(tone, bright),
        )
        for left, right, bright in _ROUNDING
    ]


def _keepers_house() -> list[Part]:
    return [
        Part(box(0.08, 0.08, 0.3, 0.2), (232, 224, 210)),
        Part(box(0.2, 0.08, 0.3, 0.2), (196, 188, 178)),
        Part(outline("6 20, 11 28, 28 28, 32 20"), (168, 72, 56)),
        Part(box(0.14, 0.11, 0.175, 0.155), _LAMP, True),
    ]


def _lantern(stripe: Colour) -> list[Part]:
    railing = [box(x, 0.765, x + 0.008, 0.81) for x in np.linspace(-0.1, 0.092, 7)]
    frame = [box(x, 0.765, x + 0.008, 0.89) for x in (-0.062, -0.022, 0.018, 0.054)]
    return [
        Part(box(-0.105, 0.735, 0.105, 0.765), (60, 58, 62)),
        *parts([*railing, box(-0.105, 0.805, 0.105, 0.813)], (70, 68, 72)),
        Part(box(-0.06, 0.765, 0.06, 0.89), (255, 236, 160), True),
        *parts(frame, (60, 56, 58)),
        Part(curve("-8 88.8, -5 93, 0 96, 5 93, 8 88.8"), stripe),
        *parts(stroke("0 95, 0 100", 0.012), (60, 56, 58)),
    ]


def windmill(rng: np.random.Generator) -> Figure:
    """A windmill with its sails in a random position."""
    wall = pick(rng, _MILLS)
    tower = [
        Part(outline("-17 0, -10 62, 10 62, 17 0"), wall),
        Part(outline("5 0, 3 62, 10 62, 17 0"), shade(wall, 0.74)),
        Part(outline("-16.5 5, -16 10, 16 10, 16.5 5"), shade(wall, 0.55)),
        Part(curve("-12 61, -10 70, 0 76, 10 70, 12 61"), (112, 58, 46)),
        Part(box(-0.04, 0, 0.04, 0.13), (84, 60, 48)),
        Part(box(-0.03, 0.36, 0.03, 0.43), _LAMP, True),
    ]
    start = rng.uniform(0.15, 0.65)
    sails = [part for arm in range(4) for part in _sail(start + arm * np.pi / 2)]
    return [*tower, *sails, Part(ellipse(0, 0.64, 0.028), (60, 48, 44))]


def _sail(turn: float) -> list[Part]:
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    middle, length = np.array([0.0, 0.64]), 0.36

    def at(out: float, aside: float) -> tuple[float, float]:
        x, y = middle + along * out * length + across * aside
        return float(x), float(y)

    cloth = outline([at(0.2, 0.008), at(1, 0.008), at(1, 0.085), at(0.2, 0.085)])
    slats = [stroke([at(out, 0.008), at(out, 0.085)], 0.007)[0] for out in np.linspace(0.2, 1, 7)]
    return [
        Part(cloth, (240, 234, 222)),
        *parts(slats, (150, 120, 96)),
        *parts(stroke([at(0, 0), at(1, 0)], 0.02), (86, 62, 48)),
    ]
