"""The personal step: what it does to crops, what it finds in a photographer's, what it chooses."""

import numpy as np
import pytest

from cropperhead.training import personal
from cropperhead.training.personal import KeptRatio, PersonalStep

FREE = PersonalStep()


def crops(count: int, seed: int = 1) -> np.ndarray:
    """Limits of different crops, (count, 4): sides of 0.4 to 0.8 at any place."""
    generator = np.random.default_rng(seed)
    sides = generator.uniform(0.4, 0.8, (count, 2))
    low = generator.uniform(0, 1, (count, 2)) * (1 - sides)
    return np.concatenate([low, low + sides], axis=1)


def noisy(limits: np.ndarray, seed: int = 2, by: float = 0.02) -> np.ndarray:
    return np.clip(limits + np.random.default_rng(seed).normal(0, by, limits.shape), 0, 1)


def own_crops(limits: np.ndarray, step: PersonalStep, aspect: np.ndarray) -> np.ndarray:
    """What a person does who crops as the base with a step: (n, 5)."""
    taken = personal.take_step(limits, aspect[:, None], step)
    return np.concatenate([taken, np.zeros((len(limits), 1))], axis=1)


def names(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def test_a_step_that_changes_nothing_returns_the_crops_themselves():
    limits = crops(3)
    assert personal.take_step(limits, np.ones((3, 1)), FREE) is limits


def test_an_offset_moves_and_resizes_about_the_centre():
    # centre 0.5 down to 0.45; the height 0.4 doubles: 0.05 to 0.85; the width stays 0.6
    step = PersonalStep(offset=(-0.05, 0.0, float(np.log(2)), 0.0))
    [limits] = personal.take_step(np.array([[0.3, 0.2, 0.7, 0.8]]), np.ones((1, 1)), step)
    assert limits == pytest.approx([0.05, 0.2, 0.85, 0.8], abs=1e-6)


def test_a_crop_that_would_leave_the_frame_is_moved_in():
    # height 0.4 about 0.2 down, moved up by 0.3: it stops at the edge
    [limits] = personal.take_step(
        np.array([[0.0, 0.2, 0.4, 0.8]]), np.ones((1, 1)), PersonalStep(offset=(-0.3, 0, 0, 0))
    )
    assert limits == pytest.approx([0, 0.2, 0.4, 0.8], abs=1e-6)


def test_a_spread_of_0_gives_one_crop_for_every_photo():
    box = (0.5, 0.4, float(np.log(0.8)), float(np.log(0.6)))
    limits = personal.take_step(crops(5), np.ones((5, 1)), PersonalStep(box, (0.0, 0.0)))
    assert limits == pytest.approx(np.tile([0.1, 0.1, 0.9, 0.7], (5, 1)), abs=1e-6)


def test_a_kept_ratio_keeps_the_area_where_the_frame_has_room():
    # 0.6 x 0.6 of a 3:2 frame is 0.6 high and 0.9 wide, in frame heights. The square of the same
    # area, 0.54, has sides of 0.735: 0.735 of the height, 0.490 of the width.
    step = PersonalStep(ratio=KeptRatio(1.0, 1.0))
    [limits] = personal.take_step(np.array([[0.2, 0.2, 0.8, 0.8]]), np.array([[1.5]]), step)
    assert limits[2] - limits[0] == pytest.approx(0.7348, abs=1e-4)
    assert limits[3] - limits[1] == pytest.approx(0.4899, abs=1e-4)


def test_a_kept_ratio_fits_into_the_frame():
    # the largest 16:9 in a square frame: the whole width, 9 / 16 of the height
    step = PersonalStep(ratio=KeptRatio(16 / 9, 9 / 16))
    [limits] = personal.take_step(np.array([[0.0, 0.0, 1.0, 1.0]]), np.ones((1, 1)), step)
    assert limits == pytest.approx([7 / 32, 0, 25 / 32, 1], abs=1e-6)


@pytest.mark.parametrize("ratio", [None, KeptRatio(0.0, 0.0), KeptRatio(1.25, 0.8)])
def test_keras_takes_the_same_step_as_numpy(ratio):
    from keras import ops  # noqa: PLC0415

    step = PersonalStep((-0.03, 0.02, -0.2, -0.1), (0.8, 1.2), ratio)
    limits = crops(500).astype(np.float32)
    aspect = np.random.default_rng(3).choice([0.667, 1.0, 1.5], (500, 1)).astype(np.float32)
    in_keras = np.asarray(personal.take_step(ops.convert_to_tensor(limits), aspect, step, ops))
    in_numpy = personal.take_step(limits, aspect, step)
    assert np.abs(in_keras - in_numpy).max() < 1e-6
    assert (in_numpy >= -1e-6).all()
    assert (in_numpy <= 1 + 1e-6).all()


def test_a_ratio_is_kept_by_7_of_10_crops_and_not_by_6():
    aspect = np.full(10, 1.5)
    limits = crops(10)
    square = own_crops(limits, PersonalStep(ratio=KeptRatio(1.0, 1.0)), aspect)[:, :4]
    seven, six = ([*square[:count], *limits[count:]] for count in (7, 6))
    assert personal.find_kept_ratio(np.array(seven), aspect) == KeptRatio(1.0, 1.0)
    assert personal.find_kept_ratio(np.array(six), aspect) is None


def test_three_crops_are_too_few_to_tell_a_ratio():
    limits = own_crops(crops(4), PersonalStep(ratio=KeptRatio(1.0, 1.0)), np.full(4, 1.5))
    assert personal.find_kept_ratio(limits, np.full(4, 1.5)) is not None
    assert personal.find_kept_ratio(limits[:3], np.full(3, 1.5)) is None


def test_the_frame_s_own_ratio_is_kept_whatever_the_frame():
    aspect = np.array([1.5, 0.667, 1.0, 1.778, 1.333])
    limits = own_crops(crops(5), PersonalStep(ratio=KeptRatio(0.0, 0.0)), aspect)
    assert personal.find_kept_ratio(limits, aspect) == KeptRatio(0.0, 0.0)


def test_a_ratio_that_stands_in_landscape_frames_lies_in_no_other_frame_that_was_seen():
    # somebody who cuts 4:5 out of landscape photos, for a phone's screen
    aspect = np.full(8, 1.5)
    limits = own_crops(crops(8), PersonalStep(ratio=KeptRatio(0.8, 0.8)), aspect)
    assert personal.find_kept_ratio(limits, aspect) == KeptRatio(0.8, 1.25)


def test_an_unusual_ratio_is_kept_as_it_is():
    aspect = np.full(8, 1.5)
    limits = own_crops(crops(8), PersonalStep(ratio=KeptRatio(1.65, 1 / 1.65)), aspect)
    ratio = personal.find_kept_ratio(limits, aspect)
    assert ratio.landscape == pytest.approx(1.65, abs=1e-5)


def test_a_tighter_photographer_is_recognised_from_20_crops():
    step = PersonalStep((-0.04, 0.0, -0.2, -0.2), (1.0, 1.0))
    base, aspect = crops(20), np.full(20, 1.5)
    own = own_crops(noisy(base), step, aspect)
    choice = personal.choose_step(base, own, aspect, names(20))
    assert choice.name == personal.FITTED
    assert choice.step.offset[0] == pytest.approx(-0.04, abs=0.03)
    # the same 20 % smaller sides for every photo
    assert np.exp(choice.step.offset[2]) ** choice.step.spread[1] == pytest.approx(0.82, abs=0.1)
    unseen = crops(200, seed=9)
    own = own_crops(unseen, step, np.full(200, 1.5))
    found = personal.take_step(unseen, np.full((200, 1), 1.5), choice.step)
    assert personal.overlaps(found, own).mean() > personal.overlaps(unseen, own).mean() + 0.15


def test_a_photographer_like_the_base_gets_the_base():
    base, aspect = crops(20), np.full(20, 1.5)
    own = own_crops(noisy(base, by=0.08), FREE, aspect)
    assert personal.choose_step(base, own, aspect, names(20)).name == personal.BASE


def test_a_photographer_who_crops_all_photos_alike_gets_the_median():
    base, aspect = crops(60), np.full(60, 1.5)
    own = own_crops(noisy(np.tile([0.1, 0.1, 0.8, 0.7], (60, 1))), FREE, aspect)
    choice = personal.choose_step(base, own, aspect, names(60))
    found = personal.take_step(base, aspect[:, None], choice.step)
    # whether fitted with little spread or the median itself
    assert personal.overlaps(found, own).mean() > 0.9
    assert choice.scores[choice.name] >= choice.scores[personal.MEDIAN] - 0.01


def test_photos_of_one_group_are_no_evidence_for_each_other():
    # One burst of 20: there is nothing to test a step on
    base, aspect = crops(20), np.full(20, 1.5)
    own = own_crops(base, PersonalStep((-0.04, 0.0, -0.2, -0.2)), aspect)
    choice = personal.choose_step(base, own, aspect, ["burst"] * 20)
    assert (choice.name, choice.scores) == (personal.BASE, {})


def test_no_crop_at_all_gives_the_base():
    nothing = np.zeros((0, 5))
    choice = personal.choose_step(nothing[:, :4], nothing, np.zeros(0), [])
    assert choice == personal.Choice(personal.BASE, FREE, {})


def test_the_same_crops_give_the_same_step():
    base, aspect = crops(40), np.full(40, 1.5)
    own = own_crops(noisy(base), PersonalStep((0.02, 0.0, -0.1, -0.1)), aspect)
    first, second = (personal.choose_step(base, own, aspect, names(40)) for _ in range(2))
    assert first == second


def test_clearly_better_is_half_a_standard_error_by_groups():
    # mean 0.1, deviations of +-0.3: the error of four groups is sqrt(4 x 0.09) / 4 = 0.15
    gains = np.array([0.4, -0.2, 0.4, -0.2])
    assert personal.is_clearly_better(gains, names(4))
    # in two groups of equal ones, the error is sqrt(2 x 0.36) / 4 = 0.21, half of it above 0.1
    assert not personal.is_clearly_better(gains, ["a", "b", "a", "b"])


def test_a_step_in_words():
    # sides 0.94 times as long: the area is 0.8836 of the base's
    step = PersonalStep((-0.03, 0, float(np.log(0.94)), float(np.log(0.94))))
    base, aspect = crops(50), np.full(50, 1.5)
    assert personal.describe_step(step, base, aspect) == (
        "crop 12 % tighter than most, place subjects lower"
    )
    assert personal.describe_step(FREE, base, aspect) == ""
    ratio = PersonalStep(ratio=KeptRatio(0.8, 0.8))
    assert personal.describe_step(ratio, base, aspect).endswith("keep 4:5")
    ratio = PersonalStep(ratio=KeptRatio(1.25, 0.8))
    assert personal.describe_step(ratio, base, aspect).endswith("keep 5:4 or 4:5")
    ratio = PersonalStep(ratio=KeptRatio(0.0, 0.0))
    assert "keep the frame's own ratio" in personal.describe_step(ratio, base, aspect)


def test_undoing_a_step_gives_the_crops_before_it():
    step = PersonalStep((-0.01, 0.02, -0.1, 0.05), (0.9, 1.1))
    limits = crops(50) * 0.5 + 0.25  # small and far from the edges, where nothing is cut off
    taken = personal.take_step(limits, np.ones((50, 1)), step)
    assert personal.undo_step(taken, step) == pytest.approx(limits, abs=1e-6)
