import numpy as np
import pandas as pd
import pytest
from conftest import label_table
from PIL import Image

from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.report import chart_images, distribution_shift


def labels(*tops: float, angle: float = 0.0) -> pd.DataFrame:
    limits = [(top, 0.0, 1.0, 0.5, angle) for top in tops]
    return pd.DataFrame(limits, columns=list(CROP_COLUMNS))


def by_measure(*versions: pd.DataFrame) -> dict[str, distribution_shift.Shift]:
    return {shift.measure: shift for shift in distribution_shift.measure_shifts(*versions)}


def test_a_shift_has_means_medians_and_the_distance_of_distributions():
    shifts = by_measure(labels(0, 0.1, 0.2), labels(0.1, 0.2, 0.6))
    top = shifts["top"]
    assert top.means == pytest.approx((0.1, 0.3))
    assert top.medians == pytest.approx((0.1, 0.2))
    # below 0.1 lie a third of the first and none of the second; below 0.6 all and two thirds
    assert top.statistic == pytest.approx(1 / 3)
    assert shifts["left"].statistic == 0
    # (1 - top) x 0.5
    assert shifts["area"].means == pytest.approx((0.45, 0.35))


def test_p_values_are_corrected_for_the_number_of_measures():
    shifts = by_measure(labels(*np.linspace(0, 0.1, 5)), labels(*np.linspace(0.2, 0.3, 5)))
    # five and five that are apart: 2 of the 10! / (5! 5!) = 252 orders; top and area have the same
    # chance, and are the smallest of six: 2 / 252 x 6
    assert shifts["top"].p_value == pytest.approx(12 / 252)
    assert shifts["area"].p_value == pytest.approx(12 / 252)
    assert shifts["left"].p_value == 1


def test_a_version_without_crops_has_no_distribution():
    shift = distribution_shift.measure_shifts(labels(), labels(0.1))[0]
    assert np.isnan([shift.statistic, shift.p_value, shift.means[0], shift.medians[0]]).all()
    assert shift.means[1] == pytest.approx(0.1)
    assert distribution_shift.p_value_text(shift.p_value) == "–"


@pytest.mark.parametrize("count", [0, 1, 40])
def test_every_number_of_crops_can_be_drawn(tmp_path, count):
    file = tmp_path / "picture.png"
    shifts = distribution_shift.measure_shifts(label_table(count), label_table(30, seed=2))
    chart_images.draw_shifts(shifts, "then $x$", "now", file)
    with Image.open(file) as picture:
        assert picture.size == (1260, 760)
        assert "Software" not in picture.info
