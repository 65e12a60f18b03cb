import numpy as np
import pandas as pd
import pytest

from cropperhead.report import charts
from cropperhead.report.charts import Bar


def test_an_axis_starts_and_ends_on_round_values_around_all_others():
    # 0.33 in about 4 steps -> 0.0825 -> the next of 1, 2, 5 x 10^n is 0.1 -> from 0.4 to 0.8
    scale = charts.axis([0.43, 0.76])
    assert [tick.label for tick in scale.ticks] == ["0.4", "0.5", "0.6", "0.7", "0.8"]
    assert scale.at(0.5) == 25


def test_an_axis_of_one_value_or_of_none_still_has_a_length():
    # 3 - 0.5 to 3 + 0.5, in steps of 0.5, the next round one after 1/4
    assert (charts.axis([3.0]).low, charts.axis([3.0]).high) == (2.5, 3.5)
    assert charts.axis([]).high > charts.axis([float("nan")]).low


def test_ticks_carry_a_real_minus_sign_and_none_before_zero():
    labels = [tick.label for tick in charts.axis([-2.0, 2.0], "°").ticks]
    assert labels == ["−2°", "−1°", "0°", "1°", "2°"]


def test_epochs_are_never_split():
    assert [tick.label for tick in charts.axis([1, 3], step_at_least=1.0).ticks] == ["1", "2", "3"]


def limits(column: int, values: list[float]) -> np.ndarray:
    rows = np.zeros((len(values), 5))
    rows[:, column] = values
    return rows


def test_a_histogram_s_caption_has_the_median_and_the_middle_half():
    top = charts.histograms({"human": limits(0, [0.0, 0.1, 0.2, 0.3, 0.4])})[0]
    # linear quantiles of five values are the second, third and fourth
    assert top.captions == (("human", "median 0.20, middle half 0.10 to 0.30"),)


def test_a_histogram_reaches_the_share_of_photos_in_its_fullest_bin():
    top = charts.histograms({"human": limits(0, [0.0, 0.0, 0.0, 1.0])})[0]
    # 3 of 4 photos are 75 %, on an axis of 0 to 80 % -> 100 - 75/80 x 100 = 6.25 from the top
    assert top.y.ticks[-1].label == "80 %"
    assert " 0,6.25" in f" {top.lines[0].points}"


def test_angles_are_drawn_around_zero_in_the_middle_of_a_bin():
    angle = charts.histograms({"cnn": limits(4, [0.0, 0.0, 3.0])})[4]
    assert (angle.x.low, angle.x.high) == (-4, 4)
    # 17 bins: the ninth, from 8/17 to 9/17 of the width, is the middle one
    assert "47.06," in angle.lines[0].points
    assert "52.94," in angle.lines[0].points


def test_croppers_share_the_axes_of_a_histogram():
    left = charts.histograms({"human": limits(1, [0.0, 0.6]), "cnn": limits(1, [0.1, 0.2])})[1]
    assert [line.key for line in left.lines] == ["human", "cnn"]
    assert (left.x.low, left.x.high) == pytest.approx((0, 0.6))


def test_without_crops_there_is_no_histogram():
    assert charts.histograms({}) == ()


HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "loss": [3.0, 2.0, 1.0],
        "validation_loss": [3.0, 2.0, 2.5],
        "learning_rate": [float("nan")] * 3,
    }
)


def test_a_curve_runs_from_the_first_epoch_to_the_last():
    (loss,) = charts.curves(HISTORY)
    # 1 to 3 on both axes: 3.0 at epoch 1 lies at the top left, 1.0 at epoch 3 at the bottom right
    assert [line.key for line in loss.lines] == ["training", "validation"]
    assert loss.lines[0].points == "0,0 50,50 100,100"
    assert loss.captions[1] == ("validation", "from 3 to 2.5")


def test_the_best_epoch_has_the_smallest_validation_loss():
    assert charts.best_epoch(HISTORY) == 2
    assert charts.curves(HISTORY)[0].mark == 50
    assert charts.best_epoch(HISTORY[["epoch", "loss"]]) is None


def test_a_single_epoch_is_a_dot():
    (loss,) = charts.curves(HISTORY[["epoch", "loss"]].head(1))
    first, second = loss.lines[0].points.split()
    assert first == second


def test_an_empty_history_has_no_curve():
    assert charts.curves(HISTORY.head(0)) == ()


def test_a_forest_skips_estimates_without_an_interval():
    nan = float("nan")
    bars = [Bar("cnn", "CNN", 0.5, 0.4, 0.6), Bar("human", "Human", nan, nan, nan)]
    plot = charts.forest(bars, reference=0.45)
    assert [bar.label for bar in plot.bars] == ["CNN"]
    assert plot.reference == 25  # 0.4 to 0.6
    assert charts.forest(bars, reference=nan).reference is None


def test_a_forest_s_axis_can_include_further_values():
    bars = [Bar("cnn", "CNN", 0.63, 0.58, 0.68)]
    chances = charts.forest(bars, reference=0.5, also_within=(0.0, 1.0))
    assert [tick.label for tick in chances.axis.ticks] == ["0.0", "0.5", "1.0"]
    assert chances.reference == 50
