import numpy as np
import pytest
from conftest import scene
from PIL import Image

from cropperhead.photos import local_features
from cropperhead.photos.local_features import TURNS, LocalFeatures

FLIPS = (Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.FLIP_LEFT_RIGHT)


def blob(x: float, y: float, radius: float, width: int = 256, height: int = 192) -> Image.Image:
    """A bright Gaussian blob on grey, with a standard deviation of `radius` px."""
    across, down = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    distance = (across - x) ** 2 + (down - y) ** 2
    return Image.fromarray((80 + 100 * np.exp(-distance / (2 * radius**2))).astype(np.uint8))


@pytest.mark.parametrize("radius", [3.0, 5.0, 10.0])
def test_a_blob_is_found_where_it_is_and_as_large_as_it_is(radius):
    found = local_features.find_features(blob(100, 70, radius))
    # the Laplacian of a Gaussian blob, normalised by scale, is largest at its standard deviation
    # divided by 2 ** 0 in two dimensions: sigma^2 / (sigma^2 + radius^2)^2 has its maximum there
    assert found.places[0] == pytest.approx([100, 70], abs=0.5)
    assert found.scales[0] == pytest.approx(radius, rel=0.15)
    assert found.is_bright[0]


def test_a_plain_picture_and_a_tiny_one_have_no_features():
    plain = local_features.find_features(Image.new("RGB", (300, 200), "grey"))
    flat = local_features.find_features(scene(1).resize((400, 8)))  # 256 x 5 px: too low
    assert len(plain.codes) == len(flat.codes) == 0
    assert LocalFeatures.from_bytes(plain.to_bytes()).thumbnail.shape == (64, 96)


@pytest.mark.parametrize("turn", range(len(TURNS)))
def test_the_features_of_a_turned_picture_follow_from_those_of_the_picture(turn):
    swap, *flips = TURNS[turn]
    picture = scene(3)
    turned = picture.transpose(Image.Transpose.TRANSPOSE) if swap else picture
    for flip, transpose in zip(flips, FLIPS, strict=True):
        turned = turned.transpose(transpose) if flip else turned
    expected = local_features.find_features(turned)
    features = local_features.find_features(picture).turned(turn)
    assert features.size == expected.size
    apart = np.abs(features.places[:, None] - expected.places).max(axis=2)
    nearest = apart.argmin(axis=1)
    bits = np.bitwise_count(features.codes ^ expected.codes[nearest])
    # reading the pixels in another order changes few features, by rounding
    assert ((apart.min(axis=1) < 0.1) & (bits <= 2)).mean() > 0.95
    assert np.abs(features.thumbnail.astype(int) - expected.thumbnail).max() <= 2


def test_features_come_back_from_their_bytes():
    features = local_features.find_features(scene(4))
    again = LocalFeatures.from_bytes(features.to_bytes())
    assert again.codes.tolist() == features.codes.tolist()
    assert again.is_bright.tolist() == features.is_bright.tolist()
    # 11 binary digits of up to 256 px: steps of 0.125 px, rounded to the nearest
    assert again.places == pytest.approx(features.places, abs=0.0625)
    assert again.scales == pytest.approx(features.scales, rel=2**-11)
    assert again.thumbnail.tolist() == features.thumbnail.tolist()
    assert again.to_bytes() == features.to_bytes()


def test_brightness_contrast_and_colour_hardly_change_a_code():
    picture = scene(5)
    darker = picture.convert("L").point(lambda value: round(20 + 0.5 * value))
    features, others = map(local_features.find_features, (picture, darker))
    apart = np.abs(features.places[:, None] - others.places).max(axis=2)
    same = apart.min(axis=1) < 0.5
    bits = np.bitwise_count(features.codes ^ others.codes[apart.argmin(axis=1)])
    assert same.mean() > 0.8
    assert np.median(bits[same]) <= 4
