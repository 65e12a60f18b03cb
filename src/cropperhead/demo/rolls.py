"""Where each photo of the demo library lies, when it was taken, and how its crop is stored.

A photo is decided by the library's seed and its own number alone: more photos change none. Rolls of
15 share a setting, a month and a camera; about half of them hold a burst of two or three frames.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

import numpy as np

from cropperhead.demo.composition import at_random, by_hand, by_rule
from cropperhead.demo.scenes import Scene, plan
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
class Photo:
    """One photo of the library. `crop` is None where it is not cropped."""

    path: str  # in the library, forward slashes
    scene: Scene
    crop: Crop | None
    orientation: int  # EXIF, how its pixels lie in the file
    captured: datetime
    camera: tuple[str, str]  # make and model
    sidecar: bool
    elements: bool  # the XMP's spelling: elements rather than attributes
    says: int  # in which of four ways an uncropped photo says so
    grain_seed: int


def plan_photo(seed: int, policy: str, number: int) -> Photo:
    """Photo `number` of the library with that seed; policy is "rule" or "random"."""
    roll, first = number // ROLL, _burst_start(seed, number)
    setting, year = _setting(seed, roll), _FIRST_YEAR + roll // _ROLLS_A_YEAR
    rng = np.random.default_rng([seed, number, 1])
    scene = plan(np.random.default_rng([seed, first, 0]), setting)
    scene = _moved(scene, rng) if number > first else scene
    ending = str(rng.choice(_ENDINGS, p=_ENDING_SHARES))
    turned = rng.random() < _TURNED and ending.lower() == ".jpg"
    turn = int(rng.choice(_TURNS, p=_TURN_SHARES))
    uncropped = rng.random() < _UNCROPPED
    crop = _crop(scene, policy, rng)
    name = f"IMG_{(412 + number + 31 * roll) % 10000:04d}"  # cameras count on between rolls
    return Photo(
        path=f"{year}/{_MONTHS[setting]:02d}-{setting}/{name}{ending}",
        scene=scene,
        crop=None if uncropped else crop,
        orientation=turn if turned else UPRIGHT,
        captured=_captured(scene, year, _MONTHS[setting], first % ROLL, number - first),
        camera=_CAMERAS[roll % len(_CAMERAS)],
        sidecar=bool(rng.random() < _SIDECAR),
        elements=bool(rng.random() < 0.5),
        says=int(rng.integers(4)),
        grain_seed=int(rng.integers(2**31)),
    )


def _crop(scene: Scene, policy: str, rng: np.random.Generator) -> Crop:
    if policy == "rule":
        return by_hand(by_rule(scene), scene.width / scene.height, rng)
    setting = tuple(SETTINGS)[rng.integers(len(SETTINGS))]
    return by_hand(at_random(rng, setting), scene.width / scene.height, rng)


@cache
def _setting(seed: int, roll: int) -> str:
    """A year's five settings are drawn without repetition and follow the calendar."""
    year, place = divmod(roll, _ROLLS_A_YEAR)
    decade, half = divmod(year, 2)
    order = np.random.default_rng([seed, decade, 2]).permutation(list(SETTINGS))
    names = [str(name) for name in order[half * _ROLLS_A_YEAR :][:_ROLLS_A_YEAR]]
    names.sort(key=_MONTHS.__getitem__)
    return names[place]


def _burst_start(seed: int, number: int) -> int:
    """The first photo of the burst that a photo belongs to: itself where it stands alone."""
    roll, place = divmod(number, ROLL)
    rng = np.random.default_rng([seed, roll, 3])
    start, length = int(rng.integers(2, ROLL - 3)), int(rng.integers(2, 4))
    if rng.random() < 0.5 and start <= place < start + length:
        return roll * ROLL + start
    return number


def _moved(scene: Scene, rng: np.random.Generator) -> Scene:
    """The same scene a second later, the camera held a little differently."""
    aside, up = rng.uniform(-0.015, 0.015), rng.uniform(-0.008, 0.008)
    subject = replace(scene.subject, x=scene.subject.x + aside, foot=scene.subject.foot + up)
    # between the same whole degrees, so that the scene is painted on a canvas of the same size
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


def _captured(scene: Scene, year: int, month: int, place: int, later: int) -> datetime:
    """Four photos a day, at an hour that fits the light; a burst's frames one second apart."""
    start = datetime(
        year, month, 5 + place // 4, _HOURS[scene.light], 3 + 3 * place, scene.seed % 50
    )
    return start + timedelta(seconds=later)
