"""Rows of buildings, railings and roads across the picture."""

from dataclasses import dataclass

import numpy as np

from cropperhead.demo.canvas import Canvas
from cropperhead.demo.colours import Colour, mix, shade
from cropperhead.demo.outlines import Part, box, parts

_FACADES: tuple[Colour, ...] = ((96, 104, 122), (128, 112, 106), (84, 92, 112), (140, 128, 120))
_LAMPLIGHT: Colour = (255, 214, 130)


@dataclass(frozen=True)
class _Block:
    """A building: its sides in pixels of the canvas, and its final colour."""

    left: float
    top: float
    right: float
    foot: float
    tone: Colour


def towers(canvas: Canvas, base: float, depth: float, tallest: float) -> None:
    """A row of city buildings, with lit windows in the dark."""
    rng, x = canvas.rng, -20.0
    shapes: list[Part] = []
    while x < canvas.image.width + 20:
        wide, tall = canvas.unit * rng.uniform(0.035, 0.095), tallest * rng.uniform(0.3, 1.0)
        tone = canvas.light.on(_FACADES[rng.integers(len(_FACADES))], depth)
        block = _Block(x, base - tall, x + wide, base, tone)
        shapes += [*_walls(rng, block), *_windows(canvas, block)]
        x += wide * rng.uniform(0.85, 1.15)
    canvas.draw(shapes)


def _walls(rng: np.random.Generator, block: _Block) -> list[Part]:
    wide, tall = block.right - block.left, block.foot - block.top
    shapes = [
        Part(box(block.left, block.top, block.right, block.foot), block.tone),
        Part(
            box(block.left + wide * 0.68, block.top, block.right, block.foot),
            shade(block.tone, 0.86),
        ),
    ]
    if rng.random() < 0.35:
        x = block.left + wide * 0.45
        shapes.append(Part(box(x, block.top - tall * 0.16, x + wide * 0.05, block.top), block.tone))
    if rng.random() < 0.3:
        x = block.left + wide * 0.2
        shapes.append(Part(box(x, block.top - tall * 0.06, x + wide * 0.5, block.top), block.tone))
    return shapes


def _windows(canvas: Canvas, block: _Block) -> list[Part]:
    rng, step = canvas.rng, canvas.unit * 0.0125
    lit_share = 0.55 if canvas.light.dark else 0.3 if canvas.light.evening else 0.0
    rows = np.arange(block.top + step, block.foot - step, step)
    columns = np.arange(block.left + step * 0.6, block.right - step * 0.6, step)
    dark, chances = shade(block.tone, 0.84), rng.random((len(rows), len(columns), 2))
    return [
        Part(
            box(x, y, x + step * 0.5, y + step * 0.55),
            mix(block.tone, _LAMPLIGHT, 0.45 + 0.55 * glow) if chance < lit_share else dark,
        )
        for y, line in zip(rows, chances, strict=True)
        for x, (chance, glow) in zip(columns, line, strict=True)
    ]


def balustrade(canvas: Canvas, foot: float) -> None:
    """The railing of a promenade, across the picture."""
    unit, width, high = canvas.unit, canvas.image.width, canvas.unit * 0.055
    bars = [box(x, foot - high, x + 2, foot) for x in np.arange(0, width, unit * 0.022)]
    posts = [
        box(x, foot - high * 1.15, x + 7, foot) for x in np.arange(unit * 0.1, width, unit * 0.2)
    ]
    rail = box(0, foot - high, width, foot - high + 5)
    canvas.draw_lit(parts([*bars, *posts, rail], (56, 60, 70)))


def road(canvas: Canvas, foot: float) -> None:
    """A road across the picture, with a white line at its near side."""
    deep, width = canvas.unit * 0.035, canvas.image.width
    canvas.draw_lit(
        [
            Part(box(0, foot - deep * 0.4, width, foot + deep), (122, 118, 116)),
            Part(box(0, foot + deep, width, foot + deep * 1.12), (214, 206, 190)),
        ]
    )
