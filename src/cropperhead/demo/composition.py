"""How the imagined photographer crops: a stated rule, and the noise of a person's hand.

The rule, in this order:

1. **Level the horizon.** The crop is turned as far as the camera was.
2. **Clutter out.** The crop keeps to the part of the frame that no clutter reaches.
3. **An aspect by habit.** Upright subjects in upright photos 4:5, small subjects in wide photos
   16:9, balloons 1:1, all else the photo's own.
4. **As tight as the subject asks.** The subject fills `_FILL` of the crop's height, but the crop
   keeps between `_TIGHTEST` and `_WIDEST` of the frame's height.
5. **The subject on a third**, the one it is nearer to, **and the horizon on a third**: the lower
   one when the subject's middle stands above the horizon, else the upper one.
6. **Nothing cut.** The crop slides, then shrinks, until it lies within what step 2 left.

`at_random` is the control: crops that the same rule made for some other scene, of which nothing in
the picture tells.
"""

from dataclasses import dataclass

import numpy as np

from cropperhead.demo.scenes import FORMATS, Scene, plan
from cropperhead.geometry.crops import Crop, Floats, Rectangle, inside_frame

LIMIT_NOISE = 0.016  # standard deviation of a person's hand, as a fraction of the frame's side
ANGLE_NOISE_DEG = 0.3
_FILL = 0.38
_TIGHTEST, _WIDEST = 0.66, 0.96
_CLEAR_OF_CLUTTER = 0.012  # of the frame's side, kept between a crop and the clutter


@dataclass(frozen=True)
class _Room:
    """The part of the frame that no clutter reaches, in pixels from the frame's centre."""

    left: float
    top: float
    right: float
    bottom: float


def by_rule(scene: Scene) -> Crop:
    """The crop that the rule gives a scene, without a person's noise."""
    width, height = scene.width, scene.height
    room = _room(scene)
    crop_width, crop_height = _fitting(scene, room, *_size(scene))
    x, y = _on_thirds(scene, crop_width, crop_height)
    x, y = _slid(scene, room, crop_width, crop_height, x, y)
    box = Rectangle(x + width / 2, y + height / 2, crop_width, crop_height, scene.tilt)
    return Crop.from_rectangle(box, width, height)


def by_hand(crop: Crop, aspect: float, rng: np.random.Generator) -> Crop:
    """A crop as a person would draw it: every limit a little off, the angle too where there is one.

    `aspect` is the frame's width / height; the crop stays within the frame.
    """
    limits = crop.limits()
    limits[:4] += np.clip(rng.normal(0, LIMIT_NOISE, 4), -2.5 * LIMIT_NOISE, 2.5 * LIMIT_NOISE)
    limits[:4] = np.clip(limits[:4], 0, 1)
    angle_noise = float(rng.normal(0, ANGLE_NOISE_DEG))
    limits[4] = round(limits[4] + angle_noise, 2) if crop.angle else 0.0
    return Crop(*map(float, inside_frame(limits[None], [aspect])[0]))


def at_random(rng: np.random.Generator, setting: str) -> Crop:
    """The rule's crop of another scene, which fits into a frame of any of the formats.

    It fits all of them, so that not even the photo's own format tells anything about it.
    """
    limits: Floats = by_rule(plan(rng, setting)).limits()[None]
    for width, height in FORMATS:
        limits = inside_frame(limits, [width / height])
    return Crop(*map(float, limits[0]))


def _room(scene: Scene) -> _Room:
    taken = {clutter.side: clutter.reach + _CLEAR_OF_CLUTTER for clutter in scene.clutter}
    return _Room(
        left=scene.width * (taken.get("left", 0.0) - 0.5),
        top=scene.height * (taken.get("top", 0.0) - 0.5),
        right=scene.width * (0.5 - taken.get("right", 0.0)),
        bottom=scene.height * (0.5 - taken.get("bottom", 0.0)),
    )


def _aspect(scene: Scene) -> float:
    subject, own = scene.subject, scene.width / scene.height
    if subject.kind == "balloon":
        return 1.0
    if own < 1 and subject.width <= 1:
        return 4 / 5
    if own > 1 and subject.height < 0.2:
        return 16 / 9
    return own


def _size(scene: Scene) -> tuple[float, float]:
    """The crop's width and height in pixels, before anything limits them."""
    subject, aspect = scene.subject, _aspect(scene)
    share = float(np.clip(subject.height / _FILL, _TIGHTEST, _WIDEST))
    height = share * scene.height
    needed = subject.height * subject.width * scene.height * 1.25  # a little air at both sides
    return max(height * aspect, needed), max(height, needed / aspect)


def _fitting(scene: Scene, room: _Room, width: float, height: float) -> tuple[float, float]:
    """The size, shrunk until a box that is turned with the horizon fits into the room."""
    cosine, sine = _cos_sin(scene)
    scale = min(
        1.0,
        (room.right - room.left) / (width * cosine + height * abs(sine)),
        (room.bottom - room.top) / (width * abs(sine) + height * cosine),
    )
    return width * scale, height * scale


def _on_thirds(scene: Scene, width: float, height: float) -> tuple[float, float]:
    """The crop's centre in the level scene, in pixels from the frame's centre."""
    subject = scene.subject
    x = (subject.x - 0.5) * scene.width
    aside = width / 6 if subject.x < 0.5 else -width / 6
    horizon = (scene.horizon - 0.5) * scene.height
    foot = (subject.foot - 0.5) * scene.height
    top = foot - subject.height * scene.height
    above = (top + foot) / 2 < horizon
    y = horizon - height / 6 if above else horizon + height / 6
    # the whole subject, with some air above its head and below its feet
    lowest, highest = top - 0.08 * height + height / 2, foot + 0.08 * height - height / 2
    return x + aside, float(np.clip(y, min(lowest, highest), max(lowest, highest)))


def _slid(
    scene: Scene, room: _Room, width: float, height: float, x: float, y: float
) -> tuple[float, float]:
    """The centre in the tilted frame, moved so that the whole crop lies within the room."""
    cosine, sine = _cos_sin(scene)
    across, down = cosine * x - sine * y, sine * x + cosine * y
    half_x = (width * cosine + height * abs(sine)) / 2
    half_y = (width * abs(sine) + height * cosine) / 2
    return (
        min(max(across, room.left + half_x), room.right - half_x),
        min(max(down, room.top + half_y), room.bottom - half_y),
    )


def _cos_sin(scene: Scene) -> tuple[float, float]:
    radians = np.deg2rad(scene.tilt)
    return float(np.cos(radians)), float(np.sin(radians))
