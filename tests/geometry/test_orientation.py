import pytest
from hypothesis import given
from hypothesis import strategies as st

from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Rectangle

# A 60 x 40 frame with a box of 10 x 20 about (15, 10), 5 degrees: where each orientation shows it.
SHOWN = {
    1: Rectangle(15, 10, 10, 20, 5),
    2: Rectangle(45, 10, 10, 20, -5),  # mirrored left to right
    3: Rectangle(45, 30, 10, 20, 5),  # upside down
    4: Rectangle(15, 30, 10, 20, -5),  # mirrored top to bottom
    5: Rectangle(10, 15, 20, 10, -5),  # transposed
    6: Rectangle(30, 15, 20, 10, 5),  # turned clockwise: the top is now at the right
    7: Rectangle(30, 45, 20, 10, -5),  # transposed and upside down
    8: Rectangle(10, 45, 20, 10, 5),  # turned counter-clockwise: the top is now at the left
}


@pytest.mark.parametrize("code", orientation.ORIENTATIONS)
def test_each_orientation_displays_a_box_in_its_place(code):
    shown = orientation.to_displayed(SHOWN[1], 60, 40, code)
    assert vars(shown) == pytest.approx(vars(SHOWN[code]))


@given(
    st.sampled_from(orientation.ORIENTATIONS),
    st.floats(0, 60),
    st.floats(0, 40),
    st.floats(-45, 45),
)
def test_to_stored_undoes_to_displayed(code, x, y, angle):
    box = Rectangle(x, y, 12, 7, angle)
    shown = orientation.to_displayed(box, 60, 40, code)
    back = orientation.to_stored(shown, *orientation.displayed_size(60, 40, code), code)
    assert vars(back) == pytest.approx(vars(box))


def test_only_5_to_8_swap_the_sides():
    sizes = [orientation.displayed_size(60, 40, code) for code in orientation.ORIENTATIONS]
    assert sizes == [(60, 40)] * 4 + [(40, 60)] * 4
