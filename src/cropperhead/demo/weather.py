"""Snow, rain and fog."""

import numpy as np

from cropperhead.demo.canvas import Canvas
from cropperhead.demo.colours import WHITE, mix
from cropperhead.demo.outlines import Part, Points, ellipse, outline
from cropperhead.demo.scenes import Scene
from cropperhead.demo.textures import mask_of, noise

# Radius in px, number, strength and blur in px: far, near, and close to the lens.
_FLAKES = ((1.6, 260, 0.75, 0.0), (3.0, 90, 0.7, 1.2), (7.0, 26, 0.5, 3.5))
_DROPS = ((0.05, 220, 0.2), (0.09, 90, 0.28))  # length in units, number, strength


def paint_weather(canvas: Canvas, scene: Scene) -> None:
    """Paint falling snow or rain over everything."""
    if scene.weather == "snow":
        _snow(canvas)
    elif scene.weather == "rain":
        _rain(canvas)


def paint_fog(canvas: Canvas, y: float, depth: float, strength: float) -> None:
    """Paint a band of mist around a height of the canvas, `depth` px up and down."""
    top = max(0, int(y - 2.2 * depth))
    low = min(canvas.image.height, int(y + 2.2 * depth))
    size = (canvas.image.width // 4, max(2, (low - top) // 4))
    away = (np.arange(size[1])[:, None] * 4.0 + top - y) / depth
    drift = noise(canvas.rng, size, 3, octaves=3, stretch=5.0)
    mask = mask_of(strength * np.exp(-away * away) * (0.35 + 0.65 * drift))
    canvas.veil(canvas.light.haze, mask, top, low - top)


def _snow(canvas: Canvas) -> None:
    colour = mix(canvas.light.haze, WHITE, 0.8)
    for size, count, strength, blur in _FLAKES:
        places = canvas.rng.random((count, 2)) * canvas.image.size
        flakes = [Part(ellipse(x, y, size, steps=9), WHITE) for x, y in places]
        canvas.stain(flakes, colour, strength, blur)


def _rain(canvas: Canvas) -> None:
    slant = canvas.rng.uniform(-0.25, 0.25)
    colour = mix(canvas.light.haze, WHITE, 0.6)
    for length, count, strength in _DROPS:
        places = canvas.rng.random((count, 2)) * canvas.image.size
        streaks = [Part(_streak(x, y, length * canvas.unit, slant), WHITE) for x, y in places]
        canvas.stain(streaks, colour, strength)


def _streak(x: float, y: float, length: float, slant: float) -> Points:
    aside, thick = slant * length, 1.3
    return outline(
        [(x, y), (x + thick, y), (x + aside + thick, y + length), (x + aside, y + length)]
    )
