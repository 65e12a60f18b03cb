import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_comparison import CNN, MEDIAN, comparison, picture

from cropperhead.report import chart_images


def size(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


@pytest.mark.parametrize("draw", [chart_images.draw_forest, chart_images.draw_limits])
def test_the_same_comparison_gives_the_same_picture(tmp_path, draw):
    draw(comparison(), tmp_path / "first.png")
    draw(comparison(), tmp_path / "second.png")
    first = (tmp_path / "first.png").read_bytes()
    assert first == (tmp_path / "second.png").read_bytes()
    assert b"tEXt" not in first  # no date and no name of a program
    assert size(tmp_path / "first.png")[0] > 500


@pytest.mark.parametrize("rows", [[], [CNN, MEDIAN]])
def test_the_forest_grows_with_its_croppers(tmp_path, rows):
    chart_images.draw_forest(comparison(rows=rows), tmp_path / "forest.png")
    # 1 in and 0.34 in for each row, at least one, at 110 dots an inch
    assert size(tmp_path / "forest.png")[1] == int((1 + 0.34 * max(len(rows), 1)) * 110)


def test_limits_without_crops_are_drawn_empty(tmp_path):
    empty = {"human": np.zeros((0, 5)), "cnn": np.zeros((0, 5))}
    chart_images.draw_limits(comparison(limits=empty), tmp_path / "empty.png")
    chart_images.draw_limits(comparison(limits={}), tmp_path / "none.png")
    assert (tmp_path / "none.png").exists()


@pytest.mark.parametrize("name", ["gallery.png", "gallery.jpg"])
def test_the_sheet_shows_at_most_twelve_photos_and_leaves_out_those_without_a_score(
    tmp_path: Path, name: str
):
    pictures = [picture(f"{number:02}.jpg") for number in range(30)]
    chart_images.draw_gallery(pictures, tmp_path / name)
    unscored = dataclasses.replace(pictures[0], overlap={})
    chart_images.draw_gallery([*pictures[:12], unscored], tmp_path / f"twelve-{name}")
    # four rows of three either way
    assert size(tmp_path / name) == size(tmp_path / f"twelve-{name}")
