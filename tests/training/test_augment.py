import numpy as np
import pytest
import tensorflow as tf

from cropperhead.training import augment
from cropperhead.training.augment import ColourChange


def photos(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def flat(colour, count=1):
    """Photos of one colour."""
    return np.tile(np.array(colour, np.uint8), (count, 8, 8, 1))


def change(saturation=1.0, mix=((1, 0, 0), (0, 1, 0), (0, 0, 1)), contrast=1.0, brightness=0.0):
    """A change of one photo."""
    saturation, contrast, brightness = (
        tf.reshape(tf.constant(value, tf.float32), (1, 1, 1))
        for value in (saturation, contrast, brightness)
    )
    return ColourChange(saturation, tf.constant([mix], tf.float32), contrast, brightness)


def in_eager(images, jitter, seed):
    return augment.jitter_colours(tf.constant(images), jitter, tf.constant(seed)).numpy()


def in_a_dataset(images, jitter, seed):
    rows = tf.data.Dataset.from_tensors(images)
    return next(
        iter(rows.map(lambda x: augment.jitter_colours(x, jitter, tf.constant(seed))))
    ).numpy()


@pytest.mark.parametrize("run", [in_eager, in_a_dataset])
def test_the_same_seed_gives_the_same_and_another_seed_another(run):
    first, again, other = (run(photos(4), 0.2, seed) for seed in ([1, 2], [1, 2], [1, 3]))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_dataset_gives_what_is_given_outside_of_one():
    assert np.allclose(in_eager(photos(4), 0.2, [1, 2]), in_a_dataset(photos(4), 0.2, [1, 2]))


@pytest.mark.parametrize("run", [in_eager, in_a_dataset])
def test_no_jitter_changes_no_pixel(run):
    assert np.array_equal(run(photos(3), 0.0, [1, 1]), photos(3).astype(np.float32))


@pytest.mark.parametrize("run", [in_eager, in_a_dataset])
def test_jitter_changes_each_photo_its_own_way_and_stays_in_range(run):
    changed = run(np.repeat(photos(1), 3, axis=0), 0.9, [5, 6])
    assert changed.dtype == np.float32
    assert not np.allclose(changed[0], changed[1])
    assert changed.min() == 0
    assert changed.max() == 255


def test_the_strength_bounds_what_is_drawn():
    drawn = augment.draw_change(400, 0.2, tf.constant([7, 8]))
    # twice 0.2, 0.2, and half of 0.2 times 255; of 400 draws one comes near either end
    for values, middle, reach in (
        (drawn.saturation, 1, 0.4), (drawn.contrast, 1, 0.2), (drawn.brightness, 0, 25.5),
    ):  # fmt: skip
        away = np.abs(values.numpy() - middle)
        assert away.max() <= reach * (1 + 1e-6)
        assert away.max() > 0.9 * reach
    mix = drawn.mix.numpy() - np.eye(3)
    # 3,600 normal numbers, standard deviation 0.1: its error is 0.1 / sqrt(7200) = 0.0012
    assert mix.std() == pytest.approx(0.1, abs=0.005)
    assert np.abs(mix.mean(axis=0)).max() < 0.02  # 0.1 / sqrt(400) = 0.005


def test_without_saturation_every_channel_is_the_grey_of_all_three():
    changed = augment.recolour(flat((60, 120, 240)), change(saturation=0.0))
    assert np.allclose(changed, 140, atol=1e-3)  # (60 + 120 + 240) / 3


def test_without_contrast_a_photo_is_as_grey_as_its_mean():
    image = np.zeros((1, 64, 64, 3), np.uint8)
    image[:, :, 32:] = (30, 60, 240)
    changed = augment.recolour(image, change(contrast=0.0))
    assert np.allclose(changed, 55, atol=1e-3)  # half of (30 + 60 + 240) / 3


def test_saturation_comes_first_then_the_mix_of_channels_then_contrast_and_brightness():
    swapped = [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    changed = augment.recolour(flat((60, 120, 180)), change(2.0, swapped, 0.5, 10.0))
    # twice as far from the grey 120: 0, 120, 240; red and blue swapped: 240, 120, 0;
    # half as far from the mean 120: 180, 120, 60; 10 more
    assert np.allclose(changed, [190, 130, 70], atol=1e-3)


def test_each_photo_has_its_own_mean():
    dark_and_light = np.concatenate([flat((10, 10, 10)), flat((200, 200, 200))])
    flattened = ColourChange(*(tf.repeat(part, 2, axis=0) for part in change(contrast=0.0)))
    changed = augment.recolour(dark_and_light, flattened).numpy()
    assert np.allclose(changed[:, 0, 0, 0], [10, 200], atol=1e-3)


def test_what_leaves_the_range_is_clipped():
    assert np.allclose(
        augment.recolour(flat((100, 200, 255)), change(brightness=99)), (199, 255, 255)
    )
    assert np.allclose(augment.recolour(flat((0, 98, 100)), change(brightness=-99)), (0, 0, 1))
