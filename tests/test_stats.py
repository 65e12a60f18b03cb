import numpy as np
import pytest

from cropperhead import stats
from cropperhead.stats import Bootstrap


def test_the_interval_covers_the_true_mean_as_often_as_stated():
    generator, groups = np.random.default_rng(5), [str(i) for i in range(200)]
    covered = 0
    for seed in range(1000):
        values = generator.normal(0.03, 0.1, 200)
        interval = Bootstrap(groups, 500, 0.95, seed).interval(values)
        covered += interval.low <= 0.03 <= interval.high
    # 1,000 trials at 0.95: standard deviation sqrt(0.95 x 0.05 / 1000) = 0.007, three of them 0.02
    assert 0.93 <= covered / 1000 <= 0.97


def test_the_interval_of_groups_of_unequal_size_covers_as_often():
    generator = np.random.default_rng(6)
    sizes = np.array([1, 2, 6] * 40)
    groups, covered = np.repeat(np.arange(120), sizes).astype(str).tolist(), 0
    for seed in range(1000):
        of_group = np.repeat(generator.normal(0, 0.05, 120), sizes)  # shared by its photos
        values = -0.02 + of_group + generator.normal(0, 0.05, len(of_group))
        interval = Bootstrap(groups, 500, 0.95, seed).interval(values)
        covered += interval.low <= -0.02 <= interval.high
    assert 0.93 <= covered / 1000 <= 0.97


def test_photos_of_one_group_are_not_independent_evidence():
    values = np.repeat(np.random.default_rng(1).normal(0, 1, 20), 10)
    alone = Bootstrap([str(i) for i in range(200)], 1000, 0.95, 1).interval(values)
    grouped = Bootstrap([str(i // 10) for i in range(200)], 1000, 0.95, 1).interval(values)
    # the same 20 values ten times over: sqrt(10) = 3.2 times as wide
    assert (grouped.high - grouped.low) / (alone.high - alone.low) == pytest.approx(3.2, rel=0.2)
    assert grouped.mean == alone.mean


def test_groups_of_other_sizes_keep_their_weight():
    interval = Bootstrap(["a", "a", "a", "b"], 200, 0.95, 1).interval(np.array([1.0, 1, 1, 0]))
    assert interval.mean == 0.75
    assert (interval.low, interval.high) == (0, 1)  # both groups alike, drawn twice


def test_the_same_seed_gives_the_same_interval():
    values = np.arange(10.0)
    groups = list("abcdefghij")
    assert Bootstrap(groups, 200, 0.9, 1).interval(values) == Bootstrap(
        groups, 200, 0.9, 1
    ).interval(values)


def test_weights_give_the_same_interval_as_the_mean():
    values, groups = np.arange(8.0), list("aabbccdd")
    resampled = Bootstrap(groups, 300, 0.9, 4)
    weights = resampled.weights()
    means = weights @ values / weights.sum(axis=1)
    interval = resampled.statistic_interval(float(values.mean()), means)
    expected = resampled.interval(values)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_the_p_value_of_three_equal_gains_is_a_quarter():
    # of 2^3 = 8 draws of signs two, all plus and all minus, are as far from 0
    p_value = stats.permutation_p_value(np.array([0.1, 0.1, 0.1]), list("abc"), 20_000, seed=1)
    assert p_value == pytest.approx(0.25, abs=0.01)


def test_signs_are_drawn_for_groups_not_photos():
    values = np.full(6, 0.1)
    # one group: either sign of it is as far, whatever the number of its photos
    assert stats.permutation_p_value(values, ["a"] * 6, 500, seed=1) == 1
    # six groups: 2 of 64
    alone = stats.permutation_p_value(values, list("abcdef"), 20_000, seed=1)
    assert alone == pytest.approx(2 / 64, abs=0.006)


def test_without_a_difference_p_values_are_uniform():
    generator, groups = np.random.default_rng(2), [str(i) for i in range(40)]
    p_values = [
        stats.permutation_p_value(generator.normal(0, 1, 40), groups, 200, seed)
        for seed in range(400)
    ]
    # at most 5 % below 0.05: standard deviation sqrt(0.05 x 0.95 / 400) = 0.011, three of them
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 0.033
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.05)


def test_holm_s_correction_is_worked_by_hand():
    corrected = stats.holm_correction({"a": 0.01, "b": 0.04, "c": 0.03, "d": float("nan")})
    # smallest 0.01 x 3 = 0.03; then 0.03 x 2 = 0.06; then 0.04 x 1, no less than the one before
    assert [corrected[name] for name in "abc"] == pytest.approx([0.03, 0.06, 0.06])
    assert np.isnan(corrected["d"])


def test_the_detectable_difference_falls_with_the_root_of_the_groups():
    values, groups = np.array([-0.1, 0.1] * 50), [str(i) for i in range(100)]
    # standard deviation 0.1 x sqrt(100 / 99), of the mean 0.01005; (1.960 + 0.842) x 0.01005
    assert stats.detectable_difference(values, groups, 0.95) == pytest.approx(0.02816, abs=1e-4)
    quarter = stats.detectable_difference(values[:25], groups[:25], 0.95)
    assert quarter == pytest.approx(2 * 0.02816, rel=0.03)


def test_a_difference_of_the_detectable_size_is_detected_80_percent_of_the_time():
    generator, groups = np.random.default_rng(3), [str(i) for i in range(100)]
    true = (1.959964 + 0.841621) * 0.1 / 10
    detected = 0
    for seed in range(300):
        values = generator.normal(true, 0.1, 100)
        detected += Bootstrap(groups, 300, 0.95, seed).interval(values).low > 0
    # standard deviation sqrt(0.8 x 0.2 / 300) = 0.023, three of them
    assert detected / 300 == pytest.approx(0.8, abs=0.07)
