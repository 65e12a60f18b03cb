"""Plants to photograph. Each stands on (0, 0), is one high and lit from the left."""

from dataclasses import dataclass

import numpy as np

from cropperhead.demo.colours import Colour, pick, shade
from cropperhead.demo.outlines import Figure, Part, ellipse, outline, parts, stroke

_LEAVES: tuple[Colour, ...] = (
    *((92, 138, 58), (70, 122, 64)),  # summer
    *((206, 118, 40), (214, 82, 44)),  # autumn
    (236, 160, 178),  # in blossom
)
_NEEDLES: tuple[Colour, ...] = ((44, 88, 66), (38, 78, 56), (60, 98, 66))
_CACTUS: Colour = (78, 124, 74)
# Points along a tier of branches: share of its reach, and offset up or down.
_HEM = ((-1.0, 0.0), (-0.6, 0.015), (-0.3, -0.012), (0.3, -0.012), (0.6, 0.015), (1.0, 0.0))
# Four layers of leaves: brightness, shift up and to the left, and share of the crown.
_LAYERS = ((0.6, -0.08, 1.0), (0.8, 0.0, 0.95), (0.98, 0.12, 0.82), (1.16, 0.24, 0.64))


@dataclass(frozen=True)
class _Crown:
    """An ellipse full of leaves, in clumps of similar size."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    clump: float

    def leaves(self, rng: np.random.Generator, leaf: Colour) -> list[Part]:
        """Return clumps of leaves, dark below, bright towards the upper left."""
        clumps = []
        for layer, (bright, shift, spread) in enumerate(_LAYERS):
            for turn, out, size in rng.random((90 - 14 * layer, 3)):
                reach = np.sqrt(out) * spread
                x = self.x + self.radius_x * (reach * np.cos(2 * np.pi * turn) - shift * 0.6)
                y = self.y + self.radius_y * (reach * np.sin(2 * np.pi * turn) + shift)
                radius = self.clump * (0.4 + 0.35 * size) * (1 - 0.12 * layer)
                tone = shade(leaf, bright * rng.uniform(0.92, 1.08))
                clumps.append(Part(ellipse(x, y, radius, radius * 0.85, steps=14), tone))
        return clumps


def tree(rng: np.random.Generator) -> Figure:
    """A broad-leaved tree, green, in blossom or in autumn colours."""
    return [
        Part(outline("-5.5 0, -3 12, -2.6 45, 2.6 45, 3 12, 6 0"), (78, 58, 44)),
        *parts(stroke("0 30, -14 50", (0.035, 0.015)), (72, 54, 42)),
        *parts(stroke("0 34, 15 55", (0.035, 0.015)), (86, 64, 48)),
        *_Crown(0.0, 0.64, 0.36, 0.33, clump=0.085).leaves(rng, pick(rng, _LEAVES)),
    ]


def acacia(rng: np.random.Generator) -> Figure:
    """An umbrella thorn: a flat crown on a forked trunk."""
    trunk = [
        *stroke("2 0, -2 25, 4 45", (0.09, 0.06, 0.05)),
        *stroke("0 30, -20 55, -40 74", (0.05, 0.035, 0.02)),
        *stroke("4 42, 20 62, 44 76", (0.045, 0.03, 0.018)),
        *stroke("4 45, 2 75", (0.04, 0.02)),
    ]
    return [
        *parts(trunk, (70, 54, 44)),
        *_Crown(-0.36, 0.8, 0.36, 0.08, clump=0.06).leaves(rng, (94, 112, 56)),
        *_Crown(0.4, 0.8, 0.32, 0.08, clump=0.06).leaves(rng, (94, 112, 56)),
        *_Crown(0.04, 0.88, 0.46, 0.09, clump=0.06).leaves(rng, (104, 122, 60)),
    ]


def conifer(rng: np.random.Generator) -> Figure:
    """A spruce with a lit and a shaded side."""
    needles, tiers = pick(rng, _NEEDLES), 9
    shapes = [Part(outline("-2 0, -1.8 12, 1.8 12, 2 0"), (70, 52, 40))]
    for tier in range(tiers):
        low, reach = 0.06 + 0.78 * tier / tiers, 0.27 - 0.235 * tier / tiers
        top = (0.0, min(1.0, low + 0.26))
        jags = rng.uniform(-0.012, 0.012, 6)
        hem = [(x * reach, low + y + float(jag)) for (x, y), jag in zip(_HEM, jags, strict=True)]
        tone = shade(needles, 0.8 + 0.035 * tier)
        shapes.append(Part(outline([top, *hem[:3], (0, low - 0.01), *hem[3:]]), tone))
        shapes.append(Part(outline([top, *hem[:3], (-0.01, low)]), shade(tone, 1.28)))
    return shapes


def cactus(rng: np.random.Generator) -> Figure:
    """A saguaro with two or three arms."""
    arms = ["0 36, -20 40, -22 52, -22 74", "0 48, 20 52, 22 62, 22 86", "0 60, -13 63, -14 84"]
    shapes: list[Part] = []
    for arm in arms[: 2 + int(rng.integers(2))]:
        middle = outline(arm)
        lit = [(float(x) - 0.02, float(y)) for x, y in middle]
        shapes += parts(stroke(arm, 0.095), shade(_CACTUS, 0.86))
        shapes += parts(stroke(lit, 0.035), shade(_CACTUS, 1.12))
    shapes += parts(stroke("0 0, 0 93", 0.14), shade(_CACTUS, 0.92))
    shapes += parts(stroke("-3.5 0, -3.5 94", 0.045), shade(_CACTUS, 1.2))
    shapes += parts(stroke("4 0, 4 94", 0.02), shade(_CACTUS, 0.7))
    return shapes
