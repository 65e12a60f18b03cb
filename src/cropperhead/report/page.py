"""The comparison report: numbers and photos -> one HTML page, and a summary for a pull request.

The page is one file that needs no other and reaches for nothing on the network. Its bytes follow
from its input alone. Wording and looks are in `templates/`, charts in `figures`, photos in
`gallery`, numbers as text in `tables`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from cropperhead.evaluation.corrections import Corrections
from cropperhead.evaluation.findings import Agreement, JudgeScore, LearningCheck, Measure, Slice
from cropperhead.evaluation.verdict import Verdict
from cropperhead.geometry.crops import Floats
from cropperhead.photos import drawing
from cropperhead.report import charts, gallery, tables
from cropperhead.report.gallery import Picture, gallery_picture
from cropperhead.report.tables import NO_SCORE, Cell, Line, said
from cropperhead.stats import Interval

__all__ = ["Comparison", "Interval", "Picture", "Row", "gallery_picture", "render", "summary"]

COUNT_NAMES = {
    "train": "photos for training",
    "validation": "photos for validation",
    "test": "photos for the test, which the numbers above are about",
    "groups": "groups in the test; near-duplicates and bursts are one group, kept on one side",
    "authors": "people, or versions, whose crops the test photos have",
    "random_draws": "random crops for each photo",
    "bootstrap_samples": "bootstrap samples",
}
OUTCOMES = {
    "learned": "It learned",
    "no evidence": "No evidence that it learned",
    "worse": "Worse than one crop for all photos",
}
SUMMARY_COLUMNS = (
    "Cropper",
    "Overlap ↑",
    "Gain over constant ↑",
    "Boundary ↓",
    "Angle error ↓",
    "Aspect error ↓",
    "Invalid ↓",
)
_SHOWN_FIRST = 24  # photos of the gallery, until all are asked for
ANSWERED = {True: "yes", False: "no", None: "open"}


@dataclass(frozen=True)
class Row:
    """One cropper's scores on the test photos; None where a score does not apply.

    `cropper` is human, cnn, predecessor, random, other, none, median, centred, similar, shuffled,
    smartcrop, attention or entropy. `gain` is the paired
    difference in overlap to the constant median crop, `angle_error` in degrees, `displacement` a
    fraction of the frame's sides, `aspect_error` a share of the width / height. `invalid` is the
    share of crops that leave the frame or have no area, `chance` the p-value of the gain, corrected
    for the number of rows. A human without overlap is the reference of the others.
    """

    cropper: str
    label: str
    overlap: Interval | None
    displacement: Interval | None
    angle_error: Interval | None
    gain: Interval | None
    note: str = ""
    aspect_error: Interval | None = None
    invalid: float = 0.0
    chance: float | None = None


@dataclass(frozen=True)
class Comparison:
    """All that the report tells.

    `limits` holds the test crops, (n, 5), of human and cnn; `history` one row an epoch with columns
    epoch, loss, validation_loss and maybe validation_iou and learning_rate; `counts` the numbers
    that `COUNT_NAMES` knows, and any others; `facts` names and values of versions, params and data;
    `sampler` and `intervals` say in a sentence how random crops and intervals are drawn.
    `agreements` are of
    `photos_of_several` photos that several people cropped; `errors` names photos of the gallery on
    which the network fails, each with a sentence on how; `corrections` tells what became of
    suggestions, where any were written for the editors.
    """

    verdict: Verdict
    evidence: Sequence[str]
    rows: Sequence[Row]
    pictures: Sequence[Picture]
    limits: Mapping[str, Floats]
    history: pd.DataFrame
    counts: Mapping[str, int]
    facts: Sequence[tuple[str, str]]
    sampler: str
    intervals: str = ""
    confidence: float = 0.95
    answers: Sequence[LearningCheck] = ()
    slices: Sequence[Slice] = ()
    measures: Sequence[Measure] = ()
    judged: Sequence[JudgeScore] = ()
    agreements: Sequence[Agreement] = ()
    photos_of_several: int = 0
    errors: Sequence[tuple[str, str]] = ()
    corrections: Corrections | None = None


def render(comparison: Comparison) -> str:
    """The report as one HTML page, UTF-8."""
    exhibits = gallery.exhibits(comparison.pictures, shown_again=len(comparison.errors))
    page = _templates().get_template("comparison.html.j2")
    return page.render(
        comparison=comparison,
        outcome=OUTCOMES[comparison.verdict.outcome],
        answered=ANSWERED,
        percent=f"{comparison.confidence * 100:g} %",
        counts=_named(comparison.counts),
        drawing=drawing,
        drawn_height=gallery.DRAWN_HEIGHT,
        examples=_overlap_examples(),
        **_of_croppers(comparison),
        typical=_typical(exhibits, comparison.pictures),
        **_of_photos(exhibits, comparison.errors),
        **_of_charts(comparison),
        corrected=_corrected(comparison.corrections),
    )


def summary(comparison: Comparison) -> str:
    """The verdict, the tests and the table as Markdown, for a pull request."""
    rows = [_in_columns(line) for line in map(_line, comparison.rows)]
    table = [SUMMARY_COLUMNS, ("---", *["---:"] * (len(SUMMARY_COLUMNS) - 1)), *rows]
    blocks = [
        [_verdict(comparison.verdict)],
        [f"- {_in_markdown(line)}" for line in comparison.evidence],
        [
            f"- {_in_markdown(answer.question)} **{ANSWERED[answer.passed].capitalize()}.** "
            + _in_markdown(answer.finding)
            for answer in comparison.answers
        ],
        ["| " + " | ".join(row) + " |" for row in table],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _verdict(verdict: Verdict) -> str:
    return f"**{_in_markdown(verdict.headline)}.** {_in_markdown(verdict.sentence)}"


def _of_croppers(comparison: Comparison) -> dict[str, Any]:
    """What the page's tables of croppers and of their scores hold."""
    labels = {row.cropper: row.label for row in comparison.rows}
    measured, measures = tables.of_measures(comparison.measures)
    judged = tables.of_judged(comparison.judged, labels)
    agreements = tables.of_agreements(comparison.agreements, labels)
    slices = tables.of_slices(comparison.slices)
    gains = [line.bar for lines in slices.values() for line in lines]
    return {
        "rows": [_line(row) for row in comparison.rows],
        "labels": labels,
        "forest": charts.forest(_bars(comparison.rows), _reference(comparison.rows)),
        "measured": [(key, labels.get(key, key)) for key in measured],
        "measures": measures,
        "judged": judged,
        "chances": charts.forest([line.bar for line in judged], 0.5, (0.0, 1.0)),
        "agreements": agreements,
        "overlaps": charts.forest([line.bar for line in agreements], None),
        "slices": slices,
        "gains": charts.forest(gains, 0.0, (0.0,)),
    }


def _corrected(corrections: Corrections | None) -> tuple[Cell, ...]:
    """How far corrections lie from suggestions; empty where there were none."""
    if not corrections or not corrections.corrected:
        return ()
    return (
        said(corrections.overlap, 3),
        said(corrections.displacement, 3),
        said(corrections.angle, 2, unit="°"),
    )


def _of_photos(
    exhibits: Sequence[gallery.Exhibit], errors: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """What the page shows of photos."""
    by_name = {exhibit.photo: exhibit for exhibit in exhibits}
    return {
        "exhibits": exhibits,
        "errors": [(by_name[photo], how) for photo, how in errors],
        "shown": [key for key in drawing.STYLES if any(key in dict(e.outlines) for e in exhibits)],
        "first": _SHOWN_FIRST,
        "names": {key: style.name for key, style in drawing.STYLES.items()} | charts.CURVE_NAMES,
    }


def _typical(
    exhibits: Sequence[gallery.Exhibit], pictures: Sequence[Picture]
) -> gallery.Exhibit | None:
    """The photo beside the verdict."""
    chosen = gallery.typical(exhibits)
    return gallery.enlarged(chosen, pictures) if chosen else None


def _of_charts(comparison: Comparison) -> dict[str, Any]:
    """What the page says of limits and of the training."""
    return {
        "histograms": charts.histograms(_in_order(comparison.limits)),
        "limits": tables.of_limits(comparison.limits),
        "leaning": tables.leaning(comparison.limits),
        "curves": charts.curves(comparison.history),
        "best_epoch": charts.best_epoch(comparison.history),
    }


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("cropperhead.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _line(row: Row) -> Line:
    bar = tables.bar(row.cropper, row.label, row.overlap)
    if row.cropper == "human" and said(row.overlap, 3) == NO_SCORE:
        reference = ("reference", ""), *[NO_SCORE] * 5
        return Line(row.cropper, row.label, reference, bar, row.note, is_reference=True)
    cells = (
        said(row.overlap, 3),
        said(row.gain, 3, signed=True),
        said(row.displacement, 3),
        said(row.angle_error, 2, unit="°"),
        tables.said_share(row.aspect_error),
        (f"{row.invalid * 100:.3g} %", ""),
    )
    return Line(row.cropper, row.label, cells, bar, row.note, chance=tables.said_chance(row.chance))


def _bars(rows: Sequence[Row]) -> list[charts.Bar]:
    return [tables.bar(row.cropper, row.label, row.overlap) for row in rows]


def _reference(rows: Sequence[Row]) -> float | None:
    """The overlap of the constant median crop, which the others are compared to."""
    return next((row.overlap.mean for row in rows if row.cropper == "median" and row.overlap), None)


def _in_order(limits: Mapping[str, Floats]) -> dict[str, Floats]:
    return {key: np.asarray(limits[key]) for key in drawing.STYLES if key in limits}


def _named(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Numbers with their names, known ones first; thousands apart."""
    others = {key: key.replace("_", " ") for key in sorted(set(counts) - set(COUNT_NAMES))}
    names = {**COUNT_NAMES, **others}
    return [(f"{counts[key]:,}", name) for key, name in names.items() if key in counts]


def _overlap_examples() -> list[tuple[str, str]]:
    """Overlaps, and how far to shift a square by its side for it to have that overlap with itself.

    Shifted by d, the shared area is 1 - d and the union 1 + d, so d = (1 - o) / (1 + o).
    """
    return [(f"{o:.2f}", f"{(1 - o) / (1 + o):.4f}") for o in (0.95, 0.85, 0.7, 0.5)]


def _in_columns(line: Line) -> tuple[str, ...]:
    """A row of the summary's table; the p-value stands behind the gain.

    Only the first two scores have their intervals: the others are on the page.
    """
    overlap, gain = map(_in_one_line, line.cells[:2])
    gain = f"{gain}, {_in_markdown(line.chance)}" if line.chance else gain
    return _in_markdown(line.label), overlap, gain, *(value for value, _ in line.cells[2:])


def _in_one_line(cell: Cell) -> str:
    value, around = cell
    return f"{value} ({around})" if around else value


def _in_markdown(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
