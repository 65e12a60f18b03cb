import numpy as np
import pytest

from cropperhead.geometry import crops
from cropperhead.inference import boxes


def test_a_crop_grows_about_its_centre_as_far_as_the_frame_allows():
    # sides of 0.4 and 0.6 become 0.5 and 0.75; at the left edge it moves in
    grown = boxes.resize(np.array([0.3, 0.2, 0.7, 0.8, 0.0]), 1.25, 1.5)
    assert grown == pytest.approx([0.25, 0.125, 0.75, 0.875, 0])
    moved = boxes.resize(np.array([0.3, 0.0, 0.7, 0.6, 0.0]), 1.25, 1.5)
    assert moved == pytest.approx([0.25, 0, 0.75, 0.75, 0])
    whole = boxes.resize(np.array([0.1, 0.1, 0.9, 0.9, 0.0]), 1.5, 1.5)
    assert whole == pytest.approx([0, 0, 1, 1, 0])
    tilted = boxes.resize(np.array([0.1, 0.1, 0.9, 0.9, 5.0]), 1.2, 1.5)
    assert crops.outside(tilted[None], [1.5])[0] < 1e-9


@pytest.mark.parametrize("angle", [-20.0, 0.0, 7.5])
@pytest.mark.parametrize("aspect", [0.7, 1.5])
def test_boxes_turned_back_and_forth_are_the_same(angle, aspect):
    original = np.array([[0.1, 0.2, 0.5, 0.8], [0.3, 0.3, 0.9, 0.4]])
    there = boxes.turn_back(original, angle, aspect)
    assert boxes.turn_forth(there, angle, aspect) == pytest.approx(original)


def test_boxes_that_are_not_turned_change_only_their_unit():
    # a frame 1.5 heights wide: widths are 1.5 times as many heights
    there = boxes.turn_back(np.array([[0.1, 0.2, 0.5, 0.8]]), 0, 1.5)
    assert there == pytest.approx(np.array([[0.1, 0.3, 0.5, 1.2]]))
