"""Random textures: the noise for clouds, ridges, waves and grass.

Exponentials and the like are taken in float64, where the last digit, which may differ between
processors, vanishes when a colour is rounded to 8 bits; float32 only meets exact operations.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float32]  # (height, width)
Line = NDArray[np.float64]  # (width,)
Plane = NDArray[np.floating[Any]]  # (height, width) or (height, width, 3)


def noise(
    rng: np.random.Generator,
    size: tuple[int, int],
    cells: float,
    octaves: int = 4,
    stretch: float = 1.0,
) -> Field:
    """Return fractal noise (height, width) in [0, 1] for a `size` of (width, height).

    `cells` are the coarsest blobs across the width, `stretch` how much wider than tall they are.
    """
    own = rng.spawn(1)[0]  # so that later random numbers do not depend on the size
    width, height = size
    total = np.zeros((height, width), dtype=np.float32)
    for octave in range(octaves):
        across = cells * 2**octave
        down = across * stretch * height / width
        grid = own.random((round(down) + 3, round(across) + 3), dtype=np.float32)
        layer = Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)
        total += np.asarray(layer) * np.float32(0.5**octave)
    low, high = total.min(), total.max()
    return np.asarray((total - low) / (high - low))


def receding(
    rng: np.random.Generator, size: tuple[int, int], cells: float, stretch: float
) -> Field:
    """Return noise (height, width) in [0, 1] on a plane that recedes towards its first row."""
    coarse = (size[0] // 2, max(2, size[1] // 2))
    flat = noise(rng, coarse, cells, octaves=5, stretch=stretch)
    rows = np.arange(coarse[1]) / coarse[1]
    tall = (np.log(1 + 14 * rows) / np.log(15) * (coarse[1] - 1)).astype(int)
    return np.asarray(Image.fromarray(flat[tall]).resize(size, Image.Resampling.BILINEAR))


def skyline(rng: np.random.Generator, width: int, cells: float, octaves: int = 5) -> Line:
    """Return a rough line (width,) in about [-1, 1]: the profile of hills."""
    places = np.arange(width) / width
    total = np.zeros(width)
    for octave in range(octaves):
        count = cells * 2**octave
        values = rng.random(int(count) + 3) * 2 - 1
        where = places * count + rng.random()
        index = where.astype(int)
        step = smooth(where - index)
        total += (values[index] * (1 - step) + values[index + 1] * step) * 0.5**octave
    return total / 1.5


def smooth(values: Plane) -> Plane:
    """Return the smooth step: 0 below 0, 1 above 1, flat at both ends."""
    clipped = np.clip(values, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)


def mask_of(values: Plane) -> Image.Image:
    """Convert values in [0, 1] to an 8-bit mask."""
    return Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))
