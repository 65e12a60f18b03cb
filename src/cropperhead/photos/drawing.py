"""Draws crops over photos, and many such photos on one sheet.

Each cropper has one colour and one line style, here and nowhere else: the report takes its own from
`STYLES`. A dark halo runs under every outline, so that it stands out from light and dark photos.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from cropperhead.geometry import crops
from cropperhead.geometry.crops import Floats

Point = tuple[float, float]


INK = "#55555a"  # of a cropper without a style, in charts on paper


@dataclass(frozen=True)
class Style:
    """How one cropper's outline looks, and what it is called.

    Lengths are in px where the photo's long side is 480 px; `dash` is as in SVG. A dash of almost
    no length is a dot, because lines have round ends. `ink` is its colour in charts on light paper,
    with a contrast of 4.5 : 1 and more.
    """

    name: str
    colour: str
    width: float
    dash: tuple[float, ...] = ()
    ink: str = INK


# Amber, blue and white stay apart in every kind of colour blindness (simulated after Machado et al.
# 2009: CIE76 distances of 46 and more) and in black and white by their dashes. The others, which
# are drawn on request, come as near as 19 and differ first by their dashes.
STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "human": Style("human", "#ffb52e", 2.6, ink="#9a5b00"),
        "cnn": Style("CNN", "#4fb0ff", 2.6, (8, 7), ink="#1d5fd0"),
        "random": Style("random", "#ffffff", 2.2, (0.1, 5.5)),
        "median": Style("constant", "#43e0a0", 2.0, (9, 6, 0.1, 6), ink="#0b7a53"),
        "similar": Style("similar photo", "#ff3fd0", 2.0, (3, 5), ink="#a3157a"),
        "predecessor": Style("predecessor", "#ff4b4b", 2.0, (14, 5, 0.1, 5, 0.1, 5), ink="#b3261e"),
    }
)
# For the versions of one photo, which may be many: colours and dashes in every combination
VERSION_STYLES = tuple(
    Style("", style.colour, style.width, dash)
    for dash in ((), (8.0, 7.0), (0.1, 5.5), (9.0, 6.0, 0.1, 6.0))
    for style in STYLES.values()
)
HALO = "#101014"
HALO_OPACITY = 0.62
HALO_WIDTH = 2.0  # px that the halo reaches beyond the line, both sides together
_DRAWN_AT = 480  # px; the long side at which the styles' lengths hold
_SUPERSAMPLING = 4  # drawn this much larger, then reduced: smooth edges without a drawing library
_PAPER, _INK = "#fbfbfa", "#1a1a1c"


def draw_outlines(
    image: Image.Image, outlines: Mapping[str, ArrayLike], styles: Mapping[str, Style] = STYLES
) -> Image.Image:
    """A copy of the photo with crops drawn over it.

    `outlines` gives each cropper's limits, (5,), in the frame of the photo; they are drawn in the
    order of `styles`, the last on top. A cropper without a style is left out.
    """
    drawn = [(style, outlines[name]) for name, style in styles.items() if name in outlines]
    size = (image.width * _SUPERSAMPLING, image.height * _SUPERSAMPLING)
    layer = Image.new("RGBA", size)
    scale = max(size) / _DRAWN_AT
    rings = [(style, _ring(limits, *size)) for style, limits in drawn]
    canvas = ImageDraw.Draw(layer)
    halo = _with_opacity(HALO, HALO_OPACITY)
    for style, ring in rings:
        _stroke(canvas, ring, halo, (style.width + HALO_WIDTH) * scale)
    for style, ring in rings:
        for piece in _dashes(ring, [length * scale for length in style.dash]):
            _stroke(canvas, piece, style.colour, style.width * scale)
    picture = image.convert("RGBA")
    picture.alpha_composite(layer.resize(image.size, Image.Resampling.BOX))
    return picture.convert("RGB")


def contact_sheet(
    images: Sequence[Image.Image],
    columns: int,
    captions: Sequence[str] = (),
    width: int = 1280,
    gap: int = 10,
) -> Image.Image:
    """Pictures in rows of `columns`, each row scaled to one height, captions below.

    A last row that is not full keeps the mean height of the rows above it. `width` and `gap` in px.
    """
    names = list(captions) or [""] * len(images)
    cells = list(zip(images, names, strict=True))
    rows = [cells[first : first + columns] for first in range(0, len(cells), columns)]
    heights = _row_heights([[image for image, _ in row] for row in rows], columns, width, gap)
    below = gap + (18 if any(names) else 0)
    sheet = Image.new("RGB", (width, gap + sum(height + below for height in heights)), _PAPER)
    y = gap
    for row, height in zip(rows, heights, strict=True):
        _lay_row(sheet, row, y, height, gap)
        y += height + below
    return sheet


def add_legend(image: Image.Image, styles: Mapping[str, Style]) -> Image.Image:
    """The picture with a line below it for each style: a piece of it, and its name."""
    size = max(12, round(max(image.size) / 60))
    high = round(size * 1.6)
    sheet = Image.new("RGB", (image.width, image.height + high * len(styles)), HALO)
    sheet.paste(image, (0, 0))
    pen, scale = ImageDraw.Draw(sheet), max(image.size) / _DRAWN_AT
    for i, (name, style) in enumerate(styles.items()):
        y = image.height + i * high + high / 2
        sample = [(size, y), (size * 6, y)]
        for piece in _dashes(sample, [length * scale for length in style.dash]):
            _stroke(pen, piece, style.colour, style.width * scale)
        pen.text((size * 7, y), name, fill=_PAPER, font=ImageFont.load_default(size), anchor="lm")
    return sheet


def corners_in_pixels(limits: ArrayLike, width: float, height: float) -> Floats:
    """Corners of one crop, (4, 2), in pixels of a frame of that size."""
    points = crops.corners(np.asarray(limits, dtype=float)[None], np.array([width / height]))
    return np.asarray(points[0] * height)


def _ring(limits: ArrayLike, width: int, height: int) -> list[Point]:
    points = [(float(x), float(y)) for x, y in corners_in_pixels(limits, width, height)]
    return [*points, points[0]]


def _stroke(canvas: ImageDraw.ImageDraw, line: Sequence[Point], colour: str, width: float) -> None:
    """A line with round joints and ends; a line of almost no length is a dot."""
    canvas.line(line, fill=colour, width=max(1, round(width)))
    for x, y in line:
        canvas.circle((x, y), width / 2, fill=colour)


def _dashes(ring: Sequence[Point], dash: Sequence[float]) -> list[list[Point]]:
    """The drawn pieces of a ring; each side starts its pattern again, so that corners are drawn."""
    if not dash:
        return [list(ring)]
    return [piece for side in pairwise(ring) for piece in _side_dashes(side, dash)]


def _side_dashes(side: tuple[Point, Point], dash: Sequence[float]) -> list[list[Point]]:
    start, end = np.array(side)
    length = float(np.hypot(*(end - start)))
    ends = _dash_ends(length, dash)
    return [[_along(start, end, part / max(length, 1e-9)) for part in piece] for piece in ends]


def _dash_ends(length: float, dash: Sequence[float]) -> list[tuple[float, float]]:
    """Where the drawn pieces of a side begin and end, in px from its start."""
    repeats = int(length // sum(dash)) + 1
    stops = np.concatenate([[0.0], np.cumsum(np.tile(dash, repeats))])
    pieces = zip(stops[:-1:2], stops[1::2], strict=True)
    return [(float(a), min(float(b), length)) for a, b in pieces if a < length]


def _along(start: Floats, end: Floats, share: float) -> Point:
    x, y = start + (end - start) * share
    return float(x), float(y)


def _with_opacity(colour: str, opacity: float) -> str:
    return f"{colour}{round(opacity * 255):02x}"


def _row_heights(
    rows: Sequence[Sequence[Image.Image]], columns: int, width: int, gap: int
) -> list[int]:
    room = width - gap * (columns + 1)
    heights = [room / sum(image.width / image.height for image in row) for row in rows]
    full = [height for row, height in zip(rows, heights, strict=True) if len(row) == columns]
    if full and len(rows[-1]) < columns:
        heights[-1] = min(heights[-1], sum(full) / len(full))
    return [round(height) for height in heights]


def _lay_row(
    sheet: Image.Image, row: Sequence[tuple[Image.Image, str]], y: int, height: int, gap: int
) -> None:
    pen, x = ImageDraw.Draw(sheet), gap
    for image, caption in row:
        size = (round(image.width / image.height * height), height)
        sheet.paste(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), (x, y))
        pen.text((x, y + height + 3), caption, fill=_INK, font=_font(caption, size[0]))
        x += size[0] + gap


def _font(text: str, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest font in which a caption keeps to its picture's width, from 12 px down to 8."""
    fonts = [ImageFont.load_default(size) for size in range(12, 7, -1)]
    return next((font for font in fonts if font.getlength(text) <= width), fonts[-1])
