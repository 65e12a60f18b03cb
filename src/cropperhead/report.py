"""The comparison report: numbers and photos -> one HTML page, and a summary for a pull request.

The page is one file that needs no other and reaches for nothing on the network. Its bytes follow
from its input alone. Wording and looks are in `templates/`, charts in `figures`, photos in
`gallery`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from cropperhead import drawing, figures, gallery
from cropperhead.crops import Floats
from cropperhead.gallery import Picture, gallery_picture
from cropperhead.scores import Interval

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
DASH = "–"


@dataclass(frozen=True)
class Row:
    """One cropper's scores on the test photos; None where a score does not apply.

    `cropper` is human, cnn, random, none, median or shuffled. `gain` is the paired
    difference in overlap to the constant median crop, `angle_error` in degrees, `displacement` a
    fraction of the frame's sides. A human without overlap is the reference of the others.
    """

    cropper: str
    label: str
    overlap: Interval | None
    displacement: Interval | None
    angle_error: Interval | None
    gain: Interval | None
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """All that the report tells.

    `limits` holds the test crops, (n, 5), of human and cnn; `history` one row an epoch with columns
    epoch, loss, validation_loss and maybe validation_iou and learning_rate; `counts` the numbers
    that `COUNT_NAMES` knows, and any others; `facts` names and values of versions, params and data;
    `sampler` and `intervals` say in a sentence how random crops and intervals are drawn. What
    stands before the first colon of `verdict` is the page's headline.
    """

    outcome: Literal["learned", "no evidence", "worse"]
    verdict: str
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


@dataclass(frozen=True)
class _Cells:
    """A row of the table as text: each score as its value and its interval."""

    cropper: str
    label: str
    note: str
    is_reference: bool
    overlap: tuple[str, str]
    gain: tuple[str, str]
    displacement: tuple[str, str]
    angle_error: tuple[str, str]

    def scores(self) -> tuple[tuple[str, str], ...]:
        """The four scores in the table's order."""
        return self.overlap, self.gain, self.displacement, self.angle_error


def render(comparison: Comparison) -> str:
    """The report as one HTML page, UTF-8."""
    exhibits = gallery.exhibits(comparison.pictures)
    page = _templates().get_template("comparison.html.j2")
    return page.render(
        comparison=comparison,
        outcome=OUTCOMES[comparison.outcome],
        verdict=_headline(comparison.verdict),
        rows=[_cells(row) for row in comparison.rows],
        forest=figures.forest(_bars(comparison.rows), _reference(comparison.rows)),
        typical=gallery.typical(exhibits),
        exhibits=exhibits,
        shown=[key for key in drawing.STYLES if any(key in dict(e.outlines) for e in exhibits)],
        histograms=figures.histograms(_in_order(comparison.limits)),
        curves=figures.curves(comparison.history),
        best_epoch=figures.best_epoch(comparison.history),
        counts=_named(comparison.counts),
        percent=f"{comparison.confidence * 100:g} %",
        names={key: style.name for key, style in drawing.STYLES.items()} | figures.CURVE_NAMES,
        drawing=drawing,
        drawn_height=gallery.DRAWN_HEIGHT,
        examples=_overlap_examples(),
    )


def summary(comparison: Comparison) -> str:
    """The verdict and the table as Markdown, for a pull request."""
    head = ("Cropper", "Overlap ↑", "Gain over constant ↑", "Boundary ↓", "Angle error ↓")
    rows = [
        (_in_markdown(cells.label), *map(_in_one_line, cells.scores()))
        for cells in map(_cells, comparison.rows)
    ]
    table = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    lines = ["| " + " | ".join(row) + " |" for row in table]
    evidence = [f"- {_in_markdown(line)}" for line in comparison.evidence]
    return "\n".join([f"**{_in_markdown(comparison.verdict)}**", "", *evidence, "", *lines, ""])


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("cropperhead"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _headline(verdict: str) -> tuple[str, str]:
    """A sentence as its headline, with the colon that ends it, and the rest."""
    head, colon, rest = verdict.partition(": ")
    return head + colon.strip(), rest


def _cells(row: Row) -> _Cells:
    is_reference = row.cropper == "human" and not _is_known(row.overlap)
    return _Cells(
        cropper=row.cropper,
        label=row.label,
        note=row.note,
        is_reference=is_reference,
        overlap=("reference", "") if is_reference else _said(row.overlap, 3),
        gain=_said(row.gain, 3, signed=True),
        displacement=_said(row.displacement, 3),
        angle_error=_said(row.angle_error, 2, unit="°"),
    )


def _said(
    interval: Interval | None, digits: int, signed: bool = False, unit: str = ""
) -> tuple[str, str]:
    """An estimate and its interval as text; a dash and nothing where it does not apply."""
    if interval is None or not math.isfinite(interval.mean):
        return DASH, ""
    mean, low, high = (
        _number(value, digits, signed) + unit
        for value in (interval.mean, interval.low, interval.high)
    )
    has_range = math.isfinite(interval.low) and math.isfinite(interval.high)
    return mean, f"{low} to {high}" if has_range else ""


def _number(value: float, digits: int, signed: bool = False) -> str:
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return ("−" if value < 0 else "+" if signed else "") + text


def _is_known(interval: Interval | None) -> bool:
    return interval is not None and math.isfinite(interval.mean)


def _bars(rows: Sequence[Row]) -> list[figures.Bar]:
    return [
        figures.Bar(row.cropper, row.label, row.overlap.mean, row.overlap.low, row.overlap.high)
        for row in rows
        if row.overlap is not None
    ]


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


def _in_one_line(cell: tuple[str, str]) -> str:
    value, around = cell
    return f"{value} ({around})" if around else value


def _in_markdown(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
