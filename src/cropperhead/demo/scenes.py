"""What a scene holds, before a pixel is painted: the plan that the crop rule and the painter share.

Places are fractions of the photo's frame, in the *level* scene about the frame's centre; `tilt` is
how far the camera then turned the scene on screen, in degrees clockwise. Clutter alone is measured
in the tilted frame itself, because it is there that it comes in.
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
_CLUTTER_SHARES = (0.22, 0.5, 0.28)  # of photos with none, one and two pieces of clutter
_TILTED_SHARE, _TILTS_DEG = 0.36, (1.5, 6.0)
_IN_UPRIGHT = 0.68  # how high a subject is in an upright photo, compared with a wide one
_WIDEST = 0.72  # of the frame's width, at most, that a subject takes
_AIR = 0.1  # of the frame's height, at least, above a subject


@dataclass(frozen=True)
class Subject:
    """What the photo is of. `x` and `foot` are where it stands, `height` how high it is."""

    kind: str
    x: float
    foot: float
    height: float
    facing: int  # 1 looks right, -1 left

    @property
    def width(self) -> float:
        """How wide it is, in units of its height in pixels."""
        return KINDS[self.kind].width


@dataclass(frozen=True)
class Clutter:
    """Something at a side of the frame that does not belong, reaching `reach` of it inwards."""

    kind: str
    side: str
    reach: float
    along: float  # where it is along its side, 0 to 1


@dataclass(frozen=True)
class Scene:
    """All that is decided before painting; `seed` decides the rest."""

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


def plan(rng: np.random.Generator, setting: str) -> Scene:
    """Draws a scene of a setting."""
    kinds = SETTINGS[setting]
    width, height = FORMATS[rng.choice(len(FORMATS), p=_FORMAT_SHARES)]
    horizon = rng.uniform(*kinds.horizon)
    light, weather = _sky(rng, kinds)
    subject = _subject(rng, one(rng, kinds.subjects), horizon, width / height)
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
        clutter=_clutter(rng, kinds, _room_about(subject, width / height)),
        seed=int(rng.integers(2**32)),
    )


def one(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    """One of some names."""
    return choices[rng.integers(len(choices))]


def _sky(rng: np.random.Generator, setting: Setting) -> tuple[str, str]:
    """Light and weather; rain takes the sun out of a day."""
    light, weather = one(rng, setting.lights), one(rng, setting.weather)
    return ("overcast" if weather == "rain" and light in ("day", "dawn") else light), weather


def _tilt(rng: np.random.Generator) -> float:
    tilted, turn, way = rng.random() < _TILTED_SHARE, rng.uniform(*_TILTS_DEG), rng.choice([-1, 1])
    return round(float(turn * way), 2) if tilted else 0.0


def _subject(rng: np.random.Generator, name: str, horizon: float, aspect: float) -> Subject:
    kind = KINDS[name]
    size = rng.uniform(kind.lowest, kind.highest) * (1.0 if aspect > 1 else _IN_UPRIGHT)
    size = min(size, _WIDEST * aspect / kind.width)
    # off the middle, and whole in the picture
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
    """Something smaller and farther off, on the other side, in some photos."""
    name, wanted = KINDS[subject.kind].companion, rng.random() < 0.3
    size, near = rng.uniform(0.22, 0.36), rng.uniform(0.12, 0.3)
    aside = rng.uniform(0.2, 0.45) * (1 if subject.x < 0.5 else -1)
    facing = subject.facing if rng.random() < 0.7 else -subject.facing
    if not (name and wanted):
        return None
    scale = KINDS[name].highest / KINDS[subject.kind].highest
    foot = horizon + (subject.foot - horizon) * (near if name != "balloon" else 1.5 + near)
    return Subject(name, subject.x + aside, foot, subject.height * scale * size, facing)


def _clutter(
    rng: np.random.Generator, setting: Setting, room: dict[str, float]
) -> tuple[Clutter, ...]:
    sides = rng.permutation(_SIDES)[: rng.choice(3, p=_CLUTTER_SHARES)]
    kinds = {"top": TOP_CLUTTER, "bottom": BOTTOM_CLUTTER}
    drawn = [
        Clutter(
            kind=one(rng, kinds.get(side, setting.clutter)),
            side=side,
            reach=float(rng.uniform(0.1, 0.2)),
            along=float(rng.random()),
        )
        for side in sorted(map(str, sides))
    ]
    return tuple(clutter for clutter in drawn if clutter.reach < room[clutter.side] - 0.03)


def _room_about(subject: Subject, aspect: float) -> dict[str, float]:
    """How far from each side of the frame the subject stays."""
    half = subject.height * subject.width / aspect / 2
    return {
        "left": subject.x - half,
        "right": 1 - subject.x - half,
        "top": subject.foot - subject.height,
        "bottom": 1 - subject.foot,
    }
