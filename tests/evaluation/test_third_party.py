"""The cropping of other libraries, as they are installed for development."""

import numpy as np
import pytest

from cropperhead.errors import ParamsError
from cropperhead.evaluation import third_party
from cropperhead.geometry import crops
from cropperhead.training.batches import PhotoArrays

TRAINING = np.array([[0.1, 0.2, 0.7, 0.7, 0.0], [0.2, 0.1, 0.8, 0.6, 0.0]])  # 0.6 high, 0.5 wide


def disc(x: float, y: float, side: int = 128) -> np.ndarray:
    """A red disc with edges on even grey; x and y are fractions of the sides."""
    down, across = np.mgrid[:side, :side] / side
    image = np.full((side, side, 3), 128, np.uint8)
    image[np.hypot(across - x, down - y) < 0.08] = (220, 40, 30)
    return image


def photos() -> PhotoArrays:
    images = np.stack([disc(0.25, 0.3), disc(0.8, 0.7)])
    return PhotoArrays(["a", "b"], images, np.array([1.5, 0.75], np.float32))


@pytest.mark.parametrize("name", ["smartcrop", "attention", "entropy"])
def test_each_puts_a_crop_of_the_median_size_around_what_stands_out(name):
    [rival] = third_party.rival_croppers([name], TRAINING)
    found = rival.crop(photos())
    assert found.shape == (1, 2, 5)
    size = found[0, :, 2:4] - found[0, :, :2]
    assert size == pytest.approx(np.tile([0.6, 0.5], (2, 1)), abs=0.02)  # px of 96 to 128
    assert (crops.outside(found[0], photos().aspect) == 0).all()
    for limits, (x, y) in zip(found[0], [(0.25, 0.3), (0.8, 0.7)], strict=True):
        assert limits[0] < y < limits[2]
        assert limits[1] < x < limits[3]


def test_what_is_not_installed_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr(third_party, "find_spec", lambda _: None)
    with pytest.raises(ParamsError, match=r"smartcrop.*pip install 'cropperhead\[rivals\]'"):
        third_party.rival_croppers(["smartcrop"], TRAINING)


def test_none_are_asked_for_by_default():
    assert third_party.rival_croppers([], TRAINING) == []
