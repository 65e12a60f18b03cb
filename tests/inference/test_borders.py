import numpy as np
import pytest
from conftest import scene
from PIL import Image, ImageDraw

from cropperhead.inference import borders

WHOLE = [0, 0, 1, 1]


def noise(width, height, seed=1):
    """A picture in which every pixel is another colour."""
    pixels = np.random.default_rng(seed).integers(60, 200, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def framed(left, top, right, bottom, colour=(255, 255, 255), size=(400, 200)):
    """A picture of `size` px, noise within a frame of those widths."""
    image = Image.new("RGB", size, colour)
    image.paste(noise(size[0] - left - right, size[1] - top - bottom), (left, top))
    return image


def test_a_frame_is_found():
    # 20 of 400 px to each side, 10 of 200 px above and 30 below
    assert borders.find_content(framed(20, 10, 20, 30)) == pytest.approx([0.05, 0.05, 0.85, 0.95])


@pytest.mark.parametrize("colour", [(0, 0, 0), (40, 60, 200)])
def test_bars_of_any_colour_are_found(colour):
    # 30 of 200 px above and below
    assert borders.find_content(framed(0, 30, 0, 30, colour)) == pytest.approx([0.15, 0, 0.85, 1])


def test_a_bar_on_one_side_is_found():
    assert borders.find_content(framed(40, 0, 0, 0)) == pytest.approx([0, 0.1, 1, 1])


def test_a_scan_stored_as_a_small_jpeg_has_its_frame(tmp_path):
    image = Image.new("RGB", (1700, 1200), (250, 248, 240))
    image.paste(scene(5, 1500, 1000), (100, 100))
    image.resize((510, 360)).save(tmp_path / "framed.jpg", quality=80)
    with Image.open(tmp_path / "framed.jpg") as small:
        content = borders.find_content(small)
    # 100 of 1200 px, 100 of 1700 px; to the 4 px over which an edge spreads
    expected = np.array([100 / 1200, 100 / 1700, 1100 / 1200, 1600 / 1700])
    assert content == pytest.approx(expected, abs=4 / 360)


def test_a_picture_without_borders_is_left_whole():
    assert borders.find_content(noise(300, 200)).tolist() == WHOLE


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (128, 90, 20)])
def test_a_picture_of_one_colour_is_left_whole(colour):
    assert borders.find_content(Image.new("RGB", (300, 200), colour)).tolist() == WHOLE


def test_a_plain_sky_above_a_skyline_is_no_border():
    image = Image.new("RGB", (400, 200), (150, 180, 230))
    pen = ImageDraw.Draw(image)
    for place in range(0, 400, 40):  # roofs of ten heights
        pen.rectangle((place, 80 + 7 * (place // 40), place + 40, 200), fill=(60, 40, 30))
    assert borders.find_content(image)[0] == 0


def test_a_sky_that_grows_lighter_has_no_border():
    shades = np.repeat(np.linspace(40, 220, 200).astype(np.uint8)[:, None], 300, axis=1)
    image = Image.fromarray(np.stack([shades // 2, shades // 2, shades], axis=2))
    assert borders.find_content(image).tolist() == WHOLE


def test_a_lamp_in_the_night_is_left_whole():
    image = Image.new("RGB", (400, 200))
    ImageDraw.Draw(image).ellipse((180, 80, 220, 120), fill=(255, 240, 200))
    assert borders.find_content(image).tolist() == WHOLE


def test_a_bar_of_half_the_picture_is_no_border():
    assert borders.find_content(framed(0, 100, 0, 0)).tolist() == WHOLE


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 300)])
def test_tiny_pictures_are_left_whole(size):
    assert borders.find_content(Image.new("RGB", size)).tolist() == WHOLE


def test_the_content_is_cut_out_and_its_crops_placed_back():
    image = framed(20, 10, 20, 30)
    content = borders.find_content(image)
    assert borders.cut_out(image, content).size == (360, 160)
    # a quarter to half of 160 px from 10 px on, in 200 px: 50 to 90; of 360 px from 20: 110 to 200
    placed = borders.place_back(np.array([0.25, 0.25, 0.5, 0.5, 2]), content)
    assert placed == pytest.approx([0.25, 0.275, 0.45, 0.5, 2])


def test_a_whole_picture_is_not_copied():
    image = noise(30, 20)
    assert borders.cut_out(image, np.array(WHOLE, float)) is image
