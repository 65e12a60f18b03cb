"""Jagged mountains of rock and snow, lit from one side."""

import numpy as np
from PIL import Image

from cropperhead.demo.canvas import Canvas
from cropperhead.demo.colours import Colour
from cropperhead.demo.lands import paste_below
from cropperhead.demo.textures import Line, Plane, noise, skyline, smooth

_ROCK: tuple[Colour, Colour] = ((70, 72, 92), (150, 134, 128))  # in the shade, in the light
_SNOW: tuple[Colour, Colour] = ((150, 168, 206), (252, 250, 248))


def peaks(canvas: Canvas, base: float, lit_side: int, snow: float) -> None:
    """Mountains with their feet at `base`, white above `snow` (0 to 1) of their height.

    `lit_side` is 1 if the light comes from the right, -1 if from the left.
    """
    rise = canvas.unit * canvas.rng.uniform(0.24, 0.36)
    profile = base - rise * _summits(canvas.rng, canvas.image.width)
    top = int(profile.min())
    height = int(base) + 2 - top
    size = (canvas.image.width, height)
    crags = (noise(canvas.rng, size, 14, octaves=5, stretch=0.6).astype(float) - 0.5) * 2
    bright = _brightness(profile - top, crags, lit_side)
    above = (height - np.arange(height))[:, None] / rise
    covered = smooth((above - snow + crags * snow * 0.3) / (0.06 * snow + 0.004))
    paste_below(canvas, profile, _colour_rock_and_snow(canvas, bright, covered), top)


def _summits(rng: np.random.Generator, width: int) -> Line:
    """Return the heights of a few mountains side by side, (width,), the highest about 1."""
    across = np.arange(width) / width + 0.012 * skyline(rng, width, 14, octaves=3)
    heights = np.full(width, 0.16)
    count = int(rng.integers(4, 8))
    for place in (np.arange(count) + rng.uniform(0.0, 1.0, count)) / count:
        tall, half = rng.uniform(0.45, 1.0), rng.uniform(0.16, 0.3)
        flank = np.clip(1 - np.abs(across - place) / half, 0, 1)
        heights = np.maximum(heights, tall * (0.75 * flank + 0.25 * flank * flank))
    return heights + 0.035 * skyline(rng, width, 16, octaves=4)


def _brightness(ridge: Line, crags: Plane, lit_side: int) -> Plane:
    """Return (height, width) in [0, 1]: a face is as bright as the ridge above it, roughly."""
    height, width = crags.shape
    below = np.clip(np.arange(height)[:, None] - ridge[None, :], 0, None)
    source = np.arange(width)[None, :] + crags * below * 0.9
    # the mean of nine columns, without a convolution, whose order of sums depends on the processor
    padded = np.pad(ridge, 4, mode="edge")
    wide = sum((padded[shift : shift + width] for shift in range(9)), np.zeros(width)) / 9
    slope = np.gradient(wide) * -lit_side
    face = slope[np.clip(source, 0, width - 1).astype(int)]
    return smooth(0.5 - face * 0.9 + crags * 0.25)


def _colour_rock_and_snow(canvas: Canvas, bright: Plane, covered: Plane) -> Image.Image:
    """Colour rock and snow in this light, hazier towards the foot."""
    light = canvas.light
    rock = _between(light.on(_ROCK[0], 0.3), light.on(_ROCK[1], 0.22), bright)
    snow = _between(light.on(_SNOW[0], 0.15), light.on(_SNOW[1], 0.08), bright)
    colours = rock + (snow - rock) * covered[..., None]
    down = (np.arange(len(bright)) / len(bright))[:, None, None]
    hazy = colours + (np.array(light.haze) - colours) * (0.6 * down * down)
    return Image.fromarray(hazy.astype(np.uint8))


def _between(dark: Colour, light: Colour, share: Plane) -> Plane:
    return np.asarray(np.array(dark) + (np.array(light) - np.array(dark)) * share[..., None])
