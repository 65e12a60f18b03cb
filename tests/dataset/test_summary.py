import pandas as pd
import pytest

from cropperhead.dataset import summary
from cropperhead.dataset.summary import Part
from cropperhead.geometry.crops import CROP_COLUMNS

#           photo, author, split, group, width, height, orientation, camera, captured, limits
ROWS = [
    ("a", "me", "train", "a", 600, 400, 1, "Eye 1", "2019-05-01T10:00:00.000000", (0, 0, 1, 1, 0)),
    (
        "a",
        "you",
        "train",
        "a",
        600,
        400,
        1,
        "Eye 1",
        "2019-05-01T10:00:00.000000",
        (0, 0, 1, 0.5, 2),
    ),
    ("b", "me", "train", "a", 400, 600, 6, "Eye 2", None, (0, 0, 0.5, 0.5, 0)),
    ("c", "me", "test", "c", 500, 500, 1, None, "2021-01-01T00:00:00.000000", (0.1, 0, 1, 1, -1)),
]
COLUMNS = [
    "photo",
    "author",
    "split",
    "group",
    "width",
    "height",
    "orientation",
    "camera",
    "captured",
]


def labels() -> pd.DataFrame:
    table = pd.DataFrame([row[:9] for row in ROWS], columns=COLUMNS)
    table[list(CROP_COLUMNS)] = [row[9] for row in ROWS]
    return table.assign(source=["lightroom", "darktable", "lightroom", "lightroom"])


@pytest.fixture(scope="module")
def held() -> summary.Inventory:
    return summary.of(labels(), 0.9)


def test_photos_and_crops_are_counted_apart(held):
    assert (held.photos, held.crops, held.groups, held.several) == (3, 4, 2, 1)
    assert held.parts == {"train": Part(2, 1, 3), "test": Part(1, 1, 1)}
    assert list(held.authors.items()) == [("me", 3), ("you", 1)]
    assert list(held.sources.items()) == [("lightroom", 3), ("darktable", 1)]


def test_what_the_files_do_not_tell_is_counted_too(held):
    assert (held.cameras, held.without_camera) == (2, 1)
    assert (held.years, held.undated) == ({"2019": 1, "2021": 1}, 1)


def test_shapes_are_those_of_photos_and_of_crops(held):
    assert held.shapes == {"landscape": 1, "portrait": 1, "square": 1}
    assert held.turned == 1
    assert held.frames == {"0.67": 1, "1.00": 1, "1.50": 1}
    # 600 x 400; 300 x 400; 200 x 300; 500 x 450
    assert held.cropped == {"0.7": 1, "0.8": 1, "1.1": 1, "1.5": 1}
    assert held.same_shape == 2  # the whole of a, and the quarter of b
    assert held.megapixels.median == pytest.approx(0.24)  # 0.24, 0.24 and 0.25


def test_limits_are_told_by_their_quartiles(held):
    # areas 1, 0.5, 0.25 and 0.9: the quartiles of four lie at places 0.75, 1.5 and 2.25
    area = held.limits["area"]
    assert (area.low, area.median, area.high) == pytest.approx((0.4375, 0.7, 0.925))
    assert list(held.limits) == ["top", "left", "bottom", "right", "angle", "area"]
    assert (held.tilted, held.tilt) == (2, 1.5)  # 2 and -1 degrees
    assert held.barely == 2  # areas 1 and 0.9
