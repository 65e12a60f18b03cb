"""The report's photos: made small, with their crops as outlines and their place in each order."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from cropperhead.geometry.crops import Floats
from cropperhead.photos import drawing

# With the rest of the page, of 200 photos, this stays under 5 MB.
_PHOTO_BYTES = 4_200_000
# Long side in px and WebP quality, tried in turn until a photo fits its share of the bytes.
_ENCODINGS = ((480, 80), (480, 68), (480, 50), (400, 45), (320, 40), (240, 30), (180, 20))
_LARGE_BYTES = 120_000  # of the photo beside the verdict
_LARGE = ((960, 80), (960, 60), (640, 60))
DRAWN_HEIGHT = 1000  # units of the outlines' drawing: finer than a pixel of any photo shown


@dataclass(frozen=True)
class Picture:
    """A test photo with its crops.

    `crops` gives the limits, (5,), of the croppers in `drawing.STYLES`, those that there are;
    random is one draw. `overlap` is that of each drawn crop with the human's. `aspect` is
    width / height.
    """

    photo: str
    jpeg: bytes
    aspect: float
    crops: Mapping[str, Floats]
    overlap: Mapping[str, float]


@dataclass(frozen=True)
class Exhibit:
    """A photo as the page shows it.

    `source` is a `data:` address, `width` and `height` its size in px; `outlines` are points of SVG
    polygons in a frame of `drawn_width` by `DRAWN_HEIGHT`; `ranks` its place in each order, from 0.
    """

    photo: str
    source: str
    width: int
    height: int
    drawn_width: float
    outlines: tuple[tuple[str, str], ...]
    overlap: tuple[tuple[str, str], ...]
    ranks: Mapping[str, int]


def exhibits(pictures: Sequence[Picture], shown_again: int = 0) -> list[Exhibit]:
    """The photos by name, their outlines and their places in each order of the gallery.

    `shown_again` is how many stand on the page twice.
    """
    pictures = sorted(pictures, key=lambda picture: picture.photo)
    ranks = _ranks(pictures)
    budget = _PHOTO_BYTES // max(len(pictures) + shown_again, 1)
    return [
        _exhibit(picture, {order: ranks[order][place] for order in ranks}, budget)
        for place, picture in enumerate(pictures)
    ]


def typical(shown: Sequence[Exhibit]) -> Exhibit | None:
    """A photo from the middle fifth by the CNN's overlap; a wide one if there is, to leave room."""
    middle = len(shown) // 2
    near = [e for e in shown if abs(e.ranks["best"] - middle) <= len(shown) // 10]
    return min(
        near, key=lambda e: (e.height > e.width, abs(e.ranks["best"] - middle)), default=None
    )


def enlarged(exhibit: Exhibit, pictures: Sequence[Picture]) -> Exhibit:
    """The photo as a larger one, made anew from its picture."""
    jpeg = next(picture.jpeg for picture in pictures if picture.photo == exhibit.photo)
    source, (width, height) = _encoded(jpeg, _LARGE_BYTES, _LARGE)
    return replace(exhibit, source=source, width=width, height=height)


def gallery_picture(
    pictures: Sequence[Picture],
    columns: int = 3,
    croppers: Sequence[str] = ("human", "cnn", "random"),
) -> Image.Image:
    """A sheet of photos with their crops drawn on them, named and scored below."""
    drawn = [
        drawing.outlined(
            Image.open(io.BytesIO(picture.jpeg)).convert("RGB"), _only(picture.crops, croppers)
        )
        for picture in pictures
    ]
    return drawing.contact_sheet(
        drawn, columns, [_caption(picture, croppers) for picture in pictures]
    )


def _exhibit(picture: Picture, ranks: Mapping[str, int], budget: int) -> Exhibit:
    source, (width, height) = _encoded(picture.jpeg, budget)
    outlines = {key: _points(limits, picture.aspect) for key, limits in picture.crops.items()}
    return Exhibit(
        photo=picture.photo,
        source=source,
        width=width,
        height=height,
        drawn_width=round(picture.aspect * DRAWN_HEIGHT, 1),
        outlines=tuple((key, outlines[key]) for key in drawing.STYLES if key in outlines),
        overlap=tuple(_overlaps(picture)),
        ranks=ranks,
    )


def _overlaps(picture: Picture) -> list[tuple[str, str]]:
    known = {key: value for key, value in picture.overlap.items() if math.isfinite(value)}
    return [(key, f"{known[key]:.2f}") for key in drawing.STYLES if key in known]


def _encoded(
    jpeg: bytes, budget: int, encodings: Sequence[tuple[int, int]] = _ENCODINGS
) -> tuple[str, tuple[int, int]]:
    """A photo as a small `data:` address of at most `budget` characters, and its size in px.

    A photo that is still too large in the smallest form is kept in that form.
    """
    photo = Image.open(io.BytesIO(jpeg)).convert("RGB")
    for long_side, quality in encodings:
        small = photo.copy()
        small.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=quality, method=2)  # 4 takes twice as long for 4 %
        source = "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
        if len(source) <= budget:
            break
    return source, small.size


def _points(limits: Floats, aspect: float) -> str:
    """The crop's corners as points of an SVG polygon, in a frame `DRAWN_HEIGHT` units high."""
    corners = drawing.corners_in_pixels(limits, aspect * DRAWN_HEIGHT, DRAWN_HEIGHT)
    return " ".join(f"{x:.0f},{y:.0f}" for x, y in corners)


def _ranks(pictures: Sequence[Picture]) -> dict[str, list[int]]:
    """Each photo's place, from 0, in the orders that the gallery offers."""
    model = np.array([picture.overlap.get("cnn", math.nan) for picture in pictures])
    constant = np.array([picture.overlap.get("median", math.nan) for picture in pictures])
    keys = {
        "name": np.arange(len(pictures)),
        "best": -model,
        "worst": model,
        "disagreement": -np.abs(model - constant),
    }
    # stable, so that ties keep the order of names; NaN sorts last
    return {
        order: np.argsort(np.argsort(key, kind="stable"), kind="stable").tolist()
        for order, key in keys.items()
    }


def _only(crops: Mapping[str, Floats], croppers: Sequence[str]) -> dict[str, Floats]:
    return {key: limits for key, limits in crops.items() if key in croppers}


def _caption(picture: Picture, croppers: Sequence[str]) -> str:
    scores = [
        f"{drawing.STYLES[key].name} {text}" for key, text in _overlaps(picture) if key in croppers
    ]
    return "  ".join([picture.photo.rsplit("/", 1)[-1], *scores])
