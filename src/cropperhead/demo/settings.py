"""The kinds of landscapes and subjects in scenes."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """A kind of landscape, with its possible subjects, lights and weather.

    `horizon` is the range of its height in the frame, `clutter` what may be at the sides.
    """

    subjects: tuple[str, ...]
    lights: tuple[str, ...]
    weather: tuple[str, ...]
    horizon: tuple[float, float]
    clutter: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of subject.

    `lowest` to `highest` is its height in a wide photo, as a fraction of the frame's; `width` is in
    units of its height; `companion` is what may be farther away in the same photo.
    """

    lowest: float
    highest: float
    width: float
    companion: str = ""


SETTINGS: Mapping[str, Setting] = {
    "mountains": Setting(
        subjects=("hiker", "cabin", "deer", "conifer", "tent", "balloon"),
        lights=("day", "day", "golden", "dawn", "dusk", "night"),
        weather=("clear", "clear", "clouds", "fog"),
        horizon=(0.44, 0.68),
        clutter=("post", "trunk", "sign", "bush"),
    ),
    "lake": Setting(
        subjects=("canoe", "sailboat", "heron"),
        lights=("day", "day", "golden", "dawn", "dusk", "night"),
        weather=("clear", "clouds", "fog"),
        horizon=(0.36, 0.6),
        clutter=("trunk", "bush", "post"),
    ),
    "coast": Setting(
        subjects=("lighthouse", "sailboat", "walker", "umbrella", "heron"),
        lights=("day", "day", "golden", "dawn", "dusk", "night", "overcast"),
        weather=("clear", "clouds", "clouds", "rain"),
        horizon=(0.34, 0.66),
        clutter=("post", "lamp", "bin", "shoulder"),
    ),
    "desert": Setting(
        subjects=("cactus", "camel", "hiker", "balloon", "tent"),
        lights=("day", "day", "golden", "dawn", "dusk", "night"),
        weather=("clear", "clear", "clouds"),
        horizon=(0.4, 0.66),
        clutter=("sign", "post", "car"),
    ),
    "hills": Setting(
        subjects=("tree", "barn", "windmill", "cyclist", "balloon", "horse"),
        lights=("day", "day", "golden", "dawn", "dusk", "overcast"),
        weather=("clear", "clouds", "clouds", "rain", "fog"),
        horizon=(0.38, 0.66),
        clutter=("post", "sign", "car", "bush"),
    ),
    "city": Setting(
        subjects=("umbrella", "cyclist", "walker", "sailboat", "balloon"),
        lights=("dusk", "night", "golden", "overcast", "dawn"),
        weather=("clear", "clouds", "rain"),
        horizon=(0.42, 0.66),
        clutter=("lamp", "bin", "sign", "car", "shoulder"),
    ),
    "forest": Setting(
        subjects=("deer", "umbrella", "tent", "hiker", "walker"),
        lights=("day", "golden", "dawn", "overcast"),
        weather=("fog", "fog", "rain", "clear"),
        horizon=(0.48, 0.7),
        clutter=("trunk", "bush", "post"),
    ),
    "winter": Setting(
        subjects=("cabin", "deer", "hiker", "conifer", "walker"),
        lights=("day", "day", "dawn", "dusk", "night", "overcast"),
        weather=("clear", "clouds", "snow", "snow"),
        horizon=(0.42, 0.66),
        clutter=("post", "trunk", "sign", "car"),
    ),
    "savanna": Setting(
        subjects=("acacia", "giraffe", "elephant", "balloon"),
        lights=("golden", "golden", "dusk", "dawn", "day", "day"),
        weather=("clear", "clear", "clouds"),
        horizon=(0.48, 0.72),
        clutter=("post", "bush", "car", "trunk"),
    ),
    "meadow": Setting(
        subjects=("tree", "horse", "windmill", "walker", "barn"),
        lights=("day", "day", "golden", "dawn", "dusk"),
        weather=("clear", "clouds", "fog"),
        horizon=(0.38, 0.64),
        clutter=("post", "bush", "shoulder", "trunk"),
    ),
}

KINDS: Mapping[str, Kind] = {
    "hiker": Kind(0.17, 0.42, 0.4, "hiker"),
    "walker": Kind(0.17, 0.42, 0.4, "walker"),
    "umbrella": Kind(0.2, 0.45, 0.6),
    "cyclist": Kind(0.18, 0.36, 1.05, "cyclist"),
    "deer": Kind(0.2, 0.4, 0.85, "deer"),
    "horse": Kind(0.18, 0.34, 1.25, "horse"),
    "camel": Kind(0.2, 0.36, 1.1, "camel"),
    "giraffe": Kind(0.3, 0.52, 0.6, "giraffe"),
    "elephant": Kind(0.2, 0.36, 1.35, "elephant"),
    "heron": Kind(0.18, 0.38, 0.5),
    "cabin": Kind(0.16, 0.32, 1.5, "conifer"),
    "barn": Kind(0.16, 0.3, 1.5, "tree"),
    "tent": Kind(0.13, 0.24, 1.7, "hiker"),
    "canoe": Kind(0.09, 0.17, 3.0, "canoe"),
    "sailboat": Kind(0.22, 0.48, 0.8, "sailboat"),
    "lighthouse": Kind(0.3, 0.56, 0.6, "sailboat"),
    "windmill": Kind(0.28, 0.5, 0.8, "windmill"),
    "balloon": Kind(0.22, 0.42, 0.75, "balloon"),
    "tree": Kind(0.28, 0.54, 0.95, "tree"),
    "acacia": Kind(0.24, 0.44, 1.75, "elephant"),
    "conifer": Kind(0.28, 0.54, 0.5, "conifer"),
    "cactus": Kind(0.24, 0.46, 0.6, "cactus"),
}

# The height of the sun or moon above the horizon, as a fraction of the frame's height.
LAMP_HEIGHTS: Mapping[str, tuple[float, float]] = {
    "dawn": (0.03, 0.14),
    "day": (0.28, 0.42),
    "golden": (0.06, 0.18),
    "dusk": (0.01, 0.1),
    "night": (0.22, 0.4),
    "overcast": (0.25, 0.4),
}
TOP_CLUTTER = ("branch", "leaves")
BOTTOM_CLUTTER = ("grass", "rail", "wall")
