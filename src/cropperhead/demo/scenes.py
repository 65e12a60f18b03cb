"""Plans a scene before it is painted; the crop rule and the painter both use the plan.

Places are fractions of the photo's frame, in the *level* scene about the frame's centre. `tilt` is
the rotation of the scene on screen by the camera, in degrees clockwise. Only clutter is measured in
the tilted frame, because it enters at that frame's sides.
"""

from dataclasses import dataclass

import numpy as np

from cropperhead.demo.settings import (
    BOTTOM_CLUTTER,
    KINDS,
    LAMP_HEIGHTS,
    SETTINGS,
    TOP_CLUTTER,
    Setting,
)

FORMATS = ((1200, 800), (1200, 900), (1200, 675), (800, 1200), (900, 1200))
_FORMAT_SHARES = (0.56, 0.12, 0.08, 0.18, 0.06)
_SIDES = ("left", "right", "top", "bottom")
_CLUTTER_SHARES = (0.22, 0.5, 0.28)  # of photos with 0, 1 and 2 pieces of clutter
_TILTED_SHARE, _TILTS_DEG = 0.36, (1.5, 6.0)
_IN_UPRIGHT = 0.68  # height of a subject in an upright photo, relative to a wide one
_WIDEST = 0.72  # the largest width of a subject, as a fraction of the frame's
_AIR = 0.1  # the least space above a subject, as a fraction of the frame's height


@dataclass(frozen=True)
class Subject:
    """The subject of a photo. It stands at `x` and `foot`, and is `height` high."""

    kind: str
    x: float
    foot: float
    height: float
    facing: int  # 1 looks right, -1 left

    @property
    def width(self) -> float:
        """Return the width, in units of the height in pixels."""
        return KINDS[self.kind].width


@dataclass(frozen=True)
class Clutter:
    """Something distracting at a side of the frame, of which it covers the share `reach`."""

    kind: str
    side: str
    reach: float
    along: float  # its place along the side, 0 to 1


@dataclass(frozen=True)
class Scene:
    """Everything that is decided before painting; the rest depends on `seed`."""

    width: int
    height: int
    tilt: float
    setting: str
    light: str
    weather: str
    horizon: float
    lamp_x: float
    lamp_y: float
    subject: Subject
    companion: Subject | None
    clutter: tuple[Clutter, ...]
    seed: int


def plan_scene(rng: np.random.Generator, setting: str) -> Scene:
    """Plan a random scene of a setting."""
    kinds = SETTINGS[setting]
    width, height = FORMATS[rng.choice(len(FORMATS), p=_FORMAT_SHARES)]
    horizon = rng.uniform(*kinds.horizon)
    light, weather = _sky(rng, kinds)
    subject = _subject(rng, choose(rng, kinds.subjects), horizon, width / height)
    return Scene(
        width=width,
        height=height,
        tilt=_tilt(rng),
        setting=setting,
        light=light,
        weather=weather,
        horizon=horizon,
        lamp_x=rng.uniform(0.1, 0.9),
        lamp_y=horizon - rng.uniform(*LAMP_HEIGHTS[light]),
        subject=subject,
        companion=_companion(rng, subject, horizon),
        clutter=_clutter(rng, kinds, _distances(subject, width / height)),
        seed=int(rng.integers(2**32)),
    )


def choose(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    """Choose one of some names."""
    return choices[rng.integers(len(choices))]


def _sky(rng: np.random.Generator, setting: Setting) -> tuple[str, str]:
    """Choose light and weather; there is no sun on a rainy day."""
    light, weather = choose(rng, setting.lights), choose(rng, setting.weather)
    return ("overcast" if weather == "rain" and light in ("day", "dawn") else light), weather


def _tilt(rng: np.random.Generator) -> float:
    tilted, turn, way = rng.random() < _TILTED_SHARE, rng.uniform(*_TILTS_DEG), rng.choice([-1, 1])
    return round(float(turn * way), 2) if tilted else 0.0


def _subject(rng: np.random.Generator, name: str, horizon: float, aspect: float) -> Subject:
    kind = KINDS[name]
    size = rng.uniform(kind.lowest, kind.highest) * (1.0 if aspect > 1 else _IN_UPRIGHT)
    size = min(size, _WIDEST * aspect / kind.width)
    # not in the middle, and entirely in the picture
    room = 0.47 - size * kind.width / aspect / 2
    away = min(rng.uniform(0.15, 0.32), room) * rng.choice([-1, 1])
    below, above = rng.uniform(0.04, 0.18), rng.uniform(0.02, 0.12)
    foot = horizon - above if name == "balloon" else horizon + below
    inwards = rng.random() < 0.75
    return Subject(
        kind=name,
        x=float(0.5 + away),
        foot=float(foot),
        height=float(min(size, foot - _AIR)),
        facing=int(np.sign(away)) * (-1 if inwards else 1),
    )


def _companion(rng: np.random.Generator, subject: Subject, horizon: float) -> Subject | None:
    """Choose something smaller and farther away on the other side, or nothing."""
    name, has_companion = KINDS[subject.kind].companion, rng.random() < 0.3
    size, near = rng.uniform(0.22, 0.36), rng.uniform(0.12, 0.3)
    aside = rng.uniform(0.2, 0.45) * (1 if subject.x < 0.5 else -1)
    facing = subject.facing if rng.random() < 0.7 else -subject.facing
    if not (name and has_companion):
        return None
    scale = KINDS[name].highest / KINDS[subject.kind].highest
    foot = horizon + (subject.foot - horizon) * (near if name != "balloon" else 1.5 + near)
    return Subject(name, subject.x + aside, foot, subject.height * scale * size, facing)


def _clutter(
    rng: np.random.Generator, setting: Setting, room: dict[str, float]
) -> tuple[Clutter, ...]:
    sides = rng.permutation(_SIDES)[: rng.choice(3, p=_CLUTTER_SHARES)]
    kinds = {"top": TOP_CLUTTER, "bottom": BOTTOM_CLUTTER}
    candidates = [
        Clutter(
            kind=choose(rng, kinds.get(side, setting.clutter)),
            side=side,
            reach=float(rng.uniform(0.1, 0.2)),
            along=float(rng.random()),
        )
        for side in sorted(map(str, sides))
    ]
    return tuple(clutter for clutter in candidates if clutter.reach < room[clutter.side] - 0.03)


def _distances(subject: Subject, aspect: float) -> dict[str, float]:
    """Return the subject's distance from each side of the frame."""
    half = subject.height * subject.width / aspect / 2
    return {
        "left": subject.x - half,
        "right": 1 - subject.x - half,
        "top": subject.foot - subject.height,
        "bottom": 1 - subject.foot,
    }
