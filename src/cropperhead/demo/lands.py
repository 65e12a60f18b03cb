"""Land: ridges, fields and the other layers of a landscape, from far to near."""

import numpy as np
from PIL import Image

from cropperhead.demo.canvas import Canvas
from cropperhead.demo.colours import Colour, mix
from cropperhead.demo.outlines import Part
from cropperhead.demo.textures import Field, Line, mask_of, receding, skyline

Tones = tuple[Colour, Colour]  # final colours, far and near


def fill_land(canvas: Canvas, profile: Line, tones: Tones, texture: Field | None = None) -> None:
    """Fill everything below a profile (the y of each column), from one colour to the other.

    `texture` (rows below the profile's highest point, width) multiplies the colours: 1 leaves them.
    """
    top = max(0, int(profile.min()))
    height = canvas.image.height - top
    if height <= 0:
        return
    share = (np.arange(height) / height)[:, None]
    column = (np.array(tones[0]) * (1 - share) + np.array(tones[1]) * share).astype(np.float32)
    if texture is None:
        strip = Image.fromarray(column[:, None, :].astype(np.uint8))
        land = strip.resize((canvas.image.width, height), Image.Resampling.NEAREST)
    else:
        colours = np.minimum(column[:, None, :] * texture[:height, :, None], 255)
        land = Image.fromarray(colours.astype(np.uint8))
    paste_below(canvas, profile, land, top)


def paste_below(canvas: Canvas, profile: Line, land: Image.Image, top: int) -> None:
    """Paste a picture, whose first row is the canvas's row `top`, below a profile."""
    rows = np.arange(top, top + land.height, dtype=np.float32)[:, None]
    mask = mask_of(rows - profile.astype(np.float32) + np.float32(0.5))
    canvas.image.paste(land, (0, top), mask)


def ranges(canvas: Canvas, base: float, count: int, colour: Colour) -> None:
    """Paint soft ridges behind each other, the farthest palest, with their feet at `base`."""
    for layer in range(count):
        depth = 0.86 - 0.42 * layer / max(1, count - 1)
        lift = canvas.unit * (0.17 - 0.1 * layer / max(1, count))
        line = skyline(canvas.rng, canvas.image.width, 2.5 + layer)
        tone = canvas.light.on(colour, depth)
        hazy = mix(tone, canvas.light.haze, 0.55)
        fill_land(canvas, base - lift * (0.55 + 0.45 * line), (tone, hazy))


def rolling(canvas: Canvas, base: float, lift: float, tones: Tones, cells: float = 1.6) -> Line:
    """Paint a hill or dune across the picture, and return its profile."""
    profile = base - lift * skyline(canvas.rng, canvas.image.width, cells, octaves=2)
    fill_land(canvas, profile, tones)
    return profile


def ground(canvas: Canvas, start: float, tones: Tones, grain: float = 0.22) -> None:
    """Paint level ground from `start` to the lower edge, its texture wider towards the viewer."""
    width, height = canvas.image.width, canvas.image.height - int(start)
    texture = receding(canvas.rng, (width, height), 10, 5.0)
    factors = np.float32(1 - grain / 2) + np.float32(grain) * texture
    fill_land(canvas, np.full(width, start), tones, factors)


def path(canvas: Canvas, start: float, colour: Colour) -> None:
    """A track that winds from the viewer to the horizon."""
    rng, near = canvas.rng, np.linspace(0, 1, 40)
    begin, end = rng.uniform(0.1, 0.9), rng.uniform(0.3, 0.7)
    waves = np.sin(near * rng.uniform(5, 8) + rng.uniform(0, 6)) * (1 - near * 0.4)
    bend = rng.uniform(0.06, 0.14) * waves * np.sqrt(near)
    middle = canvas.image.width * (end + (begin - end) * near * near + bend)
    half = canvas.unit * (0.002 + 0.06 * near * near)
    y = start + (canvas.image.height - start) * near * near
    left, right = np.stack([middle - half, y], 1), np.stack([middle + half, y], 1)
    canvas.draw_lit([Part(np.concatenate([left, right[::-1]]), colour)], opacity=0.75)


def pool_of_light(canvas: Canvas, x: float, start: float, strength: float) -> None:
    """The sheen of a low sun, or of the moon, on the land below it."""
    height = canvas.image.height - int(start)
    small = (canvas.image.width // 8, max(2, height // 8))
    across = (np.arange(small[0])[None, :] * 8 - x) / (canvas.unit * 0.55)
    down = np.arange(small[1])[:, None] / small[1]
    sheen = strength * np.exp(-across * across) * np.exp(-3.2 * down)
    canvas.veil(canvas.light.lamp, mask_of(sheen), int(start), height)


def mesas(canvas: Canvas, base: float, depth: float) -> None:
    """Table mountains of a desert."""
    rng, width = canvas.rng, canvas.image.width
    rise = np.zeros(width)
    for _ in range(int(rng.integers(1, 4))):
        middle, half = rng.random() * width, canvas.unit * rng.uniform(0.06, 0.22)
        distance = np.abs(np.arange(width) - middle) / half
        table, scree = np.clip((1.25 - distance) * 6, 0, 1), np.clip((1.9 - distance) * 1.2, 0, 1)
        tall = canvas.unit * rng.uniform(0.07, 0.2)
        rise = np.maximum(rise, tall * (0.62 * table + 0.38 * scree))
    rise = rise + canvas.unit * 0.006 * skyline(rng, width, 30) * (rise > 0)
    tone = canvas.light.on((182, 96, 72), depth)
    fill_land(canvas, base - rise, (tone, mix(tone, canvas.light.haze, 0.5)))


def headland(canvas: Canvas, base: float) -> None:
    """A cape that extends into the sea from one side."""
    rng, width = canvas.rng, canvas.image.width
    across = np.arange(width) / width
    across = across[::-1] if rng.random() < 0.5 else across
    slope = np.clip(1 - across / rng.uniform(0.3, 0.6), 0, 1)
    rise = canvas.unit * rng.uniform(0.05, 0.12) * np.sqrt(slope)
    profile = base - rise * (1 + 0.35 * skyline(rng, width, 5)) + (slope <= 0) * 3
    tone = canvas.light.on((96, 108, 96), 0.42)
    fill_land(canvas, profile, (tone, tone))


def beach(canvas: Canvas, start: float, sea: Colour) -> None:
    """Sand in the foreground behind a line of foam."""
    width, unit, light = canvas.image.width, canvas.unit, canvas.light
    line = start + unit * 0.014 * skyline(canvas.rng, width, 2.0, octaves=3)
    foam, wet = light.on((246, 248, 246), 0.05), light.on((150, 128, 104), 0.02)
    fill_land(canvas, line - unit * 0.016, (mix(foam, light.on(sea), 0.35), foam))
    fill_land(canvas, line - unit * 0.006, (foam, foam))
    fill_land(canvas, line, (wet, wet))
    dry = line + unit * (0.03 + 0.01 * skyline(canvas.rng, width, 3.0))
    texture = receding(canvas.rng, (width, canvas.image.height - int(dry.min())), 14, 4.0)
    factors = np.float32(0.93) + np.float32(0.14) * texture
    fill_land(canvas, dry, (light.on((208, 178, 136)), light.on((226, 196, 150))), factors)
