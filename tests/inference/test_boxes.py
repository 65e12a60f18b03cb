import numpy as np
import pytest

from cropperhead.inference import boxes


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
