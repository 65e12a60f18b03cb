"""The comparison's findings as tables, and the sentences that explain them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cropperhead.evaluation.corrections import Corrections
from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN
from cropperhead.evaluation.findings import Agreement, JudgeScore, Measure, Slice
from cropperhead.evaluation.number_text import (
    format_number,
    format_of_hundred,
    format_p_value,
    format_percent,
    format_range,
)
from cropperhead.evaluation.resemblance import crop_offsets
from cropperhead.geometry.crops import Floats
from cropperhead.report import charts
from cropperhead.report.comparison import CropperScores
from cropperhead.report.table import NO_VALUE, Cell, Column, Row, Table
from cropperhead.stats import Interval

_NOTICEABLE = 2.0  # standard errors: chance could explain a smaller offset
_HABITS = (  # up to these shares of the photographer's offset, the network...
    (0.25, "does not have this habit"),
    (0.75, "has part of this habit"),
    (1.25, "has this habit"),
    (math.inf, "exaggerates this habit"),
)
_REFERENCE = "The reference: all others are scored against it, so it has no score of its own."


def estimate_cell(
    interval: Interval | None, digits: int, signed: bool = False, unit: str = ""
) -> Cell:
    """Format a mean with its interval; a dash where it does not apply."""
    if interval is None or not math.isfinite(interval.mean):
        return NO_VALUE
    mean = format_number(interval.mean, digits, signed, unit)
    return Cell(mean, format_range(interval, digits, signed, unit))


def score_table(rows: Sequence[CropperScores]) -> Table:
    """Make the table of all croppers' scores, with a forest plot of their overlaps."""
    head = (
        Column("Cropper", is_text=True),
        Column("Overlap (IoU)", "", "1 is the same crop", "Overlap", "higher"),
        Column("Gain over constant", "", "overlap, photo by photo", "Gain", "higher"),
        Column("Boundary displacement", "", "0 is the same crop", "Boundary", "lower"),
        Column("Angle error", hint="0° is the same tilt", better="lower"),
        Column("Aspect error", hint="0 % is the same shape", better="lower"),
        Column("Invalid", hint="no area, or outside the frame", better="lower"),
    )
    constant = next((row.overlap for row in rows if row.cropper == MEDIAN and row.overlap), None)
    lines = tuple(map(_score_row, rows))
    bars = [row.bar for row in lines if row.bar]
    return Table(head, lines, charts.forest(bars, constant.mean if constant else None))


def slice_table(slices: Sequence[Slice]) -> Table:
    """Make the table of the network's scores on parts of the test photos, grouped by property."""
    head = (
        Column("Test photos", is_text=True),
        Column("Photos"),
        Column("Overlap (IoU)", short="Overlap"),
        Column("Gain over constant", short="Gain"),
    )
    rows = tuple(map(_slice_row, slices))
    return Table(head, rows, charts.forest([row.bar for row in rows if row.bar], 0.0, (0.0,)))


def measure_table(measures: Sequence[Measure], labels: Mapping[str, str]) -> Table:
    """Make the table of composition measures: a row for each cropper."""
    croppers = list(dict.fromkeys(key for measure in measures for key in measure.values))
    digits = [_measure_digits(measure) for measure in measures]
    head = [Column(each.name, each.unit, better=each.better) for each in measures]
    rows = [
        Row(
            labels.get(key, key),
            tuple(
                estimate_cell(m.values.get(key), d) for m, d in zip(measures, digits, strict=True)
            ),
            key,
        )
        for key in croppers
    ]
    return Table((Column("Cropper", is_text=True), *head), tuple(rows))


def judge_table(scores: Sequence[JudgeScore], labels: Mapping[str, str]) -> Table:
    """Make the table of how well the judges recognise each cropper's crops.

    The bar and the note are the stronger judge's.
    """
    rows = tuple(
        Row(
            label := labels.get(each.cropper, each.cropper),
            (estimate_cell(each.auc, 2), estimate_cell(each.trained_auc, 2)),
            each.cropper,
            explain_judges(each),
            bar=charts.bar(each.cropper, label, each.stronger[1]),
        )
        for each in scores
    )
    head = (
        Column("Cropper", is_text=True),
        Column("Blind judge", hint="never saw the network’s crops; AUC"),
        Column("Trained judge", hint="learned from both kinds; AUC"),
    )
    forest = charts.forest([row.bar for row in rows if row.bar], 0.5, (0.0, 1.0))
    return Table(head, rows, forest)


def agreement_table(agreements: Sequence[Agreement], labels: Mapping[str, str]) -> Table:
    """Make the table of overlaps with several people: the mean, and the closest of them."""
    head = (
        Column("Cropper", is_text=True),
        Column("Mean overlap", hint="with all of them", better="higher"),
        Column("Best overlap", hint="with the closest of them", better="higher"),
    )
    rows = tuple(
        Row(
            label := labels.get(each.cropper, each.cropper),
            (estimate_cell(each.mean, 3), estimate_cell(each.best, 3)),
            each.cropper,
            bar=charts.bar(each.cropper, label, each.mean),
        )
        for each in agreements
    )
    return Table(head, rows, charts.forest([row.bar for row in rows if row.bar], None))


def correction_table(corrections: Corrections | None) -> Table | None:
    """Make the table of how far corrections are from suggestions; None without corrections."""
    if not corrections or not corrections.corrected:
        return None
    head = (
        Column("Corrected photos", is_text=True),
        Column("Overlap (IoU)", "", "1 is the same crop", "Overlap"),
        Column("Boundary displacement", "", "0 is the same crop", "Boundary"),
        Column("Angle", hint="without sign"),
    )
    cells = (
        estimate_cell(corrections.overlap, 3),
        estimate_cell(corrections.displacement, 3),
        estimate_cell(corrections.angle, 2, unit="°"),
    )
    return Table(head, (Row(f"{corrections.corrected:,}", cells),))


def limit_table(limits: Mapping[str, Floats]) -> Table | None:
    """Make the table of each limit's mean and spread, by human and network.

    `limits` are (n, 5) each; None unless both are there.
    """
    if not {HUMAN, CNN} <= set(limits):
        return None
    human, cnn = (np.asarray(limits[key], dtype=float) for key in (HUMAN, CNN))
    head = (
        Column("Limit", is_text=True),
        Column("Human"),
        Column("CNN"),
        Column("CNN less human"),
    )
    rows = (
        _limit_row(name, human[:, column], cnn[:, column])
        for column, name in enumerate(charts.LIMIT_NAMES)
    )
    return Table(head, tuple(rows))


def explain_judges(score: JudgeScore) -> str:
    """Explain what the stronger judge's score means."""
    name, auc = score.stronger
    if not math.isfinite(auc.mean + auc.low + auc.high):
        return "There were too few crops to judge."
    if auc.low > 0.5:
        return (
            f"The {name} judge can distinguish these crops from a person’s. Of a hundred pairs, it "
            f"is right on {format_of_hundred(auc.mean)} ({_percent_range(auc)})."
        )
    if auc.high < 0.5 and name == "blind":
        return "The blind judge takes these crops for a person’s more often than people’s own."
    judges = "Neither judge can" if score.trained_auc else "The blind judge cannot"
    return f"{judges} reliably distinguish these crops from a person’s on so many photos."


def explain_habit(limits: Mapping[str, Floats]) -> str:
    """Explain whether the network shares the photographer's habit of cropping off-centre.

    Empty unless there are crops of both.
    """
    if not {HUMAN, CNN} <= set(limits) or not len(limits[HUMAN]):
        return ""
    human, cnn = (crop_offsets(limits[key]) for key in (HUMAN, CNN))
    across, down = _describe_offset(human.mean(axis=0))
    cnn_across, cnn_down = _describe_offset(cnn.mean(axis=0))
    return (
        f"On average, the centre of the photographer’s crops is {across[0]} of the frame’s width "
        f"{across[1]} of the middle and {down[0]} of its height {down[1]} it. The centre of the "
        f"CNN’s crops is {cnn_across[0]} {cnn_across[1]} and {cnn_down[0]} {cnn_down[1]}. "
        f"{_compare_habits(human, cnn)}"
    )


def _percent_range(share: Interval) -> str:
    percent = Interval(share.mean * 100, share.low * 100, share.high * 100)
    return format_range(percent, 0)


def _score_row(scores: CropperScores) -> Row:
    key, label, note = scores.cropper, scores.label, scores.note
    overlap = estimate_cell(scores.overlap, 3)
    if key == HUMAN and overlap == NO_VALUE:
        return Row(label, (Cell("reference"), *[NO_VALUE] * 5), key, note, remark=_REFERENCE)
    gain = estimate_cell(scores.gain, 3, signed=True)
    cells = (
        overlap,
        Cell(gain.text, gain.detail, format_p_value(scores.p_value)),
        estimate_cell(scores.displacement, 3),
        estimate_cell(scores.angle_error, 2, unit="°"),
        _percent_cell(scores.aspect_error),
        Cell(f"{scores.invalid * 100:.3g} %"),
    )
    return Row(label, cells, key, note, bar=charts.bar(key, label, scores.overlap))


def _percent_cell(share: Interval | None) -> Cell:
    if share is None:
        return NO_VALUE
    percent = Interval(share.mean * 100, share.low * 100, share.high * 100)
    return estimate_cell(percent, 1, unit=" %")


def _slice_row(part: Slice) -> Row:
    overlap, gain = estimate_cell(part.overlap, 3), estimate_cell(part.gain, 3, signed=True)
    bar = charts.bar(CNN, f"{part.by}, {part.part}", part.gain)
    return Row(part.part, (Cell(f"{part.photos:,}"), overlap, gain), group=part.by, bar=bar)


def _measure_digits(measure: Measure) -> int:
    """Choose as many digits as fit the size of the values."""
    sizes = [abs(value.mean) for value in measure.values.values() if math.isfinite(value.mean)]
    return 3 - sum(max(sizes, default=0) >= limit for limit in (1, 10, 100))


def _limit_row(name: str, human: Floats, cnn: Floats) -> Row:
    digits, unit = (2, "°") if name == "Angle" else (3, "")
    cells = [_spread_cell(values, digits, unit) for values in (human, cnn)]
    difference = float(np.mean(cnn) - np.mean(human)) if len(human) and len(cnn) else math.nan
    return Row(name, (*cells, Cell(format_number(difference, digits, True, unit))))


def _spread_cell(values: Floats, digits: int, unit: str) -> Cell:
    if not len(values):
        return NO_VALUE
    mean, spread = float(np.mean(values)), float(np.std(values))
    return Cell(format_number(mean, digits, unit=unit), f"± {format_number(spread, digits)}{unit}")


def _compare_habits(human: Floats, cnn: Floats) -> str:
    offset = human.mean(axis=0)
    size = float(np.hypot(*offset))
    along = human @ offset / max(size, 1e-9)  # how far each crop is off in the mean's direction
    if size <= _NOTICEABLE * float(np.std(along)) / math.sqrt(len(along)):
        return "Chance alone could explain so small an offset, so it shows no habit."
    share = float(cnn.mean(axis=0) @ offset) / size**2  # 1 where the network is just as far off
    habit = next(words for limit, words in _HABITS if share < limit)
    return (
        f"The network {habit}: its offset in that direction is {format_percent(share)} of the "
        "photographer’s. A constant crop has the habit, too, so this alone does not show that the "
        "network looks at the photo."
    )


def _describe_offset(offset: Floats) -> tuple[tuple[str, str], tuple[str, str]]:
    """Describe how far an offset is and to which side, across and down."""
    across, down = (float(part) for part in offset)
    return (
        (format_percent(abs(across), 1), "right" if across > 0 else "left"),
        (format_percent(abs(down), 1), "below" if down > 0 else "above"),
    )
