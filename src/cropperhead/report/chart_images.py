"""Charts as pictures, drawn with Matplotlib: for `dvc plots`, and for the data diff.

The same input gives the same bytes: no date, no program's name, and Matplotlib's default style.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from cropperhead.evaluation.croppers import MEDIAN
from cropperhead.evaluation.number_text import format_confidence, format_percent
from cropperhead.geometry.crops import Floats
from cropperhead.photos.drawing import INK, STYLES
from cropperhead.report import charts
from cropperhead.report.charts import BINS, LIMIT_NAMES
from cropperhead.report.comparison import Comparison
from cropperhead.report.distribution_shift import Shift, format_test
from cropperhead.report.gallery import Picture, gallery_picture
from cropperhead.words import format_count

_DPI = 110
_OPEN_AXES = {"axes.spines.top": False, "axes.spines.right": False}
_INCHES_PER_ROW = 0.34
_LINES = {"human": "-", "cnn": "--"}
_MOST_PHOTOS = 12  # four rows of three
_JPEG_QUALITY = 85

_SHIFT_COLUMNS = 3
_SHIFT_BINS = 25  # odd, so that an angle of 0 would be in the middle of a bin
_SHIFT_INCHES, _SHIFT_DPI = (12.6, 7.6), 100
_BEFORE, _BEFORE_LINE, _AFTER = "#c4c1b8", "#8f8c83", "#0b62a8"
_TEXT, _SOFT = "#1a1a1c", "#5c5b57"
_DASHES = (0, (4, 3))
PICTURES = ("forest.png", "limits.png", "gallery.jpg")


def write_plots(comparison: Comparison, folder: Path) -> None:
    """Write the PICTURES into a folder: the forest plot, the limits and the gallery."""
    forest, limits, gallery = (folder / name for name in PICTURES)
    draw_forest(comparison, forest)
    draw_limits(comparison, limits)
    draw_gallery(comparison.pictures, gallery)


def draw_forest(comparison: Comparison, file: Path) -> None:
    """Draw every cropper's overlap with its interval, highest first, and the constant crop's."""
    bars = [charts.bar(row.cropper, row.label, row.overlap) for row in comparison.rows]
    ascending = sorted((bar for bar in bars if bar.is_drawn), key=lambda bar: bar.mean)
    with _default_style(**_OPEN_AXES):
        height = 1 + _INCHES_PER_ROW * max(len(ascending), 1)
        figure = Figure(figsize=(8, height), layout="tight")
        axes = figure.add_subplot()
        for place, bar in enumerate(ascending):
            colour = STYLES[bar.key].ink if bar.key in STYLES else INK
            axes.plot([bar.low, bar.high], [place, place], color=colour, linewidth=2.5)
            axes.plot([bar.mean], [place], "o", color=colour)
            if bar.key == MEDIAN:
                axes.axvline(bar.mean, color=INK, linewidth=1, linestyle=":", zorder=0)
        axes.set_yticks(range(len(ascending)), [bar.label for bar in ascending])
        percent = format_confidence(comparison.confidence)
        axes.set_xlabel(f"overlap with the human crop, and its {percent} interval")
        axes.grid(axis="x", color="#e4e4e0")
        _save_png(figure, file, _DPI)


def draw_limits(comparison: Comparison, file: Path) -> None:
    """Draw the distribution of each of the five limits, human and network, a panel each."""
    with _default_style(**_OPEN_AXES):
        figure = Figure(figsize=(11, 5.5), layout="tight")
        panels = [figure.add_subplot(2, 3, place + 1) for place in range(len(LIMIT_NAMES))]
        for column, axes in enumerate(panels):
            values = {
                key: np.asarray(comparison.limits[key], dtype=float)[:, column]
                for key in _LINES
                if key in comparison.limits
            }
            _draw_limit(axes, values, LIMIT_NAMES[column])
        panels[0].set_ylabel("share of photos, %")
        _save_png(figure, file, _DPI)


def draw_gallery(pictures: Sequence[Picture], file: Path) -> None:
    """Draw photos with their crops on a contact sheet, from worst to best by the CNN's overlap.

    At most `_MOST_PHOTOS`, evenly spaced among all. The file's suffix chooses the format.
    """
    scored = [picture for picture in pictures if np.isfinite(picture.overlap.get("cnn", np.nan))]
    ordered = sorted(scored, key=lambda picture: (picture.overlap["cnn"], picture.photo))
    places = np.linspace(0, len(ordered) - 1, min(_MOST_PHOTOS, len(ordered))).round().astype(int)
    sheet = gallery_picture([ordered[place] for place in places])
    sheet.save(file, quality=_JPEG_QUALITY)


def draw_shifts(shifts: Sequence[Shift], before: str, after: str, file: Path) -> None:
    """Draw each measure's histogram in the versions of those names (PNG)."""
    # math would be parsed in a name with dollar signs
    with _default_style(**{"text.parse_math": False}):
        figure = Figure(figsize=_SHIFT_INCHES, layout="constrained", facecolor="white")
        panels = figure.subplots(-(-len(shifts) // _SHIFT_COLUMNS), _SHIFT_COLUMNS).flatten()
        for panel, shift in zip(panels, shifts, strict=True):
            _draw_shift(panel, shift)
        for panel in panels[::_SHIFT_COLUMNS]:
            panel.set_ylabel("share of the crops, %", color=_SOFT)
        _add_shift_legend(figure, shifts[0], before, after)
        _save_png(figure, file, _SHIFT_DPI)


def _draw_limit(axes: Axes, values: dict[str, Floats], name: str) -> None:
    everything = np.concatenate([*values.values(), np.zeros(0)])
    edges = np.linspace(*_limit_range(everything, name), BINS + 1)
    for key, line in _LINES.items():
        if key in values:
            mean = float(np.mean(values[key])) if len(values[key]) else float("nan")
            axes.stairs(
                charts.histogram_percent(values[key], edges),
                edges,
                color=STYLES[key].ink,
                linestyle=line,
                linewidth=2,
                label=f"{STYLES[key].name}, mean {mean:.2f}",
            )
    axes.set_title(f"{name}, degrees" if name == "Angle" else name, loc="left")
    if values:
        axes.legend(loc="upper center", frameon=False, fontsize="small")
        axes.margins(y=0.35)  # room for the legend


def _limit_range(values: Floats, name: str) -> tuple[float, float]:
    """Choose a panel's range: the frame, or the largest angle to both sides."""
    if name != "Angle":
        return min(0.0, *values, 0.0), max(1.0, *values, 1.0)
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    return -largest, largest


def _add_shift_legend(figure: Figure, shift: Shift, before: str, after: str) -> None:
    handles = [
        Patch(facecolor=_BEFORE),
        Patch(facecolor="none", edgecolor=_AFTER, linewidth=2),
        Line2D([], [], color=_AFTER, linestyle=_DASHES),
    ]
    versions = (before, shift.before), (after, shift.after)
    names = [f"{name}: {format_count(len(crops), 'crop')}" for name, crops in versions]
    looks: dict[str, Any] = {"ncols": len(handles), "frameon": False, "fontsize": 13}
    figure.legend(handles, [*names, "median"], loc="outside upper left", **looks)


def _draw_shift(panel: Axes, shift: Shift) -> None:
    """Draw the version before as a filled shape, the one after as a line, and medians dashed.

    Of angles, only tilts are drawn: most crops have none, and would flatten the rest.
    """
    tilts_only = shift.measure == "angle"
    before, after = (_drawn_values(each, tilts_only) for each in (shift.before, shift.after))
    edges = _shift_edges(np.concatenate([before, after]), tilts_only)
    filled = charts.histogram_percent(before, edges, len(shift.before))
    line = charts.histogram_percent(after, edges, len(shift.after))
    panel.stairs(filled, edges, fill=True, color=_BEFORE)
    panel.stairs(line, edges, color=_AFTER, linewidth=2, baseline=None)
    for values, colour in ((before, _BEFORE_LINE), (after, _AFTER)):
        if len(values) and not tilts_only:
            panel.axvline(float(np.median(values)), color=colour, linestyle=_DASHES)
    panel.set_title(shift.measure.capitalize(), loc="left", color=_TEXT, fontsize=13)
    panel.set_title(format_test(shift), loc="right", color=_SOFT, fontsize=9.5)
    panel.set_xlabel(_shift_axis_name(shift), color=_SOFT)
    panel.set_xlim(edges[0], edges[-1])
    panel.tick_params(colors=_SOFT)
    panel.spines[["top", "right"]].set_visible(False)


def _drawn_values(values: Floats, tilts_only: bool) -> Floats:
    return values[values != 0] if tilts_only else values


def _shift_edges(values: Floats, around_zero: bool) -> Floats:
    """Divide the values' range into bins; 0 to 1 where there are no values."""
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    if around_zero:
        high = max(-low, high)
        low = -high
    return np.linspace(low, high if high > low else low + 1, _SHIFT_BINS + 1)


def _shift_axis_name(shift: Shift) -> str:
    if shift.measure == "area":
        return "share of the frame"
    if shift.measure != "angle":
        return "fraction of the frame's side"
    before, after = (_tilted_share(values) for values in (shift.before, shift.after))
    return f"degrees; tilted crops only: {before} before, {after} after"


def _tilted_share(values: Floats) -> str:
    return format_percent(np.count_nonzero(values) / len(values), 1) if len(values) else "none"


def _default_style(**settings: Any) -> AbstractContextManager[None]:
    """Use Matplotlib's default style, whatever the user's own is."""
    return style.context(["default", settings])


def _save_png(figure: Figure, file: Path, dots_per_inch: int) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(file, format="png", dpi=dots_per_inch, metadata={"Software": None})
