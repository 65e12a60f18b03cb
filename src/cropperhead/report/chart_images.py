"""The comparison as pictures for `dvc plots`: the report's charts, drawn with matplotlib.

The same comparison gives the same bytes: no date, no name of a program, and no style but
matplotlib's own.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cropperhead.geometry.crops import Floats
from cropperhead.photos.drawing import INK, STYLES
from cropperhead.report import gallery as photos
from cropperhead.report.charts import LIMIT_NAMES, Bar
from cropperhead.report.gallery import Picture
from cropperhead.report.page import Comparison

_INCHES_PER_ROW = 0.34
_DPI = 110
_BINS = 17  # odd, so that an angle of 0 lies in the middle of a bin
_LINES = {"human": "-", "cnn": "--"}
_SHOWN = 12  # photos: four rows of three
_JPEG_QUALITY = 85


def write(comparison: Comparison, folder: Path) -> None:
    """Writes all three into a folder, by the names that `dvc plots` knows."""
    forest(comparison, folder / "forest.png")
    limits(comparison, folder / "limits.png")
    gallery(comparison.pictures, folder / "gallery.jpg")


def forest(comparison: Comparison, file: Path) -> None:
    """Every cropper's overlap with its interval, from the highest down, and the constant crop's."""
    bars = [
        Bar(row.cropper, row.label, row.overlap.mean, row.overlap.low, row.overlap.high)
        for row in comparison.rows
        if row.overlap is not None
    ]
    drawn = sorted((bar for bar in bars if bar.is_drawn), key=lambda bar: bar.mean)
    with _own_style():
        figure = Figure(figsize=(8, 1 + _INCHES_PER_ROW * max(len(drawn), 1)), layout="tight")
        axes = figure.add_subplot()
        for place, bar in enumerate(drawn):
            colour = STYLES[bar.key].ink if bar.key in STYLES else INK
            axes.plot([bar.low, bar.high], [place, place], color=colour, linewidth=2.5)
            axes.plot([bar.mean], [place], "o", color=colour)
            if bar.key == "median":
                axes.axvline(bar.mean, color=INK, linewidth=1, linestyle=":", zorder=0)
        axes.set_yticks(range(len(drawn)), [bar.label for bar in drawn])
        percent = f"{comparison.confidence * 100:g} %"
        axes.set_xlabel(f"overlap with the human crop, and its {percent} interval")
        axes.grid(axis="x", color="#e4e4e0")
        _save(figure, file)


def limits(comparison: Comparison, file: Path) -> None:
    """How each of the five limits is spread, of human and network: a panel each."""
    with _own_style():
        figure = Figure(figsize=(11, 5.5), layout="tight")
        panels = [figure.add_subplot(2, 3, place + 1) for place in range(len(LIMIT_NAMES))]
        for column, axes in enumerate(panels):
            values = {
                key: np.asarray(comparison.limits[key], dtype=float)[:, column]
                for key in _LINES
                if key in comparison.limits
            }
            _spread(axes, values, LIMIT_NAMES[column])
        panels[0].set_ylabel("share of photos, %")
        _save(figure, file)


def gallery(pictures: Sequence[Picture], file: Path) -> None:
    """Photos with their crops on a sheet, from the worst to the best by the CNN's overlap.

    Evenly spaced among all, at most `_SHOWN`. The file's ending says in which format.
    """
    scored = [picture for picture in pictures if np.isfinite(picture.overlap.get("cnn", np.nan))]
    ordered = sorted(scored, key=lambda picture: (picture.overlap["cnn"], picture.photo))
    places = np.linspace(0, len(ordered) - 1, min(_SHOWN, len(ordered))).round().astype(int)
    sheet = photos.gallery_picture([ordered[place] for place in places])
    sheet.save(file, quality=_JPEG_QUALITY)


def _spread(axes: Axes, values: dict[str, Floats], name: str) -> None:
    together = np.concatenate([*values.values(), np.zeros(0)])
    edges = np.linspace(*_ends(together, name), _BINS + 1)
    for key, line in _LINES.items():
        if key in values:
            shares = np.histogram(values[key], edges)[0] / max(len(values[key]), 1) * 100
            mean = float(np.mean(values[key])) if len(values[key]) else float("nan")
            label = f"{STYLES[key].name}, mean {mean:.2f}"
            axes.stairs(
                shares, edges, color=STYLES[key].ink, linestyle=line, linewidth=2, label=label
            )
    axes.set_title(f"{name}, degrees" if name == "Angle" else name, loc="left")
    if values:
        axes.legend(loc="upper center", frameon=False, fontsize="small")
        axes.margins(y=0.35)  # room for the legend


def _ends(values: Floats, name: str) -> tuple[float, float]:
    """The range of a panel: the frame, or as far as any crop is turned, alike to both sides."""
    if name != "Angle":
        return min(0.0, *values, 0.0), max(1.0, *values, 1.0)
    turned = float(np.abs(values).max(initial=0.0)) or 1.0
    return -turned, turned


def _own_style() -> AbstractContextManager[None]:
    """matplotlib as it comes: whoever draws may have a style of their own."""
    return style.context(["default", {"axes.spines.top": False, "axes.spines.right": False}])


def _save(figure: Figure, file: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
