"""Paints the land and water behind the subject, from far to near: a painter for each setting."""

from collections.abc import Callable, Mapping

import numpy as np

from cropperhead.demo import growth, lands, mountains, plants, towns, waters
from cropperhead.demo.canvas import Canvas
from cropperhead.demo.colours import Colour, mix
from cropperhead.demo.outlines import Part, Spot, ellipse, place_figure
from cropperhead.demo.scenes import Scene
from cropperhead.demo.weather import paint_fog

_MEADOW: Colour = (112, 146, 70)
_SNOW: Colour = (240, 244, 250)
_STRAW: Colour = (206, 172, 96)
_SEA: Colour = (44, 112, 140)
_FIELDS: tuple[Colour, ...] = ((128, 158, 78), (172, 168, 88), (92, 136, 76), (206, 184, 96))
_ALPINE: tuple[Colour, ...] = ((238, 222, 120), (220, 120, 170), (244, 240, 240))
_FALLEN: tuple[Colour, ...] = ((190, 112, 52), (158, 84, 44), (112, 126, 62), (206, 150, 72))
_BLOSSOMS: tuple[tuple[Colour, ...], ...] = (
    ((214, 44, 38), (226, 66, 46), (240, 230, 200)),
    ((132, 96, 190), (156, 120, 206), (110, 80, 170)),
    ((244, 208, 60), (250, 226, 110), (240, 240, 232)),
)
_SHEEN: Mapping[str, float] = {"dawn": 0.42, "golden": 0.42, "dusk": 0.42, "night": 0.14}

Painter = Callable[[Canvas, Scene], None]


def paint_backdrop(canvas: Canvas, scene: Scene) -> None:
    """Paint the scene's land and water over its sky."""
    _PAINTERS[scene.setting](canvas, scene)
    horizon = canvas.y(scene.horizon)
    if scene.light in _SHEEN and scene.setting not in ("lake", "coast", "city"):
        lands.pool_of_light(canvas, canvas.x(scene.lamp_x), horizon, _SHEEN[scene.light])
    if scene.weather == "fog":
        paint_fog(canvas, horizon, canvas.unit * 0.13, 0.75)


def _mountains(canvas: Canvas, scene: Scene) -> None:
    base, unit = canvas.y(scene.horizon), canvas.unit
    lands.ranges(canvas, base - unit * 0.04, 2, (92, 104, 134))
    mountains.peaks(canvas, base, _lit_side(scene), canvas.rng.uniform(0.35, 0.7))
    paint_fog(canvas, base - unit * 0.03, unit * 0.06, 0.5)
    growth.conifers(canvas, base + unit * 0.005, unit * 0.05, 0.34)
    lands.ground(canvas, base, _field(canvas, _MEADOW))
    if canvas.rng.random() < 0.5:
        lands.path(canvas, base + unit * 0.01, (196, 176, 132))
    if canvas.rng.random() < 0.6:
        growth.flowers(canvas, base + unit * 0.06, _ALPINE)
    growth.blades(canvas, canvas.y(0.82), (96, 132, 62))


def _lake(canvas: Canvas, scene: Scene) -> None:
    base, unit = canvas.y(scene.horizon), canvas.unit
    lands.ranges(canvas, base, 2, (88, 104, 138))
    if canvas.rng.random() < 0.75:
        mountains.peaks(canvas, base, _lit_side(scene), canvas.rng.uniform(0.3, 0.7))
    paint_fog(canvas, base - unit * 0.02, unit * 0.05, 0.45)
    growth.conifers(canvas, base, unit * canvas.rng.uniform(0.05, 0.1), 0.2)
    waters.paint_lake(canvas, scene)


def _coast(canvas: Canvas, scene: Scene) -> None:
    if canvas.rng.random() < 0.6:
        lands.headland(canvas, canvas.y(scene.horizon))
    waters.paint_sea(canvas, scene, _SEA)
    # walkers need sand under their feet, a heron stands in the shallows
    shores = {"walker": -0.03, "umbrella": -0.03, "heron": 0.12}
    if scene.subject.kind in shores:
        lands.beach(canvas, canvas.y(scene.subject.foot + shores[scene.subject.kind]), _SEA)
    elif canvas.rng.random() < 0.5:
        lands.beach(canvas, canvas.y(0.92), _SEA)


def _desert(canvas: Canvas, scene: Scene) -> None:
    base, unit, light = canvas.y(scene.horizon), canvas.unit, canvas.light
    for depth in (0.62, 0.44):
        lands.mesas(canvas, base, depth)
    for layer, share in enumerate((0.0, 0.03, 0.075)):
        tones = light.on((222, 150, 92), 0.3 - 0.12 * layer), light.on((176, 100, 66), 0.1)
        start = base + share * canvas.height
        lands.rolling(canvas, start, unit * 0.022, tones, cells=1.3 + layer)
    near = light.on((230, 160, 98), 0.06), light.on((196, 122, 78))
    lands.ground(canvas, base + 0.1 * canvas.height, near, grain=0.16)
    growth.tufts(canvas, base + unit * 0.1, (124, 124, 74))


def _hills(canvas: Canvas, scene: Scene) -> None:
    base, unit, light = canvas.y(scene.horizon), canvas.unit, canvas.light
    lands.ranges(canvas, base - unit * 0.02, 2, (96, 124, 128))
    order = canvas.rng.permutation(len(_FIELDS))
    for layer in range(3):
        depth = 0.42 - 0.12 * layer
        tone = light.on(_FIELDS[order[layer]], depth)
        tones = tone, mix(tone, light.on((70, 104, 62)), 0.3)
        profile = lands.rolling(canvas, base + unit * (-0.02 + 0.025 * layer), unit * 0.03, tones)
        growth.hedge(canvas, profile, depth)
    nearest = _FIELDS[order[3]] if canvas.rng.random() < 0.4 else _MEADOW
    lands.ground(canvas, base + unit * 0.045, _field(canvas, nearest))
    if scene.subject.kind == "cyclist":
        towns.road(canvas, canvas.y(scene.subject.foot))
    elif canvas.rng.random() < 0.5:
        lands.path(canvas, base + unit * 0.05, (206, 186, 146))
    growth.blades(canvas, canvas.y(0.84), (98, 130, 60))


def _city(canvas: Canvas, scene: Scene) -> None:
    base, unit = canvas.y(scene.horizon), canvas.unit
    for depth, tallest in ((0.62, 0.34), (0.34, 0.24), (0.1, 0.14)):
        towns.towers(canvas, base, depth, unit * tallest)
    waters.paint_lake(canvas, scene)
    if scene.subject.kind in ("sailboat", "balloon"):
        return
    start = canvas.y(scene.subject.foot - 0.035)
    paving = canvas.light.on((158, 152, 150)), canvas.light.on((116, 112, 116))
    lands.ground(canvas, start, paving, grain=0.14)
    towns.balustrade(canvas, start)


def _forest(canvas: Canvas, scene: Scene) -> None:
    base, unit, light = canvas.y(scene.horizon), canvas.unit, canvas.light
    glade = ellipse(canvas.x(scene.lamp_x), base - unit * 0.2, unit * 0.5, unit * 0.42)
    lands.ranges(canvas, base, 1, (120, 140, 120))
    canvas.stain([Part(glade, light.lamp)], mix(light.lamp, light.haze, 0.4), 0.55, unit * 0.1)
    floor = light.on((110, 128, 74), 0.4), light.on((72, 66, 44))
    lands.ground(canvas, base - unit * 0.02, floor, grain=0.3)
    layers = ((0.74, 0.018, 26, -0.015), (0.54, 0.028, 15, 0.01), (0.32, 0.042, 8, 0.04))
    for depth, wide, count, lift in layers:
        growth.trunks(canvas, base + unit * lift, unit * wide, depth, count)
        paint_fog(canvas, base - unit * 0.02, unit * 0.16, 0.4)
    if canvas.rng.random() < 0.5:
        lands.path(canvas, base, (150, 122, 86))
    growth.flowers(canvas, base + unit * 0.05, _FALLEN, count=420)
    growth.blades(canvas, canvas.y(0.84), (84, 112, 56), count=260)


def _winter(canvas: Canvas, scene: Scene) -> None:
    base, unit, light = canvas.y(scene.horizon), canvas.unit, canvas.light
    if canvas.rng.random() < 0.7:
        mountains.peaks(canvas, base, _lit_side(scene), 0.05)
    else:
        lands.ranges(canvas, base, 3, (150, 166, 190))
    paint_fog(canvas, base - unit * 0.03, unit * 0.06, 0.5)
    height = unit * canvas.rng.uniform(0.07, 0.12)
    growth.conifers(canvas, base + unit * 0.004, height, 0.3, snowy=True)
    lands.ground(canvas, base, (light.on((206, 218, 236), 0.2), light.on(_SNOW)), grain=0.1)
    for share in (0.05, 0.14):
        tones = light.on((226, 234, 246), 0.05), light.on(_SNOW)
        lands.rolling(canvas, base + share * unit, unit * 0.018, tones, cells=1.5)


def _savanna(canvas: Canvas, scene: Scene) -> None:
    base, unit, light, rng = canvas.y(scene.horizon), canvas.unit, canvas.light, canvas.rng
    lands.ranges(canvas, base, 2, (126, 112, 120))
    lands.ground(
        canvas, base, (light.on((216, 184, 110), 0.3), light.on((164, 122, 66))), grain=0.3
    )
    for place in np.sort(rng.random(int(rng.integers(2, 6)))):
        x, y = rng.random() * canvas.image.width, base + unit * 0.02 * place + 4
        spot = Spot(x, y, unit * rng.uniform(0.04, 0.08))
        canvas.draw_lit(place_figure(plants.acacia(rng), spot), 0.4)
    growth.blades(canvas, base + unit * 0.1, _STRAW, count=700)


def _meadow(canvas: Canvas, scene: Scene) -> None:
    base, unit, light = canvas.y(scene.horizon), canvas.unit, canvas.light
    lands.ranges(canvas, base, 3, (104, 130, 136))
    tones = light.on((90, 124, 70), 0.35), light.on(_MEADOW, 0.2)
    growth.hedge(canvas, lands.rolling(canvas, base, unit * 0.012, tones), 0.34)
    lands.ground(canvas, base + unit * 0.01, _field(canvas, (126, 156, 76)))
    colours = _BLOSSOMS[canvas.rng.integers(len(_BLOSSOMS))]
    growth.flowers(canvas, base + unit * 0.03, colours, count=900)
    if canvas.rng.random() < 0.5:
        lands.path(canvas, base + unit * 0.02, (190, 170, 124))
    growth.blades(canvas, canvas.y(0.84), (92, 130, 60), count=300)


def _field(canvas: Canvas, colour: Colour) -> lands.Tones:
    return canvas.light.on(colour, 0.22), canvas.light.on(mix(colour, (52, 84, 48), 0.45))


def _lit_side(scene: Scene) -> int:
    return 1 if scene.lamp_x > 0.5 else -1


_PAINTERS: Mapping[str, Painter] = {
    "mountains": _mountains,
    "lake": _lake,
    "coast": _coast,
    "desert": _desert,
    "hills": _hills,
    "city": _city,
    "forest": _forest,
    "winter": _winter,
    "savanna": _savanna,
    "meadow": _meadow,
}
