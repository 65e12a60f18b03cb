"""The crops of the imaginary photographer: a rule, and the noise of a person's hand.

The rule, in this order:

1. **Level the horizon.** The crop is rotated as much as the camera was.
2. **No clutter.** The crop stays in the part of the frame that no clutter reaches.
3. **Habitual aspects.** Upright subjects in upright photos 4:5, small subjects in wide photos
   16:9, balloons 1:1, everything else the photo's own.
4. **As tight as the subject allows.** The subject fills `_FILL` of the crop's height, but the crop
   keeps between `_TIGHTEST` and `_WIDEST` of the frame's height.
5. **The subject on a third**, the nearer one, **and the horizon on a third**: the lower one if the
   subject's middle is above the horizon, else the upper one.
6. **Nothing cut off.** The crop slides, then shrinks, until it is inside the area of step 2.

`random_crop` is the control: it applies the same rule to some other scene, so that the picture
contains nothing from which the crop could be predicted.
"""

from dataclasses import dataclass

import numpy as np

from cropperhead.demo.scenes import FORMATS, Scene, plan_scene
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


def crop_by_rule(scene: Scene) -> Crop:
    """Return the rule's crop of a scene, without a person's noise."""
    width, height = scene.width, scene.height
    room = _room(scene)
    crop_width, crop_height = _shrink_to_fit(scene, room, *_size(scene))
    x, y = _on_thirds(scene, crop_width, crop_height)
    x, y = _slide(scene, room, crop_width, crop_height, x, y)
    box = Rectangle(x + width / 2, y + height / 2, crop_width, crop_height, scene.tilt)
    return Crop.from_rectangle(box, width, height)


def add_hand_noise(crop: Crop, aspect: float, rng: np.random.Generator) -> Crop:
    """Add a person's inaccuracy to every limit, and to the angle unless it is 0.

    `aspect` is the frame's width / height; the crop stays inside the frame.
    """
    limits = crop.limits()
    limits[:4] += np.clip(rng.normal(0, LIMIT_NOISE, 4), -2.5 * LIMIT_NOISE, 2.5 * LIMIT_NOISE)
    limits[:4] = np.clip(limits[:4], 0, 1)
    angle_noise = float(rng.normal(0, ANGLE_NOISE_DEG))
    limits[4] = round(limits[4] + angle_noise, 2) if crop.angle else 0.0
    return Crop(*map(float, inside_frame(limits[None], [aspect])[0]))


def random_crop(rng: np.random.Generator, setting: str) -> Crop:
    """Return the rule's crop of another scene, shrunk to fit the frames of all formats.

    It fits all of them, so that not even the photo's own format gives a hint about it.
    """
    limits: Floats = crop_by_rule(plan_scene(rng, setting)).limits()[None]
    for width, height in FORMATS:
        limits = inside_frame(limits, [width / height])
    return Crop(*map(float, limits[0]))


def _room(scene: Scene) -> _Room:
    margins = {clutter.side: clutter.reach + _CLEAR_OF_CLUTTER for clutter in scene.clutter}
    return _Room(
        left=scene.width * (margins.get("left", 0.0) - 0.5),
        top=scene.height * (margins.get("top", 0.0) - 0.5),
        right=scene.width * (0.5 - margins.get("right", 0.0)),
        bottom=scene.height * (0.5 - margins.get("bottom", 0.0)),
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
    """Return the crop's width and height in pixels, before anything limits them."""
    subject, aspect = scene.subject, _aspect(scene)
    share = float(np.clip(subject.height / _FILL, _TIGHTEST, _WIDEST))
    height = share * scene.height
    needed = subject.height * subject.width * scene.height * 1.25  # a little space at both sides
    return max(height * aspect, needed), max(height, needed / aspect)


def _shrink_to_fit(scene: Scene, room: _Room, width: float, height: float) -> tuple[float, float]:
    """Shrink the size until a box that is rotated with the horizon fits into the room."""
    cosine, sine = _cos_sin(scene)
    scale = min(
        1.0,
        (room.right - room.left) / (width * cosine + height * abs(sine)),
        (room.bottom - room.top) / (width * abs(sine) + height * cosine),
    )
    return width * scale, height * scale


def _on_thirds(scene: Scene, width: float, height: float) -> tuple[float, float]:
    """Return the crop's centre in the level scene, in pixels from the frame's centre."""
    subject = scene.subject
    x = (subject.x - 0.5) * scene.width
    aside = width / 6 if subject.x < 0.5 else -width / 6
    horizon = (scene.horizon - 0.5) * scene.height
    foot = (subject.foot - 0.5) * scene.height
    top = foot - subject.height * scene.height
    above = (top + foot) / 2 < horizon
    y = horizon - height / 6 if above else horizon + height / 6
    # the whole subject, with some space above its head and below its feet
    lowest, highest = top - 0.08 * height + height / 2, foot + 0.08 * height - height / 2
    return x + aside, float(np.clip(y, min(lowest, highest), max(lowest, highest)))


def _slide(
    scene: Scene, room: _Room, width: float, height: float, x: float, y: float
) -> tuple[float, float]:
    """Return the centre in the tilted frame, moved so that the whole crop is inside the room."""
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
