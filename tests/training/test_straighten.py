import math

import keras
import numpy as np
import pytest
from PIL import Image, ImageDraw

from cropperhead.params import INPUT_SIDE
from cropperhead.training import straighten
from cropperhead.training.batches import Examples, PhotoArrays
from cropperhead.training.straighten import StraighteningHabit

# Keras's to-NumPy conversion of TensorFlow variables is older than NumPy 2's `copy` argument.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CENTRES = (np.arange(64) + 0.5) / 2 - 16  # degrees, of the histogram's bins
UPRIGHT, LEVEL = 3, 11  # channels: the sum of the three bands, of all edges


def scene(tilt_deg, aspect=1.5, upright=False):
    """A horizon, or a mast, that is turned clockwise by an angle, squashed to a square."""
    height, scale = INPUT_SIDE, 4  # drawn larger, so that its edges are smooth
    width = round(height * aspect)
    image = Image.new("RGB", (width * scale, height * scale), (190, 200, 230))
    draw = ImageDraw.Draw(image)
    slope = math.tan(math.radians(tilt_deg))
    w, h = width * scale, height * scale
    if upright:
        foot = w / 2 - slope * h / 2
        draw.polygon([(w / 2 + slope * h / 2, 0), (w, 0), (w, h), (foot, h)], fill=(60, 90, 50))
    else:
        rise = slope * w / 2
        draw.polygon([(0, h / 2 - rise), (w, h / 2 + rise), (w, h), (0, h)], fill=(60, 90, 50))
    return np.asarray(image.resize((INPUT_SIDE, INPUT_SIDE), Image.Resampling.BOX))


def evidence(images, aspect=1.5):
    ratios = np.full((len(images), 1), aspect, np.float32)
    return np.asarray(straighten.evidence(np.stack(images), ratios))


@pytest.mark.parametrize("aspect", [1.5, 0.75])
@pytest.mark.parametrize("tilt", [-6.25, 0.25, 3.25])
def test_a_horizon_is_counted_at_its_tilt_whatever_the_frames_shape(tilt, aspect):
    counted = evidence([scene(tilt, aspect)], aspect)[0, :, LEVEL]
    assert CENTRES[counted.argmax()] == pytest.approx(tilt, abs=0.5)  # a bin


@pytest.mark.parametrize("aspect", [1.5, 0.75])
def test_a_mast_is_counted_at_its_tilt_among_the_upright_edges(aspect):
    # turned clockwise its top goes right and its foot left
    counted = evidence([scene(4.25, aspect, upright=True)], aspect)[0, :, UPRIGHT]
    assert CENTRES[counted.argmax()] == pytest.approx(4.25, abs=0.5)


def test_the_evidence_in_the_mirrored_photo_is_the_evidence_mirrored():
    straight, turned = evidence([scene(3.25)]), evidence([scene(3.25)[:, ::-1]])
    # slopes are taken at every other pixel, and of the mirror image at the others
    assert np.asarray(straighten.mirror_evidence(straight)) == pytest.approx(turned, abs=0.25)
    again = straighten.mirror_evidence(straighten.mirror_evidence(straight))
    assert np.array_equal(np.asarray(again), straight)


def test_a_black_photo_has_no_direction_and_no_number_that_is_none():
    black = np.zeros((INPUT_SIDE, INPUT_SIDE, 3), np.uint8)
    assert np.isfinite(evidence([black])).all()


def logits(probabilities):
    return np.log(np.maximum(np.array([probabilities]), 1e-9)).astype(np.float32)


def believed(**shares):
    """Probabilities with shares at bins, by their number."""
    values = np.zeros(64)
    for name, share in shares.items():
        values[int(name[1:])] = share
    return logits(values)


SAME = 3.5  # the spread of the tilts that the estimator is trained on: no correction


def test_the_angle_is_the_median_of_what_is_likely():
    # bins 36 and 37 lie at 2.25 and 2.75 degrees; half of each below it: 0.25 and 0.75
    found = np.asarray(straighten.straightening_angle(believed(b36=0.5, b37=0.5), SAME, 1.0, 10.0))
    assert found == pytest.approx(np.array([[2.5]]), abs=1e-3)


def test_a_small_angle_is_ignored_and_a_large_one_bounded():
    small = np.asarray(
        straighten.straightening_angle(believed(b33=1.0), SAME, 1.0, 10.0)
    )  # 0.75 degrees
    large = np.asarray(straighten.straightening_angle(believed(b60=1.0), SAME, 1.0, 10.0))  # 14.25
    assert small.tolist() == [[0.0]]
    assert large.tolist() == [[10.0]]


@pytest.mark.parametrize(
    ("aspect", "angle", "kept"),
    [
        (1.5, 10.0, True),  # cos 10 + 1.5 sin 10 = 0.985 + 0.260 = 1.245
        (1.5, -10.0, True),
        (16 / 9, 10.0, True),  # 0.985 + 0.309 = 1.294
        (12.0, 1.9, True),  # 0.999 + 0.398 = 1.397
        (12.0, 2.1, False),  # 0.999 + 0.440 = 1.439, more than 1.414: half of the frame would go
        (12.0, -10.0, False),
        (1 / 12, 10.0, False),  # upright
        (4.0, 6.5, False),  # 0.994 + 0.453 = 1.447
        (4.0, 6.0, True),  # 0.995 + 0.418 = 1.413
    ],
)
def test_no_photo_is_levelled_at_the_cost_of_half_of_it(aspect, angle, kept):
    found = straighten.plausible_angle(
        np.array([[angle]], np.float32), np.array([[aspect]], np.float32)
    )
    assert np.asarray(found).tolist() == [[pytest.approx(angle) if kept else 0.0]]


def test_one_who_turns_little_is_believed_to_have_turned_little():
    unsure = believed(b33=0.4, b44=0.6)  # 0.75 and 6.25 degrees
    bold = float(np.asarray(straighten.straightening_angle(unsure, SAME, 0.0, 10.0))[0, 0])
    careful = float(np.asarray(straighten.straightening_angle(unsure, 1.0, 0.0, 10.0))[0, 0])
    assert careful < 1.5 < bold


@pytest.mark.parametrize(
    ("angles", "habit"),
    [
        ([0.0] * 200, StraighteningHabit(False, 2.0)),
        (
            [0.0] * 150 + [2.0] * 1,
            StraighteningHabit(False, 2.0),
        ),  # one of 151 is below a hundredth
        ([0.0] * 50 + [2.0] * 10, StraighteningHabit(True, 2.0)),  # ten are too few for a spread
        ([0.0] * 50 + [2.0, -4.0] * 20, StraighteningHabit(True, math.sqrt(10))),  # (4 + 16) / 2
    ],
)
def test_the_habit_is_read_from_the_crops(angles, habit):
    measured = straighten.measure_habit(np.array(angles))
    assert (measured.straightens, measured.spread_deg) == (
        habit.straightens,
        pytest.approx(habit.spread_deg),
    )


def test_a_photo_is_rotated_clockwise_without_filled_corners():
    level = np.stack([scene(0.0)])
    turned = straighten.rotate_photos(
        level, np.array([5.0], np.float32), np.array([1.5], np.float32)
    )
    assert np.asarray(turned).min() >= 49  # no black corner
    counted = evidence([np.asarray(turned)[0].astype(np.uint8)])[0, :, LEVEL]
    assert CENTRES[counted.argmax()] == pytest.approx(5.0, abs=0.5)


def test_a_photo_that_is_not_turned_stays():
    picture = np.stack([scene(2.0)])
    same = straighten.rotate_photos(picture, np.zeros(1, np.float32), np.full(1, 1.5, np.float32))
    assert np.asarray(same) == pytest.approx(picture.astype(float), abs=1e-3)


def test_many_photos_are_thinned_out_evenly_and_few_are_all_taken():
    names = [str(i) for i in range(3000)]
    some = straighten.sample_photos(names)
    assert len(some) == 1500
    assert (some[0], some[-1]) == ("0", "2999")
    assert straighten.sample_photos(names[:7]) == names[:7]


@pytest.fixture(scope="module")
def learned():
    """An estimator of a few dozen horizons and masts, some of whose crops say that they tilt."""
    generator = np.random.default_rng(3)
    tilts = np.where(np.arange(48) % 4 == 0, generator.normal(0, 2, 48), 0)
    images = [scene(tilt, upright=i % 2 == 1) for i, tilt in enumerate(tilts)]
    noise = generator.integers(-20, 20, (48, INPUT_SIDE, INPUT_SIDE, 3))
    pixels = np.clip(np.stack(images).astype(int) + noise, 0, 255).astype(np.uint8)
    photos = PhotoArrays([str(i) for i in range(48)], pixels, np.full(48, 1.5, np.float32))
    limits = np.tile(np.array([0.1, 0.1, 0.9, 0.9, 0.0], np.float32), (48, 1))
    limits[:, 4] = tilts
    return straighten.train_estimator(Examples(photos, np.arange(48), limits), seed=5)


@pytest.mark.parametrize("tilt", [-4.0, 0.0, 3.0])
def test_a_horizon_is_found_level_or_tilted(learned, tilt):
    found = straighten.straightening_angle(learned(evidence([scene(tilt)])), 2.6, 1.0, 10.0)
    assert float(np.asarray(found)[0, 0]) == pytest.approx(tilt, abs=1.0)


def test_mirrored_photos_are_found_tilted_the_other_way(learned):
    seen = evidence([scene(3.0)])
    one = straighten.straightening_angle(learned(seen), 2.6, 1.0, 10.0)
    two = straighten.straightening_angle(learned(straighten.mirror_evidence(seen)), 2.6, 1.0, 10.0)
    assert np.asarray(one) == pytest.approx(-np.asarray(two), abs=1e-3)


def test_the_estimator_is_small(learned):
    assert isinstance(learned, keras.Model)
    assert learned.count_params() < 65_000
