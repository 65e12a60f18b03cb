from dataclasses import replace

import numpy as np
import pytest

from cropperhead.training import difficulty
from cropperhead.training.batches import CropExamples, FieldArrays
from cropperhead.training.networks import finished

CHANNELS = 6


def photos(count, seed):
    """Fields of 4 x 4 places, in which each photo's channels have values of its own."""
    generator = np.random.default_rng(seed)
    values = generator.normal(0, 1, (count, 1, 1, 1, CHANNELS))
    fields = values + generator.normal(0, 0.1, (count, 2, 4, 4, CHANNELS))
    aspect = generator.choice([2 / 3, 3 / 2], count).astype(np.float32)
    return FieldArrays([str(i) for i in range(count)], fields.astype(np.float16), aspect)


def examples(count=300, seed=1, spread=0.0):
    """Crops of 0.1 to 0.9, whose limits vary by `spread`, and more where channel 0 is high."""
    known = photos(count, seed)
    generator = np.random.default_rng([seed, 1])
    hard = difficulty.summarise(known)[:, :1] > 0
    moved = generator.uniform(0, 0.1, (count, 4)) * np.array([1, 1, -1, -1])
    limits = np.array([0.1, 0.1, 0.9, 0.9]) + moved * np.where(hard, 4 * spread + 0.1, 0.1)
    limits = np.concatenate([limits, np.zeros((count, 1))], axis=1).astype(np.float32)
    return CropExamples(known, np.arange(count), limits)


def test_photos_that_people_crop_in_many_ways_are_expected_to_overlap_less():
    learned = difficulty.learn_difficulty(examples(spread=0.5), seed=1)
    new = examples(seed=2, spread=0.5)
    summary = difficulty.summarise(new.photos)
    hard = summary[:, 0] > 0
    expected = learned.overlap(summary)
    # Hard crops' limits are uniform over 0.21, which a cropper without a clue misses by 0.05 each:
    # an overlap of about 0.8, of 0.95 and more for easy ones. Half of the gap is asked for.
    assert expected[~hard].mean() - expected[hard].mean() > 0.03


def test_a_frame_of_another_shape_is_as_hard_as_the_rest_where_all_had_one_shape():
    known = examples(spread=0.5)
    one = replace(known, photos=replace(known.photos, aspect=np.full(300, 1.5, np.float32)))
    learned = difficulty.learn_difficulty(one, seed=1)
    other = learned.centre.copy()
    other[-2:] = np.log(4 / 3)
    assert abs(learned.overlap(other[None])[0]) < 0.02
    assert learned.unlike(other[None])[0] < 1


def test_where_no_photo_is_harder_nothing_is_expected():
    learned = difficulty.learn_difficulty(examples(), seed=1)
    assert learned.overlap(difficulty.summarise(photos(200, 5))).std() < 0.003


def test_few_crops_teach_nothing():
    learned = difficulty.learn_difficulty(examples(count=60, spread=0.5), seed=1)
    assert (learned.weights == 0).all()


def test_the_same_crops_teach_the_same():
    first, second = (difficulty.learn_difficulty(examples(spread=0.5), seed=1) for _ in range(2))
    assert first.weights.tobytes() == second.weights.tobytes()
    assert first.whitening.tobytes() == second.whitening.tobytes()


def test_a_photo_unlike_all_others_is_told_from_them():
    learned = difficulty.learn_difficulty(examples(), seed=1)
    usual = photos(200, 7)
    assert (learned.unlike(difficulty.summarise(usual)) > 1).mean() < 0.03
    strange = replace(usual, fields=usual.fields + np.float16(6))
    assert (learned.unlike(difficulty.summarise(strange)) > 1).all()


@pytest.mark.parametrize(
    "aspect, is_unlike", [(1.5, False), (1.9, False), (3.0, True), (0.3, True)]
)
def test_panoramas_are_unlike_photos_of_common_shapes(aspect, is_unlike):
    learned = difficulty.learn_difficulty(examples(), seed=1)
    # only the shape, not the picture: 1.9 is within 1.3 times 1.5
    alike = np.concatenate([learned.centre[:-2], [np.log(aspect), abs(np.log(aspect))]])
    shape = replace(learned, whitening=np.zeros_like(learned.whitening))
    assert bool(shape.unlike(alike[None])[0] > 1) is is_unlike


def test_keras_computes_the_same():
    learned = difficulty.learn_difficulty(examples(spread=0.5), seed=1)
    seen = photos(20, 9)
    means = seen.fields.astype(np.float32).mean(axis=(1, 2, 3))
    aspect = seen.aspect[:, None] * np.float32(1.4)
    summary = finished._summary(means, aspect)
    seen = replace(seen, aspect=aspect[:, 0])
    assert np.asarray(summary) == pytest.approx(difficulty.summarise(seen), abs=1e-5)
    apart = summary - learned.centre.astype(np.float32)
    unlike = np.asarray(finished._unlike(apart, aspect, learned))[:, 0]
    assert unlike == pytest.approx(learned.unlike(difficulty.summarise(seen)), abs=1e-4)


def test_crops_of_unlike_photos_are_timid():
    limits = np.tile(np.array([[0.2, 0.2, 0.6, 0.8, 0.0]], np.float32), (3, 1))
    timid = np.asarray(finished._timid(limits, np.array([[0.9], [1.1], [5.0]], np.float32)))
    assert timid[0] == pytest.approx(limits[0])
    # a quarter and half of the way to the frame
    assert timid[1] == pytest.approx([0.15, 0.15, 0.7, 0.85, 0], abs=1e-6)
    assert timid[2] == pytest.approx([0.1, 0.1, 0.8, 0.9, 0], abs=1e-6)
