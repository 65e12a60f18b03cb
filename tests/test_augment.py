import numpy as np
import pytest
import tensorflow as tf

from cropperhead import augment

CROP = [0.1, 0.2, 0.9, 0.7, 3.0]
# left and right change places: 1 - 0.7, 1 - 0.2; the angle turns round
MIRRORED = [0.1, 0.3, 0.9, 0.8, -3.0]


def photos(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3)).astype("float32")


def limits(count):
    return np.tile(np.array(CROP, "float32"), (count, 1))


def in_eager(images, crops, jitter, seed):
    return augment.augmented(tf.constant(images), tf.constant(crops), jitter, tf.constant(seed))


def in_a_dataset(images, crops, jitter, seed):
    rows = tf.data.Dataset.from_tensors((images, crops))
    return next(iter(rows.map(lambda x, y: augment.augmented(x, y, jitter, tf.constant(seed)))))


def test_a_photo_is_mirrored_with_its_crop_and_others_are_left_alone():
    images = photos(2)
    turned, crops = augment.mirrored(images, limits(2), tf.constant([True, False]))
    assert np.array_equal(turned[0], images[0][:, ::-1])
    assert np.array_equal(turned[1], images[1])
    assert np.allclose(crops, [MIRRORED, CROP], atol=1e-6)


def test_mirroring_twice_changes_nothing():
    both = tf.constant([True, True])
    images, crops = augment.mirrored(*augment.mirrored(photos(2), limits(2), both), both)
    assert np.array_equal(images, photos(2))
    assert np.allclose(crops, limits(2), atol=1e-6)


@pytest.mark.parametrize("run", [in_eager, in_a_dataset])
def test_about_half_of_the_photos_are_mirrored_and_crops_follow_their_photos(run):
    images = photos(400)
    changed, crops = run(images, limits(400), 0.0, [1, 2])
    turned = np.isclose(crops[:, 4], -3.0)
    # binomial, n 400, p 1/2: standard deviation 10, four of them either way
    assert 160 < turned.sum() < 240
    expected = np.where(turned[:, None, None, None], images[:, :, ::-1], images)
    assert np.allclose(changed, expected, atol=1e-3)
    assert np.allclose(crops, np.where(turned[:, None], MIRRORED, CROP), atol=1e-6)


@pytest.mark.parametrize("run", [in_eager, in_a_dataset])
def test_the_same_seed_gives_the_same_and_another_seed_another(run):
    first, again = run(photos(4), limits(4), 0.2, [1, 2]), run(photos(4), limits(4), 0.2, [1, 2])
    other = run(photos(4), limits(4), 0.2, [1, 3])
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])


def test_jitter_changes_each_photo_its_own_way_and_stays_in_range():
    same = np.repeat(photos(1), 3, axis=0)
    changed = augment.jittered(tf.constant(same), 0.9, tf.constant([5, 6])).numpy()
    assert not np.allclose(changed[0], changed[1])
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_a_grey_photo_keeps_no_colour_and_its_brightness_moves_by_half_the_strength_at_most():
    # grey stays grey under saturation, a flat photo under contrast; brightness: 255 * 0.2 / 2
    flat = np.full((50, 4, 4, 3), 128, "float32")
    changed = augment.jittered(tf.constant(flat), 0.2, tf.constant([7, 8])).numpy()
    assert np.ptp(changed, axis=(1, 2, 3)).max() < 1e-3
    assert np.abs(changed - 128).max() <= 25.5
    assert np.abs(changed - 128).max() > 15


def test_no_jitter_changes_no_colour():
    assert np.allclose(augment.jittered(photos(3), 0.0, tf.constant([1, 1])), photos(3), atol=1e-3)
