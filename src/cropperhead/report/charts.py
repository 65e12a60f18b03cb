"""The report's charts as plain numbers: axes, histograms, curves and forest plots.

Templates draw them as SVG, `chart_images` with Matplotlib. Places are percentages of the drawing
area, x from the left and y from the top, so that a chart fits any screen while its text keeps its
size.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cropperhead.evaluation.number_text import format_number
from cropperhead.geometry.crops import Floats
from cropperhead.stats import Interval

LIMIT_NAMES = ("Top", "Left", "Bottom", "Right", "Angle")
_CURVES = (
    ("Loss", (("loss", "training"), ("validation_loss", "validation"))),
    ("Overlap on validation photos", (("validation_iou", "validation"),)),
    ("Learning rate", (("learning_rate", "training"),)),
)
CURVE_NAMES = {"training": "training photos", "validation": "validation photos"}
BINS = 17  # odd, so that an angle of 0 is in the middle of a bin
_TICKS = 4  # a chart, roughly: as many as fit below it on a phone
_ROUND_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Axis:
    """A range of values with round ticks."""

    low: float
    high: float
    ticks: tuple[Tick, ...]

    def at(self, value: float) -> float:
        """Locate a value, as a percentage of the axis from its low end."""
        return round((value - self.low) / (self.high - self.low) * 100, 2)


@dataclass(frozen=True)
class Line:
    """One series: `key` chooses its style, `points` are those of an SVG polyline."""

    key: str
    points: str


@dataclass(frozen=True)
class Chart:
    """Lines over two axes.

    `captions` describes what the line of each key shows; `mark` is a place on the x axis.
    """

    title: str
    captions: tuple[tuple[str, str], ...]
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    mark: float | None = None


@dataclass(frozen=True)
class Bar:
    """An estimate with its interval, for a forest plot; `key` chooses its style."""

    key: str
    label: str
    mean: float
    low: float
    high: float

    @property
    def is_drawn(self) -> bool:
        """Whether there is an interval to draw."""
        return math.isfinite(self.mean + self.low + self.high)


@dataclass(frozen=True)
class Forest:
    """Estimates over one axis; `reference` is a place on it to compare them with."""

    axis: Axis
    bars: tuple[Bar, ...]
    reference: float | None


def axis(values: ArrayLike, unit: str = "", step_at_least: float = 0.0) -> Axis:
    """Choose a round axis around all finite values; one value, or none, gets a range, too."""
    low, high = _range(np.asarray(values, dtype=float))
    step = max(_round_step((high - low) / _TICKS), step_at_least)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [
        Tick(round((index - first) / (last - first) * 100, 2), _tick(index * step, step) + unit)
        for index in range(first, last + 1)
    ]
    return Axis(first * step, last * step, tuple(ticks))


def histograms(limits: Mapping[str, Floats]) -> tuple[Chart, ...]:
    """Chart the distribution of each of the five limits, with a line for each cropper.

    `limits` are (n, 5) for each cropper, in drawing order. The y axis is the percentage of photos
    in a bin.
    """
    columns = range(len(LIMIT_NAMES)) if limits else ()
    return tuple(_histogram(column, limits) for column in columns)


def curves(history: pd.DataFrame) -> tuple[Chart, ...]:
    """Chart the training, for each metric that `history` has; one row an epoch."""
    charts = [_curve(title, columns, history) for title, columns in _CURVES]
    return tuple(chart for chart in charts if chart.lines)


def histogram_percent(values: Floats, edges: Floats, total: int | None = None) -> Floats:
    """Compute the percentage of values in each bin, out of `total` or of all of them."""
    count = len(values) if total is None else total
    return np.asarray(np.histogram(values, edges)[0] / max(count, 1) * 100)


def bar(key: str, label: str, interval: Interval | None) -> Bar:
    """Make the bar of an estimate; one that is not drawn where there is none."""
    values = interval or Interval(math.nan, math.nan, math.nan)
    return Bar(key, label, values.mean, values.low, values.high)


def best_epoch(history: pd.DataFrame) -> int | None:
    """Return the epoch with the smallest validation loss, whose weights are kept."""
    if "validation_loss" not in history or not np.isfinite(history["validation_loss"]).any():
        return None
    row = int(np.nanargmin(np.asarray(history["validation_loss"], dtype=float)))
    return int(history["epoch"].iloc[row]) if "epoch" in history else row + 1


def forest(
    bars: Sequence[Bar], reference: float | None, also_within: Sequence[float] = ()
) -> Forest:
    """Arrange finite estimates on one axis, which includes the values of `also_within`."""
    shown = tuple(bar for bar in bars if bar.is_drawn)
    ends = [value for bar in shown for value in (bar.low, bar.mean, bar.high)]
    scale = axis([*ends, *also_within])
    if reference is None or not math.isfinite(reference):
        return Forest(scale, shown, None)
    return Forest(scale, shown, scale.at(reference))


def _histogram(column: int, limits: Mapping[str, Floats]) -> Chart:
    is_angle = LIMIT_NAMES[column] == "Angle"
    values = {key: _finite(rows[:, column]) for key, rows in limits.items()}
    everything = np.concatenate([*values.values(), np.zeros(0)])
    # an angle of 0 is in the middle, so that a habit of tilting to one side shows
    across = axis(
        np.concatenate([everything, -everything]) if is_angle else everything, "°" * is_angle
    )
    shares = {key: _bin_percentages(part, across) for key, part in values.items()}
    up = axis([0.0, *(share.max() for share in shares.values())], " %")
    lines = [Line(key, _steps(share, up)) for key, share in shares.items()]
    captions = tuple((key, _describe_spread(part, is_angle)) for key, part in values.items())
    return Chart(LIMIT_NAMES[column], captions, across, up, tuple(lines))


def _bin_percentages(values: Floats, across: Axis) -> Floats:
    edges = np.linspace(across.low, across.high, BINS + 1)
    inside = np.clip(values, across.low, across.high)  # an axis may end a last digit too early
    return histogram_percent(inside, edges)


def _curve(title: str, columns: Sequence[tuple[str, str]], history: pd.DataFrame) -> Chart:
    epochs = np.arange(1, len(history) + 1) if "epoch" not in history else history["epoch"]
    series = {
        key: np.asarray(history[name], dtype=float)
        for name, key in columns
        if name in history and np.isfinite(history[name]).any()
    }
    across = axis(np.asarray(epochs, dtype=float), step_at_least=1.0)
    up = axis([value for values in series.values() for value in values])
    places = [across.at(float(epoch)) for epoch in epochs]
    lines = [Line(key, _polyline(places, values, up)) for key, values in series.items()]
    captions = tuple(
        (key, f"from {_four_digits(values[0])} to {_four_digits(values[-1])}")
        for key, values in ((key, _finite(values)) for key, values in series.items())
    )
    best = best_epoch(history)
    return Chart(
        title, captions, across, up, tuple(lines), None if best is None else across.at(best)
    )


def _four_digits(value: float) -> str:
    return np.format_float_positional(value, precision=4, fractional=False, trim="-")


def _polyline(places: Sequence[float], values: Floats, up: Axis) -> str:
    points = [
        f"{x:g},{100 - up.at(float(y)):g}"
        for x, y in zip(places, values, strict=True)
        if math.isfinite(y)
    ]
    return " ".join(points * 2 if len(points) == 1 else points)  # one point, twice: a dot


def _steps(shares: Floats, up: Axis) -> str:
    """Outline a histogram, from the axis up and back to it."""
    edges = np.linspace(0, 100, len(shares) + 1)
    x = np.repeat(edges, 2)
    y = np.concatenate([[0.0], np.repeat(shares, 2), [0.0]])
    return " ".join(f"{a:.4g},{100 - up.at(float(b)):g}" for a, b in zip(x, y, strict=True))


def _describe_spread(values: Floats, is_angle: bool) -> str:
    if not len(values):
        return "none"
    digits, unit = (1, "°") if is_angle else (2, "")
    low, median, high = (
        format_number(part, digits, unit=unit) for part in np.percentile(values, [25, 50, 75])
    )
    return f"median {median}, middle half {low} to {high}"


def _range(values: Floats) -> tuple[float, float]:
    finite = _finite(values) if np.isfinite(values).any() else np.zeros(1)
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high - low > 1e-9 else (low - 0.5, high + 0.5)


def _round_step(step: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor for factor in _ROUND_STEPS if factor * power >= step * (1 - 1e-9)) * power


def _tick(value: float, step: float) -> str:
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return format_number(value, digits) if digits <= 4 else f"{value:.2g}"


def _finite(values: Floats) -> Floats:
    return values[np.isfinite(values)]
