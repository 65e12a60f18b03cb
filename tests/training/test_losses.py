import numpy as np
import pytest
import tensorflow as tf

from cropperhead.training import losses

# a crop of the left half of the frame, its lower half and the whole
LEFT = [0.0, 0.0, 1.0, 0.5, 0.0]
BELOW = [0.5, 0.0, 1.0, 1.0, 0.0]
WHOLE = [0.0, 0.0, 1.0, 1.0, 0.0]
CLOSE = 1e-6  # float32 in the backend


def value(loss, truth, predicted):
    return np.asarray(loss(np.array([truth], "float32"), np.array([predicted], "float32")))


def test_overlap_is_shared_area_over_united_area():
    # shared 0.25; union 0.5 + 0.5 - 0.25 = 0.75
    assert value(losses.overlap, LEFT, BELOW) == pytest.approx([1 / 3], abs=CLOSE)


def test_overlap_of_equal_crops_is_one_and_of_separate_ones_zero():
    assert value(losses.overlap, LEFT, LEFT) == pytest.approx([1.0], abs=CLOSE)
    assert value(losses.overlap, LEFT, [0.0, 0.6, 1.0, 1.0, 0.0]) == pytest.approx([0.0])


def test_overlap_of_a_crop_that_is_inside_out_is_zero():
    assert value(losses.overlap, WHOLE, [0.8, 0.0, 0.2, 1.0, 0.0]) == pytest.approx([0.0])


def test_distance_is_quadratic_for_small_errors_and_linear_for_large_ones():
    # one limit of four is off: by 0.05 -> 0.05^2 / 0.2 / 4; by 0.5 -> (0.5 - 0.05) / 4
    small = value(losses.distance, WHOLE, [0.05, 0.0, 1.0, 1.0, 0.0])
    large = value(losses.distance, WHOLE, LEFT)
    assert small == pytest.approx([0.003125], abs=CLOSE)
    assert large == pytest.approx([0.1125], abs=CLOSE)


def test_the_angle_is_no_part_of_the_crops_loss():
    assert value(losses.crop_loss(3.0), WHOLE, [*WHOLE[:4], 3.0]) == pytest.approx([0], abs=CLOSE)


def test_crop_loss_adds_the_weighted_missing_overlap():
    # distance: two limits off by 0.5 -> 2 * 0.45 / 4 = 0.225; overlap 1/3
    loss = losses.crop_loss(overlap_weight=3.0)
    assert value(loss, LEFT, BELOW) == pytest.approx([0.225 + 3 * 2 / 3], abs=CLOSE)


def test_squared_error_takes_all_five_values_as_they_are():
    # 0.5^2 and 2^2 of five values -> 4.25 / 5
    got = value(losses.squared_error, WHOLE, [0.5, 0.0, 1.0, 1.0, 2.0])
    assert got == pytest.approx([0.85], abs=CLOSE)


def test_clip_penalty_sums_the_squares_of_values_outside_of_0_and_1():
    # 1.2^2 + 0.5^2 + 2^2 of the five; 0.4 and 0.6 lie between
    got = value(losses.predecessor_loss("clip_penalty"), [0] * 5, [0.4, -0.5, 0.6, 1.2, 2.0])
    errors = (0.16 + 0.25 + 0.36 + 1.44 + 4) / 5
    assert got == pytest.approx([1.44 + 0.25 + 4 + errors], abs=1e-5)


def test_clip_penalty_is_nothing_for_values_between_and_counts_a_limit_on_the_edge():
    inside = np.array([[0.1, 0.2, 0.8, 0.9, 0.5]], "float32")
    assert np.asarray(losses.clip_penalty(inside)) == pytest.approx([0.0])
    assert np.asarray(losses.clip_penalty(np.array([WHOLE], "float32"))) == pytest.approx([2.0])


@pytest.mark.parametrize(
    ("crop", "penalty"),
    [
        (WHOLE, 0.0),
        ([0.0, 0.7, 1.0, 0.4, 0.0], 0.09),  # left beyond right by 0.3: (0.3 x 1)^2
        ([0.9, 0.7, 0.4, 0.4, 0.0], 2.56),  # and top below bottom by 0.5: (0.8 x 2)^2
    ],
)
def test_order_penalty_grows_with_how_far_and_how_often_a_crop_is_inside_out(crop, penalty):
    got = np.asarray(losses.order_penalty(np.array([crop], "float32")))
    assert got == pytest.approx([penalty], abs=CLOSE)


def test_both_penalties_add_up():
    truth, crop = WHOLE, [0.0, 0.7, 1.0, 0.4, 0.0]
    # squares: 0.7^2 + 0.6^2 of five; clipped: the bottom is 1; order: 0.09
    got = value(losses.predecessor_loss("both_penalties"), truth, crop)
    assert got == pytest.approx([0.85 / 5 + 1 + 0.09], abs=CLOSE)


def test_every_crop_is_compared_with_every_prototype():
    crops = np.array([LEFT[:4], BELOW[:4]], "float32")
    found = np.asarray(losses.overlaps(crops, np.array([LEFT[:4], WHOLE[:4]], "float32")))
    assert found == pytest.approx(np.array([[1, 0.5], [1 / 3, 0.5]]), abs=CLOSE)


def test_likeness_is_learned_best_by_the_softmax_of_overlap():
    prototypes = np.array([LEFT[:4], WHOLE[:4]], "float32")
    loss = losses.likeness_loss(prototypes)
    # overlaps 1 and 0.5: the whole misses 0.5, which 0.08 makes exp(-6.25) as likely
    right = np.array([0.0, -6.25], "float32")
    share = 1 / (1 + np.exp(-6.25))
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert value(loss, LEFT, right) == pytest.approx([entropy], abs=CLOSE)
    assert value(loss, LEFT, right + np.float32([0.0, 1.0]))[0] > entropy


def gradient(truth, predicted):
    crop = tf.constant([predicted])
    with tf.GradientTape() as tape:
        tape.watch(crop)
        error = losses.crop_loss(1.0)(tf.constant([truth]), crop)
    return tape.gradient(error, crop).numpy()[0]


def test_the_gradient_points_from_the_truth_for_every_value():
    # the truth lies below, right of, above and left of the prediction
    slopes = gradient([0.2, 0.3, 0.9, 0.8, 2.0], WHOLE)
    assert np.sign(slopes).tolist() == [-1, -1, 1, 1, 0]


@pytest.mark.parametrize("predicted", [LEFT, [0.8, 0.0, 0.2, 1.0, 0.0], [0.5, 0.5, 0.5, 0.5, 0.0]])
def test_the_gradient_is_a_number_for_a_perfect_an_inverted_and_an_empty_crop(predicted):
    assert np.isfinite(gradient(LEFT, predicted)).all()
