"""Corrections of suggestions, in numbers worked by hand."""

import math
from typing import Any

import pandas as pd
import pytest
from conftest import ROOT, label_table

from cropperhead import params
from cropperhead.dataset.columns import NO_SUGGESTION, SUGGESTED_BY, SUGGESTED_COLUMNS
from cropperhead.evaluation import corrections
from cropperhead.geometry.crops import CROP_COLUMNS

PARAMS = params.load(ROOT / "params.yaml").evaluate
LEFT = (0.0, 0.0, 1.0, 0.5, 0.0)


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    """Labels of square photos, each a group of its own by default, without suggestions."""
    labels = label_table(len(rows)).assign(width=400, height=400, **NO_SUGGESTION)
    labels = labels.assign(group=labels["photo"])
    for place, row in enumerate(rows):
        for name, value in row.items():
            labels.loc[place, name] = value
    return labels


def corrected(made: tuple[float, ...], suggested: tuple[float, ...], **others: str) -> dict:
    named = dict(zip(CROP_COLUMNS, made, strict=True))
    return (
        named | dict(zip(SUGGESTED_COLUMNS, suggested, strict=True)) | {SUGGESTED_BY: "3"} | others
    )


def test_overlap_displacement_and_angle_are_means_over_corrected_photos():
    # left half and middle half share a quarter of the frame, the union is three: 1/3;
    # two of four limits lie 0.25 off: 0.125
    moved = corrected((0.0, 0.25, 1.0, 0.75, 0.0), LEFT)
    # the same square, turned by 2 degrees about its own centre
    kept = corrected((0.25, 0.25, 0.75, 0.75, -3.0), (0.25, 0.25, 0.75, 0.75, -1.0))
    summary = corrections.summarise_corrections(table(moved, kept, {}), {"suggested": 2}, PARAMS)
    assert (summary.untouched, summary.corrected, summary.share) == (2, 2, 0.5)
    # a square of side 1 and itself turned by t share an octagon of 2 / (1 + sin t + cos t): at
    # t = 45 degrees that is 2 / (1 + sqrt 2), the regular one
    shared = 2 / (1 + math.sin(math.radians(2)) + math.cos(math.radians(2)))
    assert summary.overlap.mean == pytest.approx((1 / 3 + shared / (2 - shared)) / 2)
    assert summary.displacement.mean == pytest.approx(0.125 / 2)
    assert summary.angle.mean == pytest.approx(1.0)  # 0 and 2 degrees


def test_a_photo_counts_once_however_many_editors_it_was_corrected_in():
    twice = [corrected((0.0, 0.25, 1.0, 0.75, 0.0), LEFT), corrected(LEFT, LEFT)]
    again = corrected((0.0, 0.0, 1.0, 1.0, 0.0), LEFT, photo="b.jpg", group="b.jpg")
    labels = table(*(row | {"photo": "a.jpg", "group": "a.jpg"} for row in twice), again)
    summary = corrections.summarise_corrections(labels, {"suggested": 0}, PARAMS)
    assert (summary.corrected, summary.share) == (2, 1.0)
    # a.jpg: (1/3 + 1) / 2 = 2/3; b.jpg: 1/2
    assert summary.overlap.mean == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_the_interval_is_over_groups_not_photos():
    # two groups of overlaps 1 and 1/2: mean 3/4, error 1/4, t of one degree of freedom 12.7, and
    # no overlap is below 0 or above 1
    rows = [corrected(LEFT, LEFT, group="a")] * 5
    rows += [corrected((0.0, 0.0, 1.0, 1.0, 0.0), LEFT, group="b")] * 5
    summary = corrections.summarise_corrections(table(*rows), {"suggested": 0}, PARAMS)
    assert (summary.overlap.low, summary.overlap.mean, summary.overlap.high) == (0, 0.75, 1)
    # one group alone: every resample is the same
    alone = corrections.summarise_corrections(table(*rows[:5]), {"suggested": 0}, PARAMS)
    assert (alone.overlap.mean, alone.overlap.has_ends) == (1, False)


def test_without_suggestions_there_is_no_summary():
    assert corrections.summarise_corrections(table({}, {}), {"suggested": 0}, PARAMS) is None


def test_without_corrections_nothing_is_averaged():
    summary = corrections.summarise_corrections(table({}), {"suggested": 3}, PARAMS)
    assert (summary.untouched, summary.corrected, summary.share) == (3, 0, 0.0)
    assert math.isnan(summary.overlap.mean)
