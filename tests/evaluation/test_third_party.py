"""The cropping of other libraries, as they are installed for development."""

import numpy as np
import pytest
from conftest import ROOT

from cropperhead import params
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
def test_each_places_a_crop_of_the_median_size_around_the_disc(name):
    [rival] = third_party.rival_croppers([name], TRAINING)
    limits = rival.crop(photos())
    assert limits.shape == (1, 2, 5)
    size = limits[0, :, 2:4] - limits[0, :, :2]
    assert size == pytest.approx(np.tile([0.6, 0.5], (2, 1)), abs=0.02)  # px of 96 to 128
    assert (crops.outside(limits[0], photos().aspect) == 0).all()
    for each, (x, y) in zip(limits[0], [(0.25, 0.3), (0.8, 0.7)], strict=True):
        assert each[0] < y < each[2]
        assert each[1] < x < each[3]


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [("smartcrop", "smartcrop", "pipeline"), ("entropy", "pyvips", "rivals")],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    monkeypatch, name, module, extra
):
    monkeypatch.setattr(third_party, "find_spec", lambda _: None)
    command = rf"{name}, which needs {module}.*pip install 'cropperhead\[{extra}\]'"
    with pytest.raises(ParamsError, match=command):
        third_party.rival_croppers([name], TRAINING)


def test_everybody_s_comparison_has_a_cropper_of_another_library():
    """Without editing params.yaml, and without another package than the pipeline's."""
    assert params.load(ROOT / "params.yaml").evaluate.rivals == ("smartcrop",)


def test_no_rivals_are_none():
    assert third_party.rival_croppers([], TRAINING) == []
