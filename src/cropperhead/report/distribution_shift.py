"""How the distribution of crops differs between two versions of the data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats

from cropperhead.evaluation.number_text import DASH, format_number, format_p_value
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.stats import holm_correction

# The measures of a crop and their units: limits are fractions of the frame's sides
UNITS: Mapping[str, str] = MappingProxyType(
    {"top": "", "left": "", "bottom": "", "right": "", "angle": "°", "area": ""}
)


@dataclass(frozen=True)
class Shift:
    """One measure of the crops `before` (n,) and `after` (m,), and how much they differ.

    `statistic` is the two-sample Kolmogorov-Smirnov statistic, the largest distance between the two
    cumulative distributions, in [0, 1]; `p_value` is corrected for the number of measures. Both are
    NaN where a version has no crop.
    """

    measure: str
    before: Floats
    after: Floats
    statistic: float
    p_value: float

    @property
    def means(self) -> tuple[float, float]:
        """The mean before and after; NaN for a version without crops."""
        return _for_each(np.mean, self.before, self.after)

    @property
    def medians(self) -> tuple[float, float]:
        """The median before and after; NaN for a version without crops."""
        return _for_each(np.median, self.before, self.after)


def crop_measures(labels: pd.DataFrame) -> dict[str, Floats]:
    """Compute the measures of `UNITS` for every label, (n,) each."""
    limits = labels[list(CROP_COLUMNS)].to_numpy(float)
    columns = [*limits.T, crops.area(limits)]
    return dict(zip(UNITS, columns, strict=True))


def measure_shifts(before: pd.DataFrame, after: pd.DataFrame) -> tuple[Shift, ...]:
    """Compare the labels of two versions in each measure of `UNITS`, in its order.

    The test assumes independent samples. Where the versions share photos, its p-values are too
    high: the shifts that it detects are real, and it may miss others.
    """
    old, new = crop_measures(before), crop_measures(after)
    tests = {name: _kolmogorov_smirnov(old[name], new[name]) for name in UNITS}
    p_values = holm_correction({name: p_value for name, (_, p_value) in tests.items()})
    return tuple(
        Shift(name, old[name], new[name], tests[name][0], p_values[name]) for name in UNITS
    )


def format_test(shift: Shift) -> str:
    """Format the test's result: "KS 0.123, p = 0.031"."""
    if np.isnan(shift.p_value):
        return "not comparable"
    return f"KS {format_number(shift.statistic, 3)}, {format_p_value(shift.p_value)}"


def p_value_text(p_value: float) -> str:
    """Format a p-value for a column of them: "0.031"; a dash for NaN."""
    return format_p_value(p_value).removeprefix("p ").removeprefix("= ") or DASH


def _for_each(
    average: Callable[[Floats], Any], before: Floats, after: Floats
) -> tuple[float, float]:
    old, new = (float(average(each)) if len(each) else float("nan") for each in (before, after))
    return old, new


def _kolmogorov_smirnov(before: Floats, after: Floats) -> tuple[float, float]:
    if not len(before) or not len(after):
        return float("nan"), float("nan")
    test = scipy.stats.ks_2samp(before, after)
    return float(test.statistic), float(test.pvalue)
