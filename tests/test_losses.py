import numpy as np
import pytest
import tensorflow as tf

from cropperhead import losses

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


def test_twenty_degrees_weigh_as_much_as_a_whole_side():
    # 3 degrees -> 0.15; linear from 1 degree, 0.05, on: 0.15 - 0.025
    # 0.5 degrees -> 0.025; 0.025^2 / 0.1
    assert value(losses.distance, WHOLE, [*WHOLE[:4], 3.0]) == pytest.approx([0.125], abs=CLOSE)
    assert value(losses.distance, WHOLE, [*WHOLE[:4], -0.5]) == pytest.approx([0.00625], abs=CLOSE)


def test_crop_loss_adds_the_weighted_missing_overlap():
    # distance: two limits off by 0.5 -> 2 * 0.45 / 4 = 0.225; overlap 1/3
    loss = losses.crop_loss(overlap_weight=3.0)
    assert value(loss, LEFT, BELOW) == pytest.approx([0.225 + 3 * 2 / 3], abs=CLOSE)


def test_squared_error_takes_all_five_values_as_they_are():
    # 0.5^2 and 2^2 of five values -> 4.25 / 5
    got = value(losses.squared_error, WHOLE, [0.5, 0.0, 1.0, 1.0, 2.0])
    assert got == pytest.approx([0.85], abs=CLOSE)


def gradient(truth, predicted):
    crop = tf.constant([predicted])
    with tf.GradientTape() as tape:
        tape.watch(crop)
        error = losses.crop_loss(1.0)(tf.constant([truth]), crop)
    return tape.gradient(error, crop).numpy()[0]


def test_the_gradient_points_from_the_truth_for_every_value():
    # the truth lies below, right of, above, left of and clockwise from the prediction
    slopes = gradient([0.2, 0.3, 0.9, 0.8, 2.0], WHOLE)
    assert np.sign(slopes).tolist() == [-1, -1, 1, 1, -1]


@pytest.mark.parametrize("predicted", [LEFT, [0.8, 0.0, 0.2, 1.0, 0.0], [0.5, 0.5, 0.5, 0.5, 0.0]])
def test_the_gradient_is_a_number_for_a_perfect_an_inverted_and_an_empty_crop(predicted):
    assert np.isfinite(gradient(LEFT, predicted)).all()
