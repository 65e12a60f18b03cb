"""Paints the photo of a planned scene."""

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

from cropperhead.demo import animals, buildings, people, plants, vessels
from cropperhead.demo.backdrops import paint_backdrop
from cropperhead.demo.canvas import Canvas, blank, light_figure
from cropperhead.demo.clutter import paint_clutter
from cropperhead.demo.colours import LIGHTS, mix
from cropperhead.demo.developing import develop, expose
from cropperhead.demo.outlines import Figure, Part, Spot, ellipse, place_figure, transform_figure
from cropperhead.demo.scenes import Scene, Subject
from cropperhead.demo.skies import paint_bloom, paint_lamp, paint_sky
from cropperhead.demo.waters import paint_reflection
from cropperhead.demo.weather import paint_weather

_FIGURES: Mapping[str, Callable[[np.random.Generator], Figure]] = {
    "walker": people.walker,
    "hiker": people.hiker,
    "umbrella": people.umbrella,
    "cyclist": people.cyclist,
    "tree": plants.tree,
    "acacia": plants.acacia,
    "conifer": plants.conifer,
    "cactus": plants.cactus,
    "deer": animals.deer,
    "horse": animals.horse,
    "camel": animals.camel,
    "giraffe": animals.giraffe,
    "elephant": animals.elephant,
    "heron": animals.heron,
    "cabin": buildings.cabin,
    "barn": buildings.barn,
    "tent": buildings.tent,
    "lighthouse": buildings.lighthouse,
    "windmill": buildings.windmill,
    "sailboat": vessels.sailboat,
    "canoe": vessels.canoe,
    "balloon": vessels.balloon,
}
_IN_WATER = ("sailboat", "canoe", "heron", "lighthouse")
# Figures without a front turn their lit side, which is their left, to the sun instead.
_FRONTLESS = (
    *("tree", "acacia", "conifer", "cactus"),
    *("cabin", "barn", "lighthouse", "windmill", "balloon"),
)
# How dark shadows are, and how long in relation to the height of what casts them.
_SHADOWS: Mapping[str, tuple[float, float]] = {
    "day": (0.34, 0.2),
    "golden": (0.4, 0.42),
    "dawn": (0.3, 0.42),
    "dusk": (0.32, 0.42),
    "night": (0.3, 0.2),
    "overcast": (0.12, 0.2),
}


def paint(scene: Scene, grain_seed: int) -> Image.Image:
    """Paint the photo of a scene, as displayed; two exposures differ only by `grain_seed`."""
    rng = np.random.default_rng(scene.seed)
    light = LIGHTS[scene.light].vary(rng)
    canvas = blank((scene.width, scene.height), scene.tilt, light, rng)
    for number, step in enumerate(_STEPS):
        # each step has its own seed: frames of a burst differ a little in size, not in content
        canvas.rng = np.random.default_rng([scene.seed, number])
        step(canvas, scene)
    return develop(expose(canvas, scene.tilt), grain_seed)


def _paint_birds(canvas: Canvas, scene: Scene) -> None:
    rng = canvas.rng
    if canvas.light.dark or scene.weather in ("snow", "rain", "fog") or rng.random() < 0.55:
        return
    x, y = canvas.x(rng.uniform(0.2, 0.8)), canvas.y(scene.horizon * rng.uniform(0.3, 0.7))
    spot = Spot(x, y, canvas.unit * rng.uniform(0.05, 0.09))
    canvas.draw_lit(place_figure(animals.gulls(rng), spot), 0.35)


def _paint_figures(canvas: Canvas, scene: Scene) -> None:
    subjects = [(scene.subject, 0.03)]
    if scene.companion:
        subjects.append((scene.companion, 0.3))
    figures = [(_FIGURES[subject.kind](canvas.rng), subject, depth) for subject, depth in subjects]
    for figure, subject, depth in reversed(figures):
        spot = _spot(canvas, scene, subject)
        if subject.kind in _IN_WATER:
            paint_reflection(canvas, figure, spot)
        elif subject.kind != "balloon":
            _paint_shadow(canvas, scene, figure, spot)
        _paint_glow(canvas, figure, spot)
        canvas.draw(_in_view(canvas, figure, spot, depth))


def _paint_clutters(canvas: Canvas, scene: Scene) -> None:
    for clutter in scene.clutter:
        paint_clutter(canvas, scene, clutter)


def _spot(canvas: Canvas, scene: Scene, subject: Subject) -> Spot:
    sunwards = 1 if scene.lamp_x < subject.x else -1
    return Spot(
        x=canvas.x(subject.x),
        y=canvas.y(subject.foot),
        height=subject.height * canvas.height,
        facing=sunwards if subject.kind in _FRONTLESS else subject.facing,
    )


def _in_view(canvas: Canvas, figure: Figure, spot: Spot, depth: float) -> Figure:
    """Place the figure on the canvas; it keeps some colour in the dark, as with a flash."""
    parts = place_figure(figure, spot)
    own = 0.36 if canvas.light.dark else 0.12
    return [
        Part(lit.points, mix(lit.colour, part.colour, own * (1 - depth)))
        for lit, part in zip(light_figure(parts, canvas.light, depth), parts, strict=True)
    ]


def _paint_glow(canvas: Canvas, figure: Figure, spot: Spot) -> None:
    """Paint the glow of lamps and windows at night."""
    if not (canvas.light.dark and any(part.glows for part in figure)):
        return
    halo = ellipse(spot.x, spot.y - spot.height * 0.5, spot.height * 0.8)
    canvas.stain([Part(halo, canvas.light.lamp)], (255, 190, 100), 0.22, spot.height * 0.28)


def _paint_shadow(canvas: Canvas, scene: Scene, figure: Figure, spot: Spot) -> None:
    """Paint the shadow on the ground, away from the light and towards the viewer."""
    strength, length = _SHADOWS[scene.light]
    away = float(np.clip((spot.x - canvas.x(scene.lamp_x)) / canvas.width * 1.6, -1.0, 1.0))
    lean = spot.height * away * length * 2
    slant = [[spot.height * spot.facing, lean], [0, spot.height * length]]
    shadow = transform_figure(figure, slant, (spot.x, spot.y))
    colour = mix(canvas.light.on((30, 34, 52)), (14, 16, 30), 0.4)
    canvas.stain(shadow, colour, strength, canvas.unit * 0.002)
    points = np.concatenate([part.points for part in figure])
    span = float(points[:, 0].max() - points[:, 0].min()) * spot.height
    foot = ellipse(spot.x, spot.y, span * 0.42, spot.height * 0.025)
    canvas.stain([Part(foot, colour)], colour, 0.3, spot.height * 0.015)


_STEPS: tuple[Callable[[Canvas, Scene], None], ...] = (
    paint_sky,
    paint_lamp,
    _paint_birds,
    paint_backdrop,
    _paint_figures,
    paint_bloom,
    paint_weather,
    _paint_clutters,
)
