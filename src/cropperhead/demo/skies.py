"""Skies: their colours, the sun or moon, stars and clouds."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from cropperhead.demo.canvas import Canvas
from cropperhead.demo.colours import WHITE, Colour, mix
from cropperhead.demo.outlines import Part, ellipse
from cropperhead.demo.scenes import Scene
from cropperhead.demo.textures import Field, Plane, mask_of, noise, smooth

_COARSE = 3  # skies are smooth: they are computed at a third of the size
_LOW_SUN = ("dawn", "golden", "dusk")
# The share of the noise's range that stays blue, and the density of clouds in the rest.
_COVER: Mapping[str, tuple[float, float]] = {
    "clear": (0.6, 0.75),
    "clouds": (0.42, 0.95),
    "rain": (0.2, 0.95),
    "snow": (0.25, 0.95),
    "fog": (0.45, 0.95),
}
_STARS = ((0.7, 170, 0.55), (1.1, 60, 0.8), (1.7, 14, 1.0))  # radius in px, how many, strength


def paint_sky(canvas: Canvas, scene: Scene) -> None:
    """Fill the whole canvas with the sky."""
    size = (canvas.image.width // _COARSE, canvas.image.height // _COARSE)
    horizon = canvas.y(scene.horizon) / _COARSE
    near = _nearness(canvas, scene, size)
    colours = _gradient(canvas, size, horizon)
    colours = _blend(colours, canvas.light.lamp, canvas.light.glow * 0.55 * near * near)
    if canvas.light.dark:
        colours = _night_lights(colours, canvas, scene, horizon)
    if scene.weather != "clear" or canvas.rng.random() < 0.5:
        colours = _clouds(colours, canvas, scene, near)
    dithered = colours + canvas.rng.spawn(1)[0].random(colours.shape)
    small = Image.fromarray(np.clip(dithered, 0, 255).astype(np.uint8))
    canvas.image.paste(small.resize(canvas.image.size, Image.Resampling.BICUBIC))
    if canvas.light.dark:
        _stars(canvas, scene)


def paint_lamp(canvas: Canvas, scene: Scene) -> None:
    """Paint the disc of the sun or moon, if the weather allows it."""
    if scene.light == "overcast" or scene.weather == "rain":
        return
    x, y = canvas.x(scene.lamp_x), canvas.y(scene.lamp_y)
    radius = canvas.unit * (0.036 if scene.light in _LOW_SUN else 0.026)
    for spread, strength in ((5.0, 0.16), (2.4, 0.35)):
        halo = [Part(ellipse(x, y, radius * spread), WHITE)]
        opacity = strength * canvas.light.glow
        canvas.stain(halo, canvas.light.lamp, opacity, radius * spread / 2.4)
    canvas.draw([Part(ellipse(x, y, radius, steps=64), mix(canvas.light.lamp, WHITE, 0.4))])


def paint_bloom(canvas: Canvas, scene: Scene) -> None:
    """Paint the glow of a low sun over what is in front of it."""
    if scene.light not in _LOW_SUN or scene.weather == "rain":
        return
    near = _nearness(canvas, scene, (canvas.image.width // 8, canvas.image.height // 8))
    canvas.veil(canvas.light.lamp, mask_of(near * near * near * 0.37 * canvas.light.glow))


def _gradient(canvas: Canvas, size: tuple[int, int], horizon: float) -> Plane:
    """Return (height, width, 3): from the zenith over the middle to the horizon."""
    up = np.clip(1 - np.arange(size[1]) / horizon, 0, 1)
    light = canvas.light
    stops = np.array([light.low, light.middle, light.zenith], dtype=float)
    column = np.stack([np.interp(up, (0.0, 0.42, 1.0), stops[:, part]) for part in range(3)], 1)
    return np.repeat(column[:, None, :], size[0], axis=1)


def _nearness(canvas: Canvas, scene: Scene, size: tuple[int, int]) -> Plane:
    """Return (height, width): 1 at the sun or moon, less with the distance in frame heights."""
    scale = canvas.image.width / size[0]
    x = np.arange(size[0])[None, :] - canvas.x(scene.lamp_x) / scale
    y = np.arange(size[1])[:, None] - canvas.y(scene.lamp_y) / scale
    return np.asarray(np.exp(-1.9 * np.sqrt(x * x + y * y) * scale / canvas.height))


def _blend(colours: Plane, colour: Colour, share: Plane) -> Plane:
    return colours + (np.array(colour) - colours) * share[..., None]


def _clouds(colours: Plane, canvas: Canvas, scene: Scene, near: Plane) -> Plane:
    height, width = near.shape
    cells, stretch = canvas.rng.uniform(2.0, 4.0), canvas.rng.uniform(1.5, 2.6)
    field = noise(canvas.rng, (width, height), cells, octaves=6, stretch=stretch)
    start, thickness = _COVER[scene.weather]
    density = smooth((field - start) / 0.17) * thickness
    rows = np.arange(height)[:, None] / (canvas.y(scene.horizon) / _COARSE)
    density = density * np.clip((1.02 - rows) * 4, 0.12, 1)  # clouds sink into the haze
    cloud = _cloud_colours(canvas, _lit_share(canvas, scene, field))
    cloud = _blend(cloud, canvas.light.lamp, 0.55 * canvas.light.glow * near)
    return colours + (cloud - colours) * density[..., None]


def _lit_share(canvas: Canvas, scene: Scene, field: Field) -> Plane:
    """Return the share of light at each place of a cloud: all if it is thinner towards the lamp."""
    height, width = field.shape
    step = max(2, width // 70)
    aside = -step if scene.lamp_x > 0.5 else step
    across = np.clip(np.arange(width) + aside, 0, width - 1)
    above = np.clip(np.arange(height) - step, 0, height - 1)
    slope = (field - field[above][:, across]) * (-1 if canvas.light.dark else 1)
    return np.asarray(np.clip(0.55 + 2.6 * slope.astype(float), 0, 1))


def _cloud_colours(canvas: Canvas, share: Plane) -> Plane:
    shadow, shine = np.array(canvas.light.cloud_shade), np.array(canvas.light.cloud_lit)
    return np.asarray(shadow + (shine - shadow) * share[..., None])


def _night_lights(colours: Plane, canvas: Canvas, scene: Scene, horizon: float) -> Plane:
    """Northern lights in the north, the Milky Way elsewhere."""
    if scene.setting in ("winter", "mountains", "lake") and canvas.rng.random() < 0.7:
        return _aurora(colours, canvas.rng, horizon)
    return _milky_way(colours, canvas.rng, horizon)


def _milky_way(colours: Plane, rng: np.random.Generator, horizon: float) -> Plane:
    height, width, _ = colours.shape
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    slope, middle = rng.uniform(-1.2, 1.2), rng.uniform(0.3, 0.7) * width
    distance = (columns - middle - slope * (rows - horizon / 2)) / (0.13 * width)
    band = np.exp(-distance * distance) * np.clip(1 - rows / horizon, 0, 1)
    dust = noise(rng, (width, height), 6, octaves=5)
    return _blend(colours, (150, 160, 210), np.asarray(0.5 * band * dust))


def _aurora(colours: Plane, rng: np.random.Generator, horizon: float) -> Plane:
    height, width, _ = colours.shape
    rows = np.arange(height)[:, None] / horizon
    curtains: tuple[tuple[Colour, float], ...] = (((92, 240, 170), 0.75), ((140, 110, 230), 0.45))
    for hue, strength in curtains:
        wave = noise(rng, (width, 8), 3, octaves=3)[4].astype(float)
        rays = noise(rng, (width, 8), 26, octaves=3)[4].astype(float)
        above = (rng.uniform(0.5, 0.8) - 0.3 * wave)[None, :] - rows
        curtain = np.where(above > 0, np.exp(-3.2 * np.abs(above)), np.exp(-22 * np.abs(above)))
        colours = _blend(colours, hue, strength * curtain * ((0.25 + 0.75 * rays) * wave)[None, :])
    return colours


def _stars(canvas: Canvas, scene: Scene) -> None:
    low = canvas.y(scene.horizon)
    for size, count, strength in _STARS:
        places = canvas.rng.random((count, 2)) * (canvas.image.width, low)
        dots = [Part(ellipse(x, y, size, steps=8), WHITE) for x, y in places]
        canvas.stain(dots, (236, 240, 255), strength)
