"""The report's photos: small copies with crops as outlines, ranked for each sort order."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from cropperhead.evaluation.number_text import format_number
from cropperhead.geometry.crops import Floats
from cropperhead.photos import drawing

# With the rest of the page, 200 photos then stay below 5 MB.
_PHOTO_BYTES = 4_200_000
# Long side in px and WebP quality, tried in turn until a photo fits its share of the bytes.
_ENCODINGS = ((480, 80), (480, 68), (480, 50), (400, 45), (320, 40), (240, 30), (180, 20))
_LARGE_BYTES = 120_000  # of the photo next to the verdict
_LARGE = ((960, 80), (960, 60), (640, 60))
DRAWN_HEIGHT = 1000  # units of the outlines: finer than a pixel of any displayed photo


@dataclass(frozen=True)
class Picture:
    """A test photo with its crops.

    `crops` holds the limits, (5,), of the croppers in `drawing.STYLES` that there are; random is
    one draw. `overlap` is each drawn crop's overlap with the human's. `aspect` is width / height.
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
    polygons in a frame of `drawn_width` by `DRAWN_HEIGHT`; `ranks` is its place in each sort order,
    from 0.
    """

    photo: str
    source: str
    width: int
    height: int
    drawn_width: float
    outlines: tuple[tuple[str, str], ...]
    overlap: tuple[tuple[str, str], ...]
    ranks: Mapping[str, int]


def make_exhibits(pictures: Sequence[Picture], repeats: int = 0) -> list[Exhibit]:
    """Encode photos, sorted by name, with their outlines and ranks.

    `repeats` counts those that the page shows twice.
    """
    pictures = sorted(pictures, key=lambda picture: picture.photo)
    ranks = _rank_photos(pictures)
    budget = _PHOTO_BYTES // max(len(pictures) + repeats, 1)
    return [
        _make_exhibit(picture, {order: ranks[order][place] for order in ranks}, budget)
        for place, picture in enumerate(pictures)
    ]


def typical_exhibit(exhibits: Sequence[Exhibit]) -> Exhibit | None:
    """Choose a photo from the middle fifth by the CNN's overlap, a landscape one if possible."""
    middle = len(exhibits) // 2
    near = [e for e in exhibits if abs(e.ranks["best"] - middle) <= len(exhibits) // 10]
    return min(
        near, key=lambda e: (e.height > e.width, abs(e.ranks["best"] - middle)), default=None
    )


def enlarge_exhibit(exhibit: Exhibit, pictures: Sequence[Picture]) -> Exhibit:
    """Encode the photo again, at a larger size."""
    jpeg = next(picture.jpeg for picture in pictures if picture.photo == exhibit.photo)
    source, (width, height) = _encode_photo(jpeg, _LARGE_BYTES, _LARGE)
    return replace(exhibit, source=source, width=width, height=height)


def gallery_picture(
    pictures: Sequence[Picture],
    columns: int = 3,
    croppers: Sequence[str] = ("human", "cnn", "random"),
) -> Image.Image:
    """Draw a contact sheet of photos with their crops, names and scores."""
    outlined = [
        drawing.draw_outlines(
            Image.open(io.BytesIO(picture.jpeg)).convert("RGB"),
            _select_crops(picture.crops, croppers),
        )
        for picture in pictures
    ]
    return drawing.contact_sheet(
        outlined, columns, [_caption(picture, croppers) for picture in pictures]
    )


def _make_exhibit(picture: Picture, ranks: Mapping[str, int], budget: int) -> Exhibit:
    source, (width, height) = _encode_photo(picture.jpeg, budget)
    outlines = {
        key: _outline_points(limits, picture.aspect) for key, limits in picture.crops.items()
    }
    return Exhibit(
        photo=picture.photo,
        source=source,
        width=width,
        height=height,
        drawn_width=round(picture.aspect * DRAWN_HEIGHT, 1),
        outlines=tuple((key, outlines[key]) for key in drawing.STYLES if key in outlines),
        overlap=tuple(_overlap_texts(picture)),
        ranks=ranks,
    )


def _overlap_texts(picture: Picture) -> list[tuple[str, str]]:
    finite = {key: value for key, value in picture.overlap.items() if math.isfinite(value)}
    return [(key, format_number(finite[key], 2)) for key in drawing.STYLES if key in finite]


def _encode_photo(
    jpeg: bytes, budget: int, encodings: Sequence[tuple[int, int]] = _ENCODINGS
) -> tuple[str, tuple[int, int]]:
    """Encode a photo as a `data:` address of at most `budget` characters; return it and its size.

    A photo that exceeds the budget even in the smallest form is kept in that form.
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


def _outline_points(limits: Floats, aspect: float) -> str:
    """List the crop's corners as points of an SVG polygon, in a frame `DRAWN_HEIGHT` high."""
    corners = drawing.corners_in_pixels(limits, aspect * DRAWN_HEIGHT, DRAWN_HEIGHT)
    return " ".join(f"{x:.0f},{y:.0f}" for x, y in corners)


def _rank_photos(pictures: Sequence[Picture]) -> dict[str, list[int]]:
    """Rank the photos, from 0, in each sort order of the gallery."""
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


def _select_crops(crops: Mapping[str, Floats], croppers: Sequence[str]) -> dict[str, Floats]:
    return {key: limits for key, limits in crops.items() if key in croppers}


def _caption(picture: Picture, croppers: Sequence[str]) -> str:
    scores = [
        f"{drawing.STYLES[key].name} {text}"
        for key, text in _overlap_texts(picture)
        if key in croppers
    ]
    return "  ".join([picture.photo.rsplit("/", 1)[-1], *scores])
