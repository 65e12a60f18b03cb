import pandas as pd
import pytest

from cropperhead.dataset.inventory import Inventory, SplitSize, take_inventory
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
    return table.assign(
        source=["lightroom", "darktable", "lightroom", "lightroom"],
        joined_by=["", "", "document ID; edited copy", ""],
    )


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    return take_inventory(labels(), 0.9)


def test_photos_and_crops_are_counted_separately(inventory):
    assert (inventory.photos, inventory.crops, inventory.groups, inventory.several_authors) == (
        3,
        4,
        2,
        1,
    )
    assert inventory.splits == {"train": SplitSize(2, 1, 3), "test": SplitSize(1, 1, 1)}
    assert inventory.joined_groups == {"document ID": 1, "edited copy": 1}
    assert inventory.largest_group == 2
    assert list(inventory.authors.items()) == [("me", 3), ("you", 1)]
    assert list(inventory.sources.items()) == [("lightroom", 3), ("darktable", 1)]


def test_missing_cameras_and_dates_are_counted(inventory):
    assert (inventory.cameras, inventory.without_camera) == (2, 1)
    assert (inventory.years, inventory.without_date) == ({"2019": 1, "2021": 1}, 1)


def test_shapes_are_counted_for_photos_and_for_crops(inventory):
    assert inventory.shapes == {"landscape": 1, "portrait": 1, "square": 1}
    assert inventory.not_upright == 1
    assert inventory.photo_aspects == {"0.67": 1, "1.00": 1, "1.50": 1}
    # 600 x 400; 300 x 400; 200 x 300; 500 x 450
    assert inventory.crop_aspects == {"0.7": 1, "0.8": 1, "1.1": 1, "1.5": 1}
    assert inventory.same_shape == 2  # the whole of a, and the quarter of b
    assert inventory.megapixels.median == pytest.approx(0.24)  # 0.24, 0.24 and 0.25


def test_limits_are_described_by_their_quartiles(inventory):
    # areas 1, 0.5, 0.25 and 0.9: the quartiles of four are at places 0.75, 1.5 and 2.25
    area = inventory.limits["area"]
    assert (area.low, area.median, area.high) == pytest.approx((0.4375, 0.7, 0.925))
    assert list(inventory.limits) == ["top", "left", "bottom", "right", "angle", "area"]
    assert (inventory.tilted, inventory.median_tilt) == (2, 1.5)  # 2 and -1 degrees
    assert inventory.barely_cropped == 2  # areas 1 and 0.9
