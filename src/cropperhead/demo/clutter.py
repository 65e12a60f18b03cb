"""Paints clutter at the sides of the frame: close to the camera, dark and out of focus."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from cropperhead.demo import obstacles
from cropperhead.demo.canvas import Canvas
from cropperhead.demo.colours import Colour, mix
from cropperhead.demo.outlines import Figure, Part, transform_figure
from cropperhead.demo.scenes import Clutter, Scene

_MAKERS: Mapping[str, Callable[[np.random.Generator, float, float], Figure]] = {
    "post": obstacles.post,
    "lamp": obstacles.lamp,
    "sign": obstacles.sign,
    "bin": obstacles.dustbin,
    "car": obstacles.car,
    "shoulder": obstacles.shoulder,
    "trunk": obstacles.trunk,
    "bush": obstacles.bush,
    "branch": obstacles.branch,
    "leaves": obstacles.leaves,
    "grass": obstacles.grass,
    "rail": obstacles.rail,
    "wall": obstacles.wall,
}
_SHADE: Colour = (10, 10, 16)
_INWARDS: Mapping[str, tuple[float, float]] = {
    "left": (1, 0),
    "right": (-1, 0),
    "top": (0, 1),
    "bottom": (0, -1),
}


def paint_clutter(canvas: Canvas, scene: Scene, clutter: Clutter) -> None:
    """Draw a piece of clutter that reaches into the tilted frame exactly as far as planned."""
    figure = _MAKERS[clutter.kind](canvas.rng, clutter.along, canvas.width / canvas.height)
    standing = _standing(canvas, figure, clutter)
    reaching = transform_figure(standing, np.eye(2), _shift(canvas, standing, scene.tilt, clutter))
    # backlit by day, lit by the lights of the place at night
    light = canvas.light
    tone, share = (light.cloud_lit, 0.4) if light.dark else (_SHADE, 0.25)
    shaded = [Part(part.points, mix(light.on(part.colour), tone, share)) for part in reaching]
    canvas.draw_blurred(shaded, canvas.unit * 0.0045)


def _standing(canvas: Canvas, figure: Figure, clutter: Clutter) -> Figure:
    """Return the figure in pixels of the canvas, at its side and upright in the level scene."""
    from_side = clutter.side in ("left", "right")
    mirrored = clutter.side == "right" if from_side else clutter.along > 0.5
    across = -canvas.height if mirrored else canvas.height
    foot = (canvas.x(1 if mirrored else 0), canvas.y(1))
    return transform_figure(figure, [[across, 0], [0, -canvas.height]], foot)


def _shift(canvas: Canvas, figure: Figure, tilt: float, clutter: Clutter) -> NDArray[np.float64]:
    """Return the shift that moves a figure until it reaches `clutter.reach` into the frame."""
    radians = np.deg2rad(tilt)
    cosine, sine = float(np.cos(radians)), float(np.sin(radians))
    turn = np.array([[cosine, -sine], [sine, cosine]])
    inwards = np.array(_INWARDS[clutter.side])
    half = np.array([canvas.width, canvas.height]) / 2
    points = np.concatenate([part.points for part in figure])
    on_frame = (points - np.array(canvas.image.size) / 2) @ turn.T
    depth = on_frame @ inwards + np.abs(inwards) @ half
    seen = (np.abs(on_frame) <= half)[:, 1 if inwards[0] else 0]
    wanted = clutter.reach * 2 * float(np.abs(inwards) @ half)
    return np.asarray((wanted - (depth[seen] if seen.any() else depth).max()) * (inwards @ turn))
