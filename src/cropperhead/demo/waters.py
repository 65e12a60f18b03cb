"""Water: a lake that mirrors what is behind it, or a sea with waves to the horizon."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cropperhead.demo.canvas import Canvas
from cropperhead.demo.colours import Colour, mix
from cropperhead.demo.outlines import Figure, Spot, transform_figure
from cropperhead.demo.scenes import Scene
from cropperhead.demo.textures import Field, mask_of, receding, smooth


def paint_lake(canvas: Canvas, scene: Scene) -> None:
    """Mirror everything above the horizon in the water below it, rippled and a little darker."""
    shore = int(canvas.y(scene.horizon))
    width, depth = canvas.image.width, canvas.image.height - shore
    rows = np.arange(depth)
    jitter = (canvas.rng.spawn(1)[0].random(depth) - 0.5) * (1 + rows / depth * canvas.unit * 0.035)
    source = np.clip(shore - 1 - rows * 1.05 + jitter, 0, shore - 1).astype(int)
    ripple = receding(canvas.rng, (width, depth), 10, 14.0)
    mirrored = np.asarray(canvas.image)[source].astype(np.float32)
    mirrored *= (np.float32(0.74) + np.float32(0.22) * ripple)[..., None]
    tint = np.array(canvas.light.on((60, 110, 130)), dtype=np.float32)
    share = (0.1 + 0.34 * smooth(rows / depth)).astype(np.float32)[:, None, None]
    water = mirrored + (tint - mirrored) * share
    canvas.image.paste(Image.fromarray(np.clip(water, 0, 255).astype(np.uint8)), (0, shore))
    _glitter(canvas, scene, shore, ripple)


def paint_sea(canvas: Canvas, scene: Scene, colour: Colour) -> None:
    """Paint waves from the horizon to the lower edge: far ones have the sky's colour."""
    shore, light = int(canvas.y(scene.horizon)), canvas.light
    depth = canvas.image.height - shore
    waves = receding(canvas.rng, (canvas.image.width, depth), 9, 13.0)
    far = np.array(mix(light.low, light.on(colour), 0.45), dtype=np.float32)
    near = np.array(light.on(colour), dtype=np.float32)
    crest = np.array(mix(light.middle, light.lamp, 0.35), dtype=np.float32)
    share = np.sqrt(np.arange(depth, dtype=np.float32) / np.float32(depth))[:, None, None]
    foam = (smooth((waves - 0.52) / 0.3) * 0.5).astype(np.float32)[..., None]
    water = (far + (near - far) * share) * (np.float32(0.86) + np.float32(0.28) * waves[..., None])
    water += (crest - water) * foam
    canvas.image.paste(Image.fromarray(np.clip(water, 0, 255).astype(np.uint8)), (0, shore))
    _glitter(canvas, scene, shore, waves)


def paint_reflection(canvas: Canvas, figure: Figure, spot: Spot) -> None:
    """Paint a figure's reflection in the water below it, its rows shifted by ripples."""
    upside_down = transform_figure(
        figure, [[spot.height * spot.facing, 0], [0, spot.height * 0.85]], (spot.x, spot.y)
    )
    canvas.draw_lit(upside_down, 0.1, opacity=0.42)
    points = np.concatenate([part.points for part in upside_down])
    sides = np.clip(points[:, 0], 0, canvas.image.width)
    top, low = int(max(0, spot.y)), int(min(canvas.image.height, points[:, 1].max() + 1))
    if low <= top or sides.max() <= sides.min():
        return
    bounds = (int(sides.min()), top, int(sides.max()) + 1, low)
    rippled = _ripple(np.asarray(canvas.image.crop(bounds)), canvas)
    canvas.image.paste(Image.fromarray(rippled), bounds[:2])


def _ripple(picture: NDArray[np.uint8], canvas: Canvas) -> NDArray[np.uint8]:
    height, width, _ = picture.shape
    rows = np.arange(height)
    swing = canvas.unit * 0.004 * (0.4 + rows / height)
    shift = np.round(
        swing * np.sin(rows * 0.55 + 2 * canvas.rng.spawn(1)[0].random(height))
    ).astype(int)
    source = np.clip(np.arange(width)[None, :] + shift[:, None], 0, width - 1)
    return np.asarray(picture[rows[:, None], source])


def _glitter(canvas: Canvas, scene: Scene, shore: int, waves: Field) -> None:
    """Paint the path of the sun or moon on the water: bright crests in a widening column."""
    if scene.light in ("overcast", "day") or scene.weather == "rain":
        return
    depth, width = waves.shape
    rows = np.arange(depth)[:, None]
    across = np.abs(np.arange(width)[None, :] - canvas.x(scene.lamp_x))
    column = smooth(1 - across / (canvas.unit * 0.045 + rows * 0.3))
    strength = 0.88 * column * smooth((waves - 0.42) / 0.3) * (1 - 0.45 * rows / depth)
    canvas.image.paste(canvas.light.lamp, (0, shore), mask_of(strength))
