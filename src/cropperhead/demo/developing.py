"""Makes the photo of a level canvas: cuts out the tilted frame and adds vignette and grain."""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from cropperhead.demo.canvas import Canvas

_TILE = 512  # px, side of the square of grain that is repeated
_GRAIN = 1.9  # standard deviation, of 255


def expose(canvas: Canvas, tilt: float) -> Image.Image:
    """Cut out the frame of a camera that rotates the scene by `tilt` degrees clockwise."""
    left, top = canvas.image.width / 2, canvas.image.height / 2
    width, height = canvas.width, canvas.height
    if tilt == 0:
        corner = (round(left - width / 2), round(top - height / 2))
        return canvas.image.crop((*corner, corner[0] + width, corner[1] + height))
    cosine, sine = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    x = left - cosine * width / 2 - sine * height / 2
    y = top + sine * width / 2 - cosine * height / 2
    return canvas.image.transform(
        (width, height),
        Image.Transform.AFFINE,
        (cosine, sine, x, -sine, cosine, y),
        Image.Resampling.BILINEAR,
    )


def develop(picture: Image.Image, grain_seed: int) -> Image.Image:
    """Add a slight vignette, the contrast of film and its grain."""
    shaded = ImageChops.multiply(picture, _vignette(picture.size))
    toned = shaded.point(_film_curve())
    shift = (grain_seed // _TILE % _TILE, grain_seed % _TILE)
    grain = Image.fromarray(np.roll(_grain(), shift, axis=(0, 1)))
    tiled = Image.new("L", picture.size)
    for x in range(0, picture.width, _TILE):
        for y in range(0, picture.height, _TILE):
            tiled.paste(grain, (x, y))
    return ImageChops.add(toned, Image.merge("RGB", [tiled] * 3), 1, -128)


@cache
def _vignette(size: tuple[int, int]) -> Image.Image:
    x = np.linspace(-1, 1, size[0] // 4)[None, :]
    y = np.linspace(-1, 1, size[1] // 4)[:, None]
    away = x * x + y * y
    small = Image.fromarray((255 * (1 - 0.04 * away * np.sqrt(away))).astype(np.uint8))
    return Image.merge("RGB", [small.resize(size, Image.Resampling.BICUBIC)] * 3)


@cache
def _film_curve() -> tuple[int, ...]:
    """Return 256 levels each for red, green and blue: more contrast, slightly blue blacks."""
    levels = np.arange(256) / 255
    curve = levels - 0.055 * np.sin(2 * np.pi * levels)
    channels = [3 + 250 * curve, 4 + 250 * curve, 8 + 245 * curve]
    return tuple(int(value) for channel in channels for value in np.round(channel))


@cache
def _grain() -> NDArray[np.uint8]:
    grain = 128 + _GRAIN * np.random.default_rng(0).standard_normal((_TILE, _TILE))
    return np.round(grain).astype(np.uint8)
