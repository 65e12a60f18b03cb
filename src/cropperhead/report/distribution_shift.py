"""How crops are spread, and how far the spread of one version of the data is from another's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy import stats

from cropperhead import stats as significance
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS, Floats

# What is measured of a crop, and its unit: the limits are fractions of the frame's sides
UNITS: Mapping[str, str] = MappingProxyType(
    {"top": "", "left": "", "bottom": "", "right": "", "angle": "°", "area": ""}
)
_COLUMNS = 3
_BINS = 25  # odd, so that an angle of 0 would lie in the middle of a bin
_INCHES = (12.6, 7.6)
_DOTS_PER_INCH = 100
_BEFORE, _BEFORE_LINE, _AFTER = "#c4c1b8", "#8f8c83", "#0b62a8"
_INK, _SOFT = "#1a1a1c", "#5c5b57"
_DASHES = (0, (4, 3))


@dataclass(frozen=True)
class Shift:
    """One measure of the crops `before` (n,) and `after` (m,), and how far apart they are.

    `statistic` is the two-sample Kolmogorov-Smirnov statistic, the largest distance between the two
    cumulative distributions, in [0, 1]; `chance` its p-value, corrected for the number of measures.
    Both are NaN where a version has no crop.
    """

    measure: str
    before: Floats
    after: Floats
    statistic: float
    chance: float

    @property
    def means(self) -> tuple[float, float]:
        """The mean before and after; NaN for a version without crops."""
        return _of_each(np.mean, self.before, self.after)

    @property
    def medians(self) -> tuple[float, float]:
        """The median before and after; NaN for a version without crops."""
        return _of_each(np.median, self.before, self.after)


def measures(labels: pd.DataFrame) -> dict[str, Floats]:
    """The measures of `UNITS` for every label, (n,) each."""
    limits = labels[list(CROP_COLUMNS)].to_numpy(float)
    columns = [*limits.T, crops.area(limits)]
    return dict(zip(UNITS, columns, strict=True))


def shifts(before: pd.DataFrame, after: pd.DataFrame) -> tuple[Shift, ...]:
    """How the labels of two versions differ in each measure of `UNITS`, in its order.

    The test takes the versions for samples apart. Where they share photos, its chances are too
    high: what it finds is there, and it may miss what is.
    """
    was, now = measures(before), measures(after)
    tests = {name: _kolmogorov_smirnov(was[name], now[name]) for name in UNITS}
    chances = significance.holm_correction({name: chance for name, (_, chance) in tests.items()})
    return tuple(Shift(name, was[name], now[name], tests[name][0], chances[name]) for name in UNITS)


def in_words(chance: float) -> str:
    """A p-value as it is told: one below a thousandth is no more than that, NaN a dash."""
    if np.isnan(chance):
        return "–"
    return "< 0.001" if chance < 0.001 else f"{chance:.3f}"


def draw(shifts: Sequence[Shift], before: str, after: str, file: Path) -> None:
    """A picture (PNG) of each measure's histogram in the versions of those names.

    The same shifts give the same bytes.
    """
    # not as the user's own settings would have it, and a name with dollars is no formula
    with style.context(["default", {"text.parse_math": False}]):
        figure = Figure(figsize=_INCHES, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        panels = figure.subplots(-(-len(shifts) // _COLUMNS), _COLUMNS).flatten()
        for panel, shift in zip(panels, shifts, strict=True):
            _draw_panel(panel, shift)
        for panel in panels[::_COLUMNS]:
            panel.set_ylabel("share of the crops, %", color=_SOFT)
        names = [f"{before}: {len(shifts[0].before):,} crops"]
        names += [f"{after}: {len(shifts[0].after):,} crops", "median"]
        keys = [
            Patch(facecolor=_BEFORE),
            Patch(facecolor="none", edgecolor=_AFTER, linewidth=2),
            Line2D([], [], color=_AFTER, linestyle=_DASHES),
        ]
        looks = {"ncols": len(keys), "frameon": False, "fontsize": 13}
        figure.legend(keys, names, loc="outside upper left", **looks)
        figure.savefig(file, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})


def _draw_panel(panel: Axes, shift: Shift) -> None:
    """Before as a filled shape, after as a line; the medians are dashed.

    Of angles only tilts are drawn: most crops have none, and would press the others flat.
    """
    tilts_only = shift.measure == "angle"
    was, now = (_shown(values, tilts_only) for values in (shift.before, shift.after))
    edges = _edges(np.concatenate([was, now]), tilts_only)
    shares = _shares(was, edges, len(shift.before)), _shares(now, edges, len(shift.after))
    panel.stairs(shares[0], edges, fill=True, color=_BEFORE)
    panel.stairs(shares[1], edges, color=_AFTER, linewidth=2, baseline=None)
    for values, colour in ((was, _BEFORE_LINE), (now, _AFTER)):
        if len(values) and not tilts_only:
            panel.axvline(float(np.median(values)), color=colour, linestyle=_DASHES)
    panel.set_title(shift.measure.capitalize(), loc="left", color=_INK, fontsize=13)
    panel.set_title(_told(shift), loc="right", color=_SOFT, fontsize=9.5)
    panel.set_xlabel(_axis_name(shift), color=_SOFT)
    panel.set_xlim(edges[0], edges[-1])
    panel.tick_params(colors=_SOFT)
    panel.spines[["top", "right"]].set_visible(False)


def _shown(values: Floats, tilts_only: bool) -> Floats:
    return values[values != 0] if tilts_only else values


def _edges(values: Floats, around_zero: bool) -> Floats:
    """Bins over the values' range, all fractions where there are none."""
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    if around_zero:
        high = max(-low, high)
        low = -high
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)


def _shares(values: Floats, edges: Floats, of: int) -> Floats:
    """The values in each bin as a percentage of `of`."""
    return np.histogram(values, edges)[0] / max(of, 1) * 100


def _axis_name(shift: Shift) -> str:
    if shift.measure == "area":
        return "share of the frame"
    if shift.measure != "angle":
        return "fraction of the frame's side"
    was, now = (_tilted(values) for values in (shift.before, shift.after))
    return f"degrees; tilted crops only: {was} before, {now} after"


def _tilted(values: Floats) -> str:
    return f"{np.count_nonzero(values) / len(values):.1%}" if len(values) else "none"


def _told(shift: Shift) -> str:
    if np.isnan(shift.chance):
        return "not to be compared"
    return f"KS {shift.statistic:.3f}, p {in_words(shift.chance)}"


def _of_each(middle: Callable[[Floats], Any], before: Floats, after: Floats) -> tuple[float, float]:
    was, now = (float(middle(each)) if len(each) else float("nan") for each in (before, after))
    return was, now


def _kolmogorov_smirnov(before: Floats, after: Floats) -> tuple[float, float]:
    if not len(before) or not len(after):
        return float("nan"), float("nan")
    found = stats.ks_2samp(before, after)
    return float(found.statistic), float(found.pvalue)
