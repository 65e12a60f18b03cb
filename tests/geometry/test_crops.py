import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cropperhead.geometry import crops
from cropperhead.geometry.crops import FULL_FRAME, Crop, Rectangle

SIDE = st.floats(0.05, 0.95)
ANGLE = st.floats(-45, 45)
ASPECT = st.floats(0.3, 3)


@st.composite
def limits(draw: st.DrawFn) -> np.ndarray:
    centre = [draw(st.floats(0.3, 0.7)) for _ in range(2)]
    half = [draw(st.floats(0.05, 0.25)) for _ in range(2)]
    pairs = [(c - h, c + h) for c, h in zip(centre, half, strict=True)]
    return np.array([pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1], draw(ANGLE)])


def test_two_half_frames_that_share_half_their_area_overlap_by_a_third():
    # shared 0.25 x 1, union 0.75 x 1 -> 1/3, whatever the frame's shape
    first, second = [0, 0, 0.5, 1, 0], [0.25, 0, 0.75, 1, 0]
    assert crops.overlap(first, second, 1.5) == pytest.approx(1 / 3)


def test_overlap_of_a_square_with_itself_rotated_by_45_degrees():
    # the shared octagon has area 2 (sqrt 2 - 1) = 0.8284; union 2 - 0.8284; 0.8284 / 1.1716
    assert crops.overlap(FULL_FRAME, [0, 0, 1, 1, 45], 1.0) == pytest.approx(0.707107, abs=1e-6)


def test_overlap_of_a_bar_with_itself_rotated_by_90_degrees():
    # two bars 3 x 1 crossing in a square of 1: union 3 + 3 - 1 -> 1/5. In a frame of 3 x 3.
    bar = [1 / 3, 0, 2 / 3, 1, 0]
    assert crops.overlap(bar, [*bar[:4], 90], 1.0) == pytest.approx(0.2)


def test_overlap_of_separate_touching_and_nested_crops():
    whole = [0, 0, 1, 1, 0]
    assert crops.overlap([0, 0, 0.4, 1, 0], [0.6, 0, 1, 1, 0], 1.5) == 0
    assert crops.overlap([0, 0, 0.5, 1, 0], [0.5, 0, 1, 1, 0], 1.5) == pytest.approx(0, abs=1e-9)
    # the inner crop is a quarter of the area
    assert crops.overlap(whole, [0.25, 0.25, 0.75, 0.75, 0], 1.5) == pytest.approx(0.25)


@pytest.mark.parametrize(
    "inside_out", [(0.9, 0.1, 0.1, 0.9, 0), (0.1, 0.9, 0.9, 0.1, 0), (0.9, 0.9, 0.1, 0.1, 0)]
)
def test_an_inside_out_crop_overlaps_nothing(inside_out):
    assert crops.overlap([0.1, 0.1, 0.9, 0.9, 0], inside_out, 1.5) == 0


@given(limits(), limits(), ASPECT)
def test_overlap_is_symmetric_bounded_and_the_same_in_a_mirror(first, second, aspect):
    value = crops.overlap(first, second, aspect)
    assert 0 <= value <= 1
    assert crops.overlap(second, first, aspect) == pytest.approx(value, abs=1e-9)
    mirrored = crops.overlap(crops.mirror(first), crops.mirror(second), aspect)
    assert mirrored == pytest.approx(value, abs=1e-9)


@given(limits(), ASPECT)
def test_overlap_with_itself_is_one(crop, aspect):
    assert crops.overlap(crop, crop, aspect) == pytest.approx(1, abs=1e-9)


@given(limits(), limits(), ASPECT)
def test_overlap_agrees_with_counting_points(first, second, aspect):
    x, y = np.meshgrid((np.arange(400) + 0.5) / 400 * aspect, (np.arange(400) + 0.5) / 400)

    def covers(crop: np.ndarray) -> np.ndarray:
        top, left, bottom, right, angle = crop
        c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        dx, dy = x - (left + right) / 2 * aspect, y - (top + bottom) / 2
        inside_x = abs(c * dx + s * dy) <= (right - left) / 2 * aspect
        return inside_x & (abs(-s * dx + c * dy) <= (bottom - top) / 2)

    # inside the frame, so that the grid covers both
    first, second = (crops.inside_frame(crop, aspect) for crop in (first, second))
    one, two = covers(first), covers(second)
    counted = (one & two).sum() / max(1, (one | two).sum())
    # a grid of 400 misjudges half a cell along each border: up to about 2 % of small crops
    assert crops.overlap(first, second, aspect) == pytest.approx(counted, abs=0.03)


def test_corners_of_a_crop_rotated_clockwise():
    # frame 200 x 100 px; crop 100 x 50 about (100, 50), rotated by 90: 50 wide and 100 high on
    # screen, with its top left corner at the top right
    box = Crop(0.25, 0.25, 0.75, 0.75, 90).in_pixels(200, 100)
    assert box.corners() == pytest.approx(np.array([(125, 0), (125, 100), (75, 100), (75, 0)]))
    # the same in units of the frame's height
    assert crops.corners([0.25, 0.25, 0.75, 0.75, 90], 2.0) * 100 == pytest.approx(box.corners())


def test_a_positive_angle_lowers_the_right_side():
    left_top, right_top, *_ = Rectangle(50, 50, 20, 10, angle=10).corners()
    assert right_top[1] > left_top[1]  # y points down


def test_boundary_displacement_is_the_mean_of_four_distances():
    # 0.1 + 0 + 0.1 + 0.2 over four limits
    distance = crops.boundary_displacement([0.1, 0.2, 0.9, 1, 5], [0, 0.2, 1, 0.8, 0])
    assert distance == pytest.approx(0.1)


def test_mirroring_swaps_left_and_right_and_negates_the_angle():
    assert crops.mirror([0.1, 0.2, 0.8, 0.7, 3]) == pytest.approx([0.1, 0.3, 0.8, 0.8, -3])


def test_area_is_the_share_of_the_frame():
    assert crops.area([0.25, 0, 0.75, 1, 7]) == pytest.approx(0.5)


def test_outside_is_the_farthest_corner_s_distance_as_a_fraction_of_the_side():
    assert crops.outside([0.1, 0.1, 0.9, 0.9, 0], 1.5) == 0
    # a square frame rotated by 45: half a diagonal 0.7071 from the centre, 0.2071 past the edge
    assert crops.outside([0, 0, 1, 1, 45], 1.0) == pytest.approx(0.207107, abs=1e-6)


@given(limits(), ASPECT)
def test_inside_frame_keeps_the_centre_shape_and_angle_and_moves_every_corner_inside(crop, aspect):
    fitted = crops.inside_frame(crop, aspect)
    assert crops.outside(fitted, aspect) < 1e-9
    assert (fitted[:2] + fitted[2:4]) == pytest.approx(crop[:2] + crop[2:4])
    sides = (fitted[2:4] - fitted[:2]) / (crop[2:4] - crop[:2])
    assert sides[0] == pytest.approx(sides[1])
    assert fitted[4] == crop[4]


def test_inside_frame_leaves_a_crop_that_fits_as_it_is():
    crop = np.array([0.1, 0.2, 0.8, 0.9, 2.0])
    assert crops.inside_frame(crop, 1.5) == pytest.approx(crop)


@given(limits(), st.integers(50, 9000), st.integers(50, 9000))
def test_pixels_and_back_give_the_same_crop(values, width, height):
    crop = Crop(*values)
    again = Crop.from_rectangle(crop.in_pixels(width, height), width, height)
    assert again.limits() == pytest.approx(values)


def test_a_limit_within_a_pixel_of_the_frame_moves_to_its_edge():
    # 0.6 px above a frame of 100 x 100, and 2 px left of it
    crop = Crop.from_rectangle(Rectangle(48, 49.4, 100, 100, 0), 100, 100)
    assert (crop.top, crop.left) == (0.0, pytest.approx(-0.02))
