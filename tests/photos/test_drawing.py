import numpy as np
import pytest
from PIL import Image

from cropperhead.photos import drawing
from cropperhead.photos.drawing import STYLES

HALF = [0.25, 0.25, 0.75, 0.75, 0.0]
AMBER = (0xFF, 0xB5, 0x2E)


def frame(colour: str = "black") -> Image.Image:
    return Image.new("RGB", (480, 320), colour)


def test_corners_of_an_upright_crop_are_its_limits_in_pixels():
    # top left at (0.25 x 480, 0.25 x 320)
    corners = drawing.corners_in_pixels(HALF, 480, 320)
    assert corners.tolist() == [[120, 80], [360, 80], [360, 240], [120, 240]]


def test_a_turned_crop_is_turned_clockwise_about_its_centre():
    # a square turned by 90 degrees: what was its top left corner is now its top right one
    corners = drawing.corners_in_pixels([0.25, 0.25, 0.75, 0.75, 90], 100, 100)
    assert corners[0] == pytest.approx([75, 25])


@pytest.mark.parametrize("colour", ["black", "white"])
def test_an_outline_has_its_colour_on_the_limits_and_leaves_the_inside_alone(colour):
    drawn = outlined_pixels(colour, {"human": HALF})
    assert drawn[160, 120] == pytest.approx(AMBER, abs=8)  # left limit, half way down
    assert tuple(drawn[160, 240]) == Image.new("RGB", (1, 1), colour).getpixel((0, 0))


def test_a_halo_keeps_an_outline_apart_from_a_white_photo():
    drawn = outlined_pixels("white", {"human": HALF})
    # the line is 2.6 px wide, its halo 4.6: 2 px from the middle there is halo
    assert drawn[160, 118].sum() < 3 * 200


def test_dashes_leave_gaps_and_a_solid_line_none():
    # along the left limit, between the corners: amber or blue is bright, a gap is dark
    solid = outlined_pixels("black", {"human": HALF})[90:230, 120].max(axis=-1)
    dashed = outlined_pixels("black", {"cnn": HALF})[90:230, 120].max(axis=-1)
    assert solid.min() > 200
    assert dashed.max() > 200
    assert dashed.min() < 100


def test_a_cropper_without_a_style_is_left_out():
    assert drawing.draw_outlines(frame(), {"nobody": HALF}).tobytes() == frame().tobytes()


def test_no_two_croppers_look_alike():
    assert len({style.colour for style in STYLES.values()}) == len(STYLES)
    assert len({style.dash for style in STYLES.values()}) == len(STYLES)


def luminance(colour: str) -> float:
    """After WCAG 2.2, relative luminance."""
    encoded = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("ink", sorted({style.ink for style in STYLES.values()}))
def test_inks_can_be_read_on_the_report_s_paper(ink):
    assert (luminance("#f1f1ef") + 0.05) / (luminance(ink) + 0.05) > 4.5  # WCAG 2.2, 1.4.3, AA


def test_a_sheet_scales_each_row_to_one_height():
    sheet = drawing.contact_sheet([frame(), frame()], columns=2, width=1280, gap=10)
    # (1280 - 3 x 10) px for two photos of 3:2 -> 1250 / 3 = 416.7 px high, 10 px above and below
    assert sheet.size == (1280, 437)


def test_a_last_row_that_is_not_full_is_no_higher_than_the_others():
    two = drawing.contact_sheet([frame()] * 2, columns=2)
    three = drawing.contact_sheet([frame()] * 3, columns=2)
    assert three.height - two.height == 417 + 10


def test_captions_make_room_below_the_photos():
    plain = drawing.contact_sheet([frame()], columns=1)
    named = drawing.contact_sheet([frame()], columns=1, captions=["IMG_0001.jpg"])
    assert named.height - plain.height == 18


def outlined_pixels(colour: str, outlines: dict[str, list[float]]) -> np.ndarray:
    return np.asarray(drawing.draw_outlines(frame(colour), outlines)).astype(int)
