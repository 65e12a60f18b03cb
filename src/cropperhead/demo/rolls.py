"""Plans each photo of the demo library: its path, its time, and how its crop is stored.

A photo depends only on the library's seed and its own number, so adding photos changes none. A roll
of 15 photos shares a setting, a month and a camera; about half of the rolls have a burst of two or
three frames.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

import numpy as np

from cropperhead.demo.composition import add_hand_noise, crop_by_rule, random_crop
from cropperhead.demo.scenes import Scene, plan_scene
from cropperhead.demo.settings import SETTINGS
from cropperhead.geometry.crops import Crop
from cropperhead.geometry.orientation import UPRIGHT

ROLL = 15
_ROLLS_A_YEAR = 5
_FIRST_YEAR = 2021
_MONTHS: Mapping[str, int] = {
    "winter": 1,
    "desert": 3,
    "hills": 4,
    "meadow": 5,
    "coast": 6,
    "mountains": 7,
    "savanna": 8,
    "lake": 9,
    "forest": 10,
    "city": 11,
}
_HOURS: Mapping[str, int] = {
    "dawn": 6,
    "day": 12,
    "overcast": 14,
    "golden": 18,
    "dusk": 20,
    "night": 22,
}
_CAMERAS = (("FUJIFILM", "X-T4"), ("NIKON CORPORATION", "NIKON Z 6"), ("Canon", "Canon EOS R6"))
_UNCROPPED, _TURNED, _SIDECAR = 0.12, 0.12, 0.34
_TURNS = (6, 8, 3, 2, 4, 5, 7)
_TURN_SHARES = (0.38, 0.34, 0.16, 0.03, 0.03, 0.03, 0.03)
_ENDINGS = (".jpg", ".JPG", ".png", ".tif")
_ENDING_SHARES = (0.88, 0.095, 0.0125, 0.0125)


@dataclass(frozen=True)
class DemoPhoto:
    """One photo of the library. `crop` is None if it is not cropped."""

    path: str  # in the library, forward slashes
    scene: Scene
    crop: Crop | None
    orientation: int  # EXIF
    capture_time: datetime
    camera: tuple[str, str]  # make and model
    sidecar: bool
    elements: bool  # whether the XMP has elements rather than attributes
    uncropped_form: int  # which metadata an uncropped photo has, 0 to 3
    grain_seed: int


def plan_photo(seed: int, policy: str, number: int) -> DemoPhoto:
    """Plan photo `number` of the library with that seed; policy is "rule" or "random"."""
    roll, first = number // ROLL, _burst_start(seed, number)
    setting, year = _setting(seed, roll), _FIRST_YEAR + roll // _ROLLS_A_YEAR
    rng = np.random.default_rng([seed, number, 1])
    scene = plan_scene(np.random.default_rng([seed, first, 0]), setting)
    scene = _next_frame(scene, rng) if number > first else scene
    ending = str(rng.choice(_ENDINGS, p=_ENDING_SHARES))
    turned = rng.random() < _TURNED and ending.lower() == ".jpg"
    turn = int(rng.choice(_TURNS, p=_TURN_SHARES))
    uncropped = rng.random() < _UNCROPPED
    crop = _crop(scene, policy, rng)
    name = f"IMG_{(412 + number + 31 * roll) % 10000:04d}"  # cameras go on counting between rolls
    return DemoPhoto(
        path=f"{year}/{_MONTHS[setting]:02d}-{setting}/{name}{ending}",
        scene=scene,
        crop=None if uncropped else crop,
        orientation=turn if turned else UPRIGHT,
        capture_time=_capture_time(scene, year, _MONTHS[setting], first % ROLL, number - first),
        camera=_CAMERAS[roll % len(_CAMERAS)],
        sidecar=bool(rng.random() < _SIDECAR),
        elements=bool(rng.random() < 0.5),
        uncropped_form=int(rng.integers(4)),
        grain_seed=int(rng.integers(2**31)),
    )


def _crop(scene: Scene, policy: str, rng: np.random.Generator) -> Crop:
    if policy == "rule":
        return add_hand_noise(crop_by_rule(scene), scene.width / scene.height, rng)
    setting = tuple(SETTINGS)[rng.integers(len(SETTINGS))]
    return add_hand_noise(random_crop(rng, setting), scene.width / scene.height, rng)


@cache
def _setting(seed: int, roll: int) -> str:
    """Return a roll's setting: a year has five different ones, in the order of the calendar."""
    year, place = divmod(roll, _ROLLS_A_YEAR)
    decade, half = divmod(year, 2)
    order = np.random.default_rng([seed, decade, 2]).permutation(list(SETTINGS))
    names = [str(name) for name in order[half * _ROLLS_A_YEAR :][:_ROLLS_A_YEAR]]
    names.sort(key=_MONTHS.__getitem__)
    return names[place]


def _burst_start(seed: int, number: int) -> int:
    """Return the first photo of a photo's burst: itself if it is in none."""
    roll, place = divmod(number, ROLL)
    rng = np.random.default_rng([seed, roll, 3])
    start, length = int(rng.integers(2, ROLL - 3)), int(rng.integers(2, 4))
    if rng.random() < 0.5 and start <= place < start + length:
        return roll * ROLL + start
    return number


def _next_frame(scene: Scene, rng: np.random.Generator) -> Scene:
    """Return the same scene a second later, with the camera held a little differently."""
    aside, up = rng.uniform(-0.015, 0.015), rng.uniform(-0.008, 0.008)
    subject = replace(scene.subject, x=scene.subject.x + aside, foot=scene.subject.foot + up)
    # between the same whole degrees, so that the canvas has the same size
    most = math.ceil(abs(scene.tilt))
    tilt = min(max(abs(scene.tilt) + rng.uniform(-0.4, 0.4), most - 0.99), most) if most else 0.0
    return replace(
        scene,
        subject=subject,
        horizon=scene.horizon + up,
        lamp_x=scene.lamp_x + aside,
        lamp_y=scene.lamp_y + up,
        tilt=round(math.copysign(tilt, scene.tilt), 2),
    )


def _capture_time(scene: Scene, year: int, month: int, place: int, later: int) -> datetime:
    """Return the time: four photos a day, at an hour that fits the light, a burst 1 s apart."""
    start = datetime(
        year, month, 5 + place // 4, _HOURS[scene.light], 3 + 3 * place, scene.seed % 50
    )
    return start + timedelta(seconds=later)
