import math

import numpy as np
import pytest

from cropperhead import stats
from cropperhead.stats import Interval, Jackknife

TRIALS = 1500
# standard deviation of a share of 0.95 in as many trials: sqrt(0.95 x 0.05 / 1500) = 0.0056
SPREAD = 0.0056


def jackknife(*sizes: int, confidence: float = 0.95) -> Jackknife:
    """Groups of these sizes."""
    names = np.repeat(np.arange(len(sizes)), sizes).astype(str)
    return Jackknife(names.tolist(), confidence)


def skewed(generator: np.random.Generator, count: int) -> np.ndarray:
    """Many small wins and few large losses, 0 on average."""
    return 1 - generator.exponential(size=count)


DRAWS = {
    "normal": lambda generator, count: generator.normal(size=count),
    "Laplace": lambda generator, count: generator.laplace(size=count),
    "skewed": skewed,
}


def covered(draw, groups: int, sizes: tuple[int, ...]) -> float:
    """How often the interval contains the true mean, 0; all photos of a group have one value."""
    generator, inside = np.random.default_rng(groups), 0
    for _ in range(TRIALS):
        count = generator.choice(sizes, groups)
        interval = jackknife(*count).interval(np.repeat(draw(generator, groups), count))
        inside += interval.low <= 0 <= interval.high
    return inside / TRIALS


def test_the_interval_of_four_groups_is_worked_by_hand():
    interval = jackknife(1, 1, 1, 1).interval(np.array([0.1, 0.3, 0.5, 0.7]))
    # mean 0.4, standard deviation sqrt(0.2 / 3) = 0.2582, error 0.1291; t of 3 degrees 3.1824
    assert interval.mean == pytest.approx(0.4)
    assert (interval.low, interval.high) == pytest.approx((0.4 - 0.4108, 0.4 + 0.4108), abs=1e-4)


def test_a_rare_large_loss_moves_the_lower_end_down_and_leaves_the_upper_one():
    values = np.array([0.1] * 9 + [-0.4])
    interval = jackknife(*[1] * 10).interval(values)
    # mean 0.05, deviation 0.1581, error 0.05; t of 9 degrees 2.2622. Skewness -2.667, by
    # sqrt(90) / 8 and 1.85 -5.850, over sqrt(10) a = -1.850. The corrected t is 2.2622 where t is
    # 3 / a x (cbrt(1 + a (2.2622 - a / 6)) - 1) = -1.6216 x (cbrt(-3.7556) - 1) = 4.142
    assert interval.high == pytest.approx(0.05 + 2.2622 * 0.05, abs=1e-4)
    assert interval.low == pytest.approx(0.05 - 4.142 * 0.05, abs=2e-4)


@pytest.mark.parametrize("groups", [10, 20, 40])
@pytest.mark.parametrize("name", DRAWS)
def test_the_interval_covers_the_true_mean_as_often_as_stated(name, groups):
    assert 0.93 - 2 * SPREAD <= covered(DRAWS[name], groups, (1,)) <= 0.97 + 2 * SPREAD


@pytest.mark.parametrize("groups", [10, 40])
@pytest.mark.parametrize("name", ["normal", "Laplace"])
def test_the_interval_of_groups_of_unequal_size_covers_as_often(name, groups):
    assert 0.93 - 2 * SPREAD <= covered(DRAWS[name], groups, (1, 2, 6)) <= 0.97 + 2 * SPREAD


@pytest.mark.parametrize("groups", [10, 20, 40])
def test_rare_losses_in_groups_of_unequal_size_do_not_pass_for_a_gain(groups):
    generator, above = np.random.default_rng(groups), 0
    for _ in range(TRIALS):
        count = generator.choice((1, 2, 6), groups)
        values = np.repeat(skewed(generator, groups), count)
        above += jackknife(*count).interval(values).low > 0
    # 2.5 % are stated; the deviation of the share is sqrt(0.025 x 0.975 / 1500) = 0.004
    assert above / TRIALS <= 0.025 + 3 * 0.004


def test_the_skewness_of_unequal_groups_is_worked_by_hand():
    # gains 1, 1, -2 in groups of 1, 1, 1 and of 2, 2, 1 photos; the deviations' squares are s, the
    # cubes c, and n equal groups' unbiased factor is sqrt(n (n - 1)) / (n - 2)
    own, mixed = jackknife(1, 1, 1)._pulls(np.array([1.0, 1, -2]))
    # s 2, c -2: -0.7071 x sqrt(6); Hazen's 1 + 8.5 / 3, over sqrt(3)
    assert (own, mixed) == pytest.approx([-0.7071 * 2.4495 * 3.8333 / 1.7321] * 2, abs=1e-3)
    own, mixed = jackknife(2, 2, 1)._pulls(np.array([1.0, 1, 1, 1, -2]))
    # mean 0.4, influence 1.2, 1.2, -2.4: s 2.88, c -3.456: -0.7071 x 2.4495; 25 / 9 equal groups
    assert own == pytest.approx(-1.7321 * (1 + 8.5 * 9 / 25) / math.sqrt(25 / 9), abs=1e-3)
    # deviations 0.6, 0.6, -2.4, weighted 0.4, 0.4, 0.2: s 1.44, c -2.592: -1.5, and of 25 / 9 the
    # factor is sqrt(2.7778 x 1.7778) / 0.7778 = 2.8571; cubes of sizes 17 over 9 to the 1.5: 0.6296
    common = -1.5 * 2.8571 * (1 + 8.5 / 3) * 0.6296
    assert mixed == pytest.approx((own + common) / 2, abs=1e-3)


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_few_groups_do_not_make_the_interval_too_narrow(groups):
    assert covered(DRAWS["normal"], groups, (1, 2, 6)) >= 0.95 - 3 * SPREAD


def test_photos_of_one_group_are_not_independent_evidence():
    values = np.repeat(np.random.default_rng(1).normal(0, 1, 20), 10)
    alone, grouped = jackknife(*[1] * 200).interval(values), jackknife(*[10] * 20).interval(values)
    # the same 20 values ten times over: sqrt(10) x t of 19 / t of 199 = 3.4 times as wide
    assert (grouped.high - grouped.low) / (alone.high - alone.low) == pytest.approx(3.4, rel=0.1)
    assert grouped.mean == alone.mean


def test_one_large_group_counts_for_little_more_than_one():
    sizes = (90, *[1] * 10)
    values = np.repeat([0.1, *np.linspace(0.05, 0.15, 10)], sizes)
    interval = jackknife(*sizes).interval(values)
    # 100² / (90² + 10) = 1.2 equal groups, so one degree of freedom: t is 12.706. Without one of
    # the small groups, the mean moves by a 99th of its difference, the squares of which sum to
    # 0.01019: the error is sqrt(10 / 11 x 0.01019) / 99 = 0.000972
    assert interval.mean == pytest.approx(0.1)
    assert interval.high - interval.low == pytest.approx(2 * 12.706 * 0.000972, rel=1e-3)


def test_a_single_group_has_a_mean_and_no_interval():
    burst = jackknife(3)
    interval = burst.interval(np.array([0.1, 0.2, 0.3]))
    assert interval.mean == pytest.approx(0.2)
    assert not interval.has_ends
    assert math.isnan(burst.p_value(np.array([0.1, 0.2, 0.3])))
    assert math.isnan(burst.detectable_difference(np.array([0.1, 0.2, 0.3])))
    assert math.isnan(Jackknife([], 0.95).interval(np.array([])).mean)


def test_the_interval_of_two_groups_is_wide():
    # 0.1 and 0.2: mean 0.15, error 0.05; t of one degree of freedom is 12.7
    interval = jackknife(1, 1).interval(np.array([0.1, 0.2]))
    assert interval.low == pytest.approx(0.15 - 12.706 * 0.05, abs=1e-4)


def test_equal_values_have_an_interval_without_width():
    assert jackknife(1, 1, 1).interval(np.full(3, 0.25)) == Interval(0.25, 0.25, 0.25)
    assert jackknife(1, 1, 1).p_value(np.zeros(3)) == 1
    assert jackknife(1, 1, 1).p_value(np.full(3, 0.25)) == 0


def test_the_p_value_of_four_groups_is_worked_by_hand():
    # mean 0.4, error 0.1291: t = 3.098 of 3 degrees of freedom
    p_value = jackknife(1, 1, 1, 1).p_value(np.array([0.1, 0.3, 0.5, 0.7]))
    assert p_value == pytest.approx(0.0534, abs=1e-4)


@pytest.mark.parametrize("name", DRAWS)
def test_p_is_below_5_percent_exactly_where_the_interval_excludes_0(name):
    generator, significant = np.random.default_rng(2), 0
    for _ in range(400):
        count = generator.choice([1, 2, 6], 12)
        values = np.repeat(0.5 + DRAWS[name](generator, 12), count)
        interval, p_value = jackknife(*count).interval(values), jackknife(*count).p_value(values)
        assert (p_value < 0.05) == (interval.low > 0 or interval.high < 0)
        significant += p_value < 0.05
    assert 40 < significant < 360


def test_without_a_difference_p_values_are_uniform():
    generator, alone = np.random.default_rng(2), jackknife(*[1] * 40)
    p_values = [alone.p_value(generator.normal(0, 1, 40)) for _ in range(1000)]
    # at most 5 % below 0.05: standard deviation sqrt(0.05 x 0.95 / 1000) = 0.007, three of them
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 0.021
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.03)


def test_holm_s_correction_is_worked_by_hand():
    corrected = stats.holm_correction({"a": 0.01, "b": 0.04, "c": 0.03, "d": float("nan")})
    # smallest 0.01 x 3 = 0.03; then 0.03 x 2 = 0.06; then 0.04 x 1, no less than the one before
    assert [corrected[name] for name in "abc"] == pytest.approx([0.03, 0.06, 0.06])
    assert np.isnan(corrected["d"])


def test_the_detectable_difference_falls_with_the_root_of_the_groups():
    values = np.array([-0.1, 0.1] * 50)
    whole = jackknife(*[1] * 100).detectable_difference(values)
    # standard deviation 0.1 x sqrt(100 / 99), of the mean 0.01005; (1.984 + 0.845) x 0.01005
    assert whole == pytest.approx(0.02844, abs=1e-4)
    quarter = jackknife(*[1] * 24).detectable_difference(values[:24])
    # 0.1 x sqrt(24 / 23) / sqrt(24) = 0.02085; (2.069 + 0.858) x 0.02085
    assert quarter == pytest.approx(0.06103, abs=1e-4)


def test_a_difference_of_the_detectable_size_is_detected_80_percent_of_the_time():
    generator, alone = np.random.default_rng(3), jackknife(*[1] * 100)
    true = (1.984 + 0.845) * 0.1 / 10
    detected = sum(alone.interval(generator.normal(true, 0.1, 100)).low > 0 for _ in range(600))
    # standard deviation sqrt(0.8 x 0.2 / 600) = 0.016, three of them
    assert detected / 600 == pytest.approx(0.8, abs=0.05)


def test_weights_leave_out_one_group_after_another():
    assert jackknife(2, 1).weights().tolist() == [[0, 0, 1], [1, 1, 0]]
    assert jackknife(3).weights().shape == (0, 3)


def test_many_groups_are_left_out_in_500_parts():
    weights = jackknife(*[1] * 1200).weights()
    assert weights.shape == (500, 1200)
    assert (weights == 0).sum(axis=0).tolist() == [1] * 1200
    assert set((weights == 0).sum(axis=1)) == {2, 3}


def test_the_interval_of_a_share_stays_between_its_bounds():
    alone, right = jackknife(*[1] * 10), np.array([1.0] * 9 + [0.0])
    weights = alone.weights()
    left_out = weights @ right / weights.sum(axis=1)
    interval = alone.statistic_interval(0.9, left_out, (0.0, 1.0))
    # left out: 8/9 nine times, and 1, which has no log-odds. Then, as of a mean: error 0.1, t
    # 2.2622, and the upper end, 1.126, at the bound
    assert (interval.low, interval.high) == pytest.approx((0.9 - 0.2262, 1), abs=1e-4)
    interval = alone.statistic_interval(0.8, np.array([0.75, 0.85] * 5), (0.0, 1.0))
    # log-odds 1.0986 and 1.7346, deviation 0.3180, error sqrt(9) x 0.3180 = 0.954, reach 2.158
    # around 1.3863: 1 / (1 + e^0.7719) and 1 / (1 + e^-3.5445)
    assert (interval.low, interval.high) == pytest.approx((0.316, 0.972), abs=1e-3)


def test_a_statistic_without_a_lower_bound_may_be_far_below_0():
    interval = jackknife(1, 1, 1).statistic_interval(
        0.5, np.array([0.4, 0.5, 0.6]), (-math.inf, 1.0)
    )
    # -log(1 - x): 0.5108, 0.6931 and 0.9163, deviation 0.1658, error sqrt(2) x 0.1658 = 0.2345;
    # t of 2 degrees of freedom 4.3027: 0.6931 -+ 1.0090
    assert (interval.low, interval.high) == pytest.approx((1 - 1.3714, 1 - 0.1823), abs=1e-3)


def test_a_statistic_of_two_groups_that_differ_much_has_a_very_low_end():
    interval = jackknife(1, 1).statistic_interval(-1e30, np.array([0.0, -1e60]), (-math.inf, 1.0))
    # -log(1 - x) is 0 and -138: e^-(69 - 12.7 x 69) is more than a float holds
    assert math.isfinite(interval.low)
    assert interval.high <= 1


def test_a_statistic_that_is_undefined_without_one_group_has_no_interval():
    interval = jackknife(1, 1, 1).statistic_interval(0.5, np.array([0.4, np.nan, 0.6]), (-1, 1))
    assert not interval.has_ends


def test_the_interval_of_a_mean_ends_where_no_mean_can_be():
    # mean 0.75, error 0.25, t of one degree of freedom 12.7
    interval = jackknife(1, 1).interval(np.array([0.5, 1.0]), (0.0, 1.0))
    assert interval == Interval(0.75, 0.0, 1.0)
