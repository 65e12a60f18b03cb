"""Vegetation in the landscape: woods, hedges, grass and flowers."""

import numpy as np

from cropperhead.demo.canvas import Canvas
from cropperhead.demo.colours import Colour, shade
from cropperhead.demo.lands import fill_land
from cropperhead.demo.outlines import Part, Points, ellipse, outline, parts
from cropperhead.demo.textures import Line, skyline


def conifers(canvas: Canvas, foot: float, height: float, depth: float, snowy: bool = False) -> None:
    """A row of conifers across the picture, on a wavy line about `foot`."""
    rng, width = canvas.rng, canvas.image.width
    line = foot + height * 0.22 * skyline(rng, width, 3, octaves=3)
    tone = canvas.light.on((66, 92, 98) if snowy else (34, 62, 52), depth)
    fill_land(canvas, line - height * 0.18, (tone, tone))
    trees: list[Part] = []
    x = -height * 0.2
    while x < width + height * 0.2:
        on = line[int(np.clip(x, 0, width - 1))]
        trees.append(
            _spruce(x, on, height * rng.uniform(0.55, 1.1), shade(tone, rng.uniform(0.9, 1.1)))
        )
        x += height * rng.uniform(0.1, 0.3)
    canvas.draw(trees)


def _spruce(x: float, foot: float, height: float, tone: Colour) -> Part:
    """A jagged triangle: the outline of a distant conifer."""
    right = [(0.0, 1.0)]
    for tier in range(1, 7):
        reach = 0.06 + 0.025 * tier
        right += [(reach, 1 - tier / 6), (reach * 0.55, 1.02 - tier / 6)]
    left = [(-a, b) for a, b in reversed(right)]
    return Part(outline((x + a * height, foot - b * height) for a, b in right + left), tone)


def hedge(canvas: Canvas, profile: Line, depth: float) -> None:
    """Trees and bushes along the crest of a hill."""
    tone = canvas.light.on((58, 92, 56), depth)
    clumps = []
    for _ in range(int(canvas.rng.integers(10, 22))):
        x = canvas.rng.random() * (canvas.image.width - 1)
        size = canvas.unit * canvas.rng.uniform(0.006, 0.014)
        y = profile[int(x)] - size * 0.6
        clumps += [Part(ellipse(x + size * aside, y, size, steps=14), tone) for aside in (-1, 0, 1)]
    canvas.draw(clumps)


def blades(canvas: Canvas, start: float, colour: Colour, count: int = 420) -> None:
    """Grass in the foreground, taller towards the lower edge."""
    deep = canvas.image.height - start
    grass = []
    for place, lean, tall, across in canvas.rng.random((count, 4)):
        x, foot = across * canvas.image.width, start + deep * (0.15 + 0.9 * place)
        height = canvas.unit * (0.012 + 0.05 * place) * (0.5 + tall)
        tip, half = x + (lean - 0.5) * height, 0.7 + 1.3 * place
        tone = canvas.light.on(shade(colour, canvas.rng.uniform(0.7, 1.3)))
        grass.append(
            Part(outline([(x - half, foot), (tip, foot - height), (x + half, foot)]), tone)
        )
    canvas.draw(sorted(grass, key=lambda blade: float(blade.points[0, 1])))


def flowers(canvas: Canvas, start: float, colours: tuple[Colour, ...], count: int = 260) -> None:
    """Blossoms or leaves on the ground, larger towards the viewer."""
    deep = canvas.image.height - start
    dots = []
    for across, place, pick in canvas.rng.random((count, 3)):
        near = place * place
        size = canvas.unit * (0.0014 + 0.0065 * near)
        tone = canvas.light.on(colours[int(pick * len(colours))])
        x, y = across * canvas.image.width, start + deep * near
        dots.append(Part(ellipse(x, y, size, size * 0.75, steps=8), tone))
    canvas.draw(dots)


def tufts(canvas: Canvas, start: float, colour: Colour) -> None:
    """Scattered shrubs on bare ground, with their shadows."""
    rng, deep = canvas.rng, canvas.image.height - start
    for _ in range(int(rng.integers(8, 16))):
        place = rng.random() * rng.random()
        x, y = rng.random() * canvas.image.width, start + deep * place
        size = canvas.unit * (0.006 + 0.03 * place)
        canvas.stain(
            [Part(ellipse(x, y, size, size * 0.2), colour)], (40, 30, 40), 0.2, size * 0.15
        )
        stalks = zip(rng.uniform(-size, size, 9), rng.uniform(0.5, 1.2, 9) * size, strict=True)
        canvas.draw_lit(
            [
                Part(outline([(x + a * 0.2, y), (x + a, y - rise), (x + a * 0.2 + 2, y)]), colour)
                for a, rise in stalks
            ]
        )


def trunks(canvas: Canvas, foot: float, wide: float, depth: float, count: int) -> None:
    """Tall trunks that extend beyond the top of the picture: one layer of a wood."""
    rng, tone = canvas.rng, canvas.light.on((62, 50, 46), depth)
    stems: list[Part] = []
    for place in (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count:
        x, half = place * canvas.image.width, wide * rng.uniform(0.35, 0.7)
        stems += _trunk(x, foot + wide * rng.uniform(-0.5, 0.8), half, tone)
        twigs = (_twig(x, rng.uniform(0, foot * 0.7), wide, rng) for _ in range(3))
        stems += parts(twigs, tone)
    canvas.draw(stems)


def _trunk(x: float, low: float, half: float, tone: Colour) -> list[Part]:
    root, high = low - half * 4, half * 0.8
    left = [(x - half * 1.5, low), (x - half, root), (x - high, 0.0)]
    right = [(x + high, 0.0), (x + half, root), (x + half * 1.6, low)]
    lit = [(x + half * 0.2, low), (x + half * 0.2, 0.0), *right]
    return [Part(outline([*left, *right]), tone), Part(outline(lit), shade(tone, 1.16))]


def _twig(x: float, y: float, wide: float, rng: np.random.Generator) -> Points:
    way, rise = rng.choice([-1, 1]), rng.uniform(0.6, 2.0)
    return outline([(x, y), (x + way * wide * 3, y - wide * rise), (x, y + wide * 0.25)])
