import dataclasses
import math

import keras
import numpy as np
import pytest
from conftest import KERAS_WARNINGS
from PIL import Image, ImageDraw
from small_networks import PARAMS

from cropperhead.params import INPUT_SIDE
from cropperhead.training import straighten
from cropperhead.training.batches import Examples, PhotoArrays
from cropperhead.training.straighten import StraighteningHabit

pytestmark = KERAS_WARNINGS

CENTRES = (np.arange(64) + 0.5) / 2 - 16  # degrees, of the histogram's bins
TYPICAL = StraighteningHabit(0.15, 2.6)
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


def habit(share=0.5, spread=1e3):
    """A photographer to whom all tilts within the bins' reach are equally likely, and 0 is more."""
    return StraighteningHabit(share, spread)


def estimate(logits, habit):
    tilt, helps = straighten.estimate_tilt(logits, habit)
    return float(np.asarray(tilt)[0, 0]), float(np.asarray(helps)[0, 0])


def test_the_tilt_is_the_median_of_those_to_the_likelier_side():
    # 2.0 to 2.5 and 2.5 to 3.0 degrees weigh the same, and more than -4.0 to -3.5
    tilt, helps = estimate(believed(b36=0.4, b37=0.4, b24=0.2), habit())
    assert tilt == pytest.approx(2.5, abs=1e-3)
    assert helps == pytest.approx(0.8, abs=1e-3)  # beyond 1.25 degrees to the right
    tilt, helps = estimate(believed(b36=0.1, b37=0.1, b24=0.8), habit())
    assert (tilt, helps) == (pytest.approx(-3.75, abs=1e-3), pytest.approx(0.8, abs=1e-3))


def test_the_more_photos_are_left_level_the_less_likely_is_it_that_turning_helps():
    # three times as likely at 2.0 to 2.5 degrees as at -0.5 to 0.5, and nowhere else
    seen = believed(b31=1.0, b32=1.0, b36=3.0)
    # beforehand 0 has a half, and each of 64 bins a half of a sixty-fourth
    _, helps = estimate(seen, habit())
    assert helps == pytest.approx((3 / 128) / (1 / 2 + 5 / 128), abs=1e-4)
    _, rarely = estimate(seen, habit(share=0.1))
    assert rarely == pytest.approx((3 * 0.1 / 64) / (0.9 + 5 * 0.1 / 64), abs=1e-4)


def test_one_who_turns_by_little_is_believed_to_have_turned_by_little():
    unsure = believed(b33=0.4, b44=0.6)  # 0.5 to 1 and 6 to 6.5 degrees
    assert estimate(unsure, habit(spread=1.0))[0] < 1.5 < estimate(unsure, habit(spread=9.0))[0]


def test_evidence_that_tells_nothing_leaves_what_was_known_before():
    _, helps = estimate(logits(np.ones(64)), habit(share=0.2))
    # half of the tilts are to the right: of these, three quarters are beyond half their median
    assert helps == pytest.approx(0.2 * 0.5 * 0.75, abs=1e-3)


@pytest.mark.parametrize(
    ("tilt", "helps", "turned"),
    [
        (0.9, 1.0, 0.0),  # small
        (1.1, 0.7, 1.1),
        (-1.1, 0.7, -1.1),
        (5.0, 0.55, 0.0),  # unsure
        (14.0, 0.7, 10.0),  # more than a network may turn
        (-14.0, 0.7, -10.0),
    ],
)
def test_photos_are_turned_by_tilts_that_are_large_and_sure_enough(tilt, helps, turned):
    chosen = dataclasses.replace(PARAMS, least_angle_deg=1.0, least_straightening=0.6)
    columns = (np.array([[value]], np.float32) for value in (tilt, helps, 1.5))
    found = np.asarray(straighten.angle_to_rotate(*columns, chosen))
    assert found.tolist() == [[pytest.approx(turned)]]


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


@pytest.mark.parametrize(
    ("angles", "share", "spread"),
    [
        ([0.0] * 200, 0.0, 2.0),
        ([0.0] * 150 + [2.0] * 1, 0.0, 2.0),  # one of 151 is below a hundredth
        # ten are too few for a spread; with 2 of 20 that are assumed, 12 of 80
        ([0.0] * 50 + [2.0] * 10, 0.15, 2.0),
        ([0.0] * 40 + [2.0, -4.0] * 20, 0.42, math.sqrt(10)),  # 42 of 100; (4 + 16) / 2
        ([], 0.0, 2.0),
    ],
)
def test_the_habit_is_read_from_the_crops(angles, share, spread):
    measured = straighten.measure_habit(np.array(angles))
    assert measured.straightens == (share > 0)
    assert (measured.share, measured.spread_deg) == (pytest.approx(share), pytest.approx(spread))


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


def sure_of(angles):
    """Logits that are right about tilts (n,)."""
    return -0.5 * ((angles[:, None] - CENTRES) / 0.6) ** 2  # the breadth that is learned


def test_an_estimator_is_relied_on_as_far_as_it_is_right_about_other_photos():
    tilts = np.tile([2.25, -3.25], 20)
    assert straighten.find_reliance(sure_of(tilts), tilts) == 1.0
    assert straighten.find_reliance(sure_of(-tilts), tilts) == 0.0
    often = np.where(np.arange(40) % 4 == 0, -tilts, tilts)
    assert 0.0 < straighten.find_reliance(sure_of(often), tilts) < 0.5
    assert straighten.find_reliance(np.zeros((0, 64)), np.zeros(0)) == 0.0


@pytest.mark.parametrize(("count", "held"), [(1000, 100), (240, 40), (40, 10), (1, 0), (0, 0)])
def test_a_tenth_of_many_photos_and_a_quarter_of_few_is_held_out(count, held):
    chosen = straighten._held_out(count)
    assert chosen.sum() == held
    # in stretches of neighbours
    assert (np.diff(chosen.astype(int)) == 1).sum() <= 5


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
    found, helps = estimate(learned(evidence([scene(tilt)])), TYPICAL)
    if tilt:
        assert found == pytest.approx(tilt, abs=1.0)
    assert (helps > 0.6) == (tilt != 0)


def test_mirrored_photos_are_found_tilted_the_other_way(learned):
    seen = evidence([scene(3.0)])
    one, sure = estimate(learned(seen), TYPICAL)
    two, as_sure = estimate(learned(straighten.mirror_evidence(seen)), TYPICAL)
    assert one == pytest.approx(-two, abs=1e-3)
    assert sure == pytest.approx(as_sure, abs=1e-4)


def test_the_estimator_is_small(learned):
    assert isinstance(learned, keras.Model)
    assert learned.count_params() < 65_000
