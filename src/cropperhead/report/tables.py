"""The report's numbers as text: rows of its tables, and what they say in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cropperhead.evaluation.findings import Agreement, JudgeScore, Measure, Slice
from cropperhead.geometry.crops import Floats
from cropperhead.report import charts
from cropperhead.stats import Interval

Cell = tuple[str, str]  # a value, and what stands small below it

DASH = "–"
NO_SCORE: Cell = (DASH, "")
_LEANS = 2.0  # standard errors: less of a lean could be chance
_ARROWS = {"higher": "↑", "lower": "↓", "neither": ""}


@dataclass(frozen=True)
class Line:
    """A row of a table; `key` is that of its cropper, `bar` what is drawn beside the cells.

    `chance` is the p-value of the gain; a reference has no scores of its own.
    """

    key: str
    label: str
    cells: tuple[Cell, ...]
    bar: charts.Bar
    note: str = ""
    chance: str = ""
    is_reference: bool = False


@dataclass(frozen=True)
class Measured:
    """A measure of composition as a row: a cell for each of the croppers of the table."""

    name: str
    unit: str
    arrow: str
    meaning: str
    cells: tuple[Cell, ...]


def said(interval: Interval | None, digits: int, signed: bool = False, unit: str = "") -> Cell:
    """An estimate and its interval as text; a dash and nothing where it does not apply."""
    if interval is None or not math.isfinite(interval.mean):
        return NO_SCORE
    mean, low, high = (
        number(value, digits, signed) + unit
        for value in (interval.mean, interval.low, interval.high)
    )
    has_range = math.isfinite(interval.low) and math.isfinite(interval.high)
    return mean, f"{low} to {high}" if has_range else ""


def said_share(share: Interval | None) -> Cell:
    """A share and its interval in per cent."""
    if share is None:
        return NO_SCORE
    percent = Interval(share.mean * 100, share.low * 100, share.high * 100)
    return said(percent, 1, unit=" %")


def said_chance(chance: float | None) -> str:
    """A p-value as text; nothing where none was asked for."""
    if chance is None or not math.isfinite(chance):
        return ""
    if chance < 0.001:
        return "p < 0.001"
    return f"p = {chance:.3f}" if chance < 0.1 else f"p = {chance:.2f}"


def number(value: float, digits: int, signed: bool = False) -> str:
    """A number for people: a real minus sign, and none before zero."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return ("−" if value < 0 else "+" if signed else "") + text


def bar(key: str, label: str, interval: Interval | None) -> charts.Bar:
    """What a strip draws; nothing where there is no interval."""
    values = interval or Interval(math.nan, math.nan, math.nan)
    return charts.Bar(key, label, values.mean, values.low, values.high)


def of_slices(slices: Sequence[Slice]) -> dict[str, list[Line]]:
    """The parts of the test photos by what tells them apart: photos, overlap and gain."""
    lines: dict[str, list[Line]] = {}
    for part in slices:
        cells = (f"{part.photos:,}", ""), said(part.overlap, 3), said(part.gain, 3, signed=True)
        label = f"{part.by}, {part.part}"
        drawn = bar("cnn", label, part.gain)
        lines.setdefault(part.by, []).append(Line("cnn", part.part, cells, drawn))
    return lines


def of_judged(judged: Sequence[JudgeScore], labels: Mapping[str, str]) -> list[Line]:
    """How well the blind judge does against each cropper, with what that means."""
    return [
        Line(
            one.cropper,
            label := labels.get(one.cropper, one.cropper),
            (said(one.auc, 2),),
            bar(one.cropper, label, one.auc),
            _told_apart(one.auc),
        )
        for one in judged
    ]


def of_agreements(agreements: Sequence[Agreement], labels: Mapping[str, str]) -> list[Line]:
    """Each cropper's overlap with several people: the mean, and the closest of them."""
    return [
        Line(
            one.cropper,
            label := labels.get(one.cropper, one.cropper),
            (said(one.mean, 3), said(one.best, 3)),
            bar(one.cropper, label, one.mean),
        )
        for one in agreements
    ]


def of_measures(measures: Sequence[Measure]) -> tuple[tuple[str, ...], list[Measured]]:
    """The croppers that any measure knows, in the order in which they come, and all measures."""
    croppers = tuple(dict.fromkeys(key for measure in measures for key in measure.values))
    return croppers, [_measured(measure, croppers) for measure in measures]


def of_limits(limits: Mapping[str, Floats]) -> list[Line]:
    """Each limit's mean, over its spread, by a human and by the network, and how far they differ.

    Empty unless there are both; `limits` are (n, 5) each.
    """
    if not {"human", "cnn"} <= set(limits):
        return []
    human, cnn = (np.asarray(limits[key], dtype=float) for key in ("human", "cnn"))
    return [
        _limit(name, human[:, column], cnn[:, column])
        for column, name in enumerate(charts.LIMIT_NAMES)
    ]


def leaning(limits: Mapping[str, Floats]) -> str:
    """Whether the network has the photographer's habit of cropping off the middle, in words."""
    if not {"human", "cnn"} <= set(limits) or not len(limits["human"]):
        return ""
    human, cnn = (_centres(limits[key]) for key in ("human", "cnn"))
    across, down = _off_middle(human.mean(axis=0))
    cnn_across, cnn_down = _off_middle(cnn.mean(axis=0))
    return (
        f"On average the centre of the photographer’s crops lies {across[0]} of the frame’s width "
        f"{across[1]} of its middle and {down[0]} of its height {down[1]} it; that of the CNN’s "
        f"lies {cnn_across[0]} {cnn_across[1]} and {cnn_down[0]} {cnn_down[1]}. "
        f"{_habit(human, cnn)}"
    )


def _habit(human: Floats, cnn: Floats) -> str:
    lean = human.mean(axis=0)
    size = float(np.hypot(*lean))
    along = human @ lean / max(size, 1e-9)  # how far each crop leans the way of the mean
    if size <= _LEANS * float(np.std(along)) / math.sqrt(len(along)):
        return "So small a lean could be chance: the photographer shows no such habit."
    share = float(cnn.mean(axis=0) @ lean) / size**2  # 1 where the network leans just as far
    habit = next(
        words
        for limit, words in (
            (0.25, "does not have this habit"),
            (0.75, "has part of this habit"),
            (1.25, "has this habit"),
            (math.inf, "overdoes this habit"),
        )
        if share < limit
    )
    return (
        f"The network {habit}: towards that side it leans {number(share * 100, 0)} % as far. "
        "A constant crop has the habit as well, so this alone is no sign of looking at the photo."
    )


def _centres(limits: Floats) -> Floats:
    """How far each crop's centre lies right of and below the middle, (n, 2), of the sides."""
    top, left, bottom, right = np.asarray(limits, dtype=float)[:, :4].T
    return np.stack([(left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5], axis=-1)


def _off_middle(lean: Floats) -> tuple[Cell, Cell]:
    """How far, and to which side; across and down."""
    across, down = lean * 100
    sideways = f"{abs(across):.1f} %", "right" if across > 0 else "left"
    upright = f"{abs(down):.1f} %", "below" if down > 0 else "above"
    return sideways, upright


def _limit(name: str, human: Floats, cnn: Floats) -> Line:
    digits, unit = (2, "°") if name == "Angle" else (3, "")
    cells = [_mean_and_spread(values, digits, unit) for values in (human, cnn)]
    apart = number(float(np.mean(cnn) - np.mean(human)), digits, signed=True) + unit
    return Line("cnn", name, (*cells, (apart, "")), bar("cnn", name, None))


def _mean_and_spread(values: Floats, digits: int, unit: str) -> Cell:
    if not len(values):
        return NO_SCORE
    mean, spread = float(np.mean(values)), float(np.std(values))
    return number(mean, digits) + unit, f"± {number(spread, digits)}{unit}"


def _measured(measure: Measure, croppers: Sequence[str]) -> Measured:
    sizes = [abs(value.mean) for value in measure.values.values() if math.isfinite(value.mean)]
    digits = 3 - sum(max(sizes, default=0) >= limit for limit in (1, 10, 100))
    cells = tuple(said(measure.values.get(key), digits) for key in croppers)
    arrow = _ARROWS[measure.better]
    return Measured(measure.name, measure.unit, arrow, measure.meaning, cells)


def _told_apart(auc: Interval) -> str:
    if not math.isfinite(auc.mean + auc.low + auc.high):
        return "The judge had too few crops to tell."
    if auc.low > 0.5:
        return "A machine can tell these crops from a person’s."
    if auc.high < 0.5:
        return "A machine takes these crops for a person’s more often than a person’s own."
    return "A machine cannot tell these crops from a person’s."
