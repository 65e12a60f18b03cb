import math

import pytest

from cropperhead.evaluation import number_text
from cropperhead.stats import Interval


@pytest.mark.parametrize(
    ("value", "signed", "shown"),
    [
        (-0.1234, False, "−0.123"),
        (0.1, True, "+0.100"),
        (-0.0001, True, "0.000"),
        (1234.5, False, "1,234.500"),
        (math.nan, True, "–"),
        (math.inf, False, "–"),
    ],
)
def test_a_number_has_a_real_minus_and_zero_has_no_sign(value, signed, shown):
    assert number_text.format_number(value, 3, signed) == shown


@pytest.mark.parametrize(
    ("p_value", "text"),
    [
        (0.00042, "p < 0.001"),
        (0.0025001, "p = 0.003"),
        (0.0312, "p = 0.031"),
        (0.03, "p = 0.030"),
        (0.71, "p = 0.71"),
        (1.0, "p = 1.00"),
        (None, ""),
        (math.nan, ""),
    ],
)
def test_a_p_value_has_as_many_digits_as_matter(p_value, text):
    assert number_text.format_p_value(p_value) == text


def test_an_estimate_has_its_interval_in_brackets_where_it_has_one():
    some, lone = Interval(-0.1, -0.2, 0.05), Interval(0.5, math.nan, math.nan)
    assert number_text.format_estimate(some, 2, signed=True) == "−0.10 (−0.20 to +0.05)"
    assert number_text.format_estimate(lone, 2) == "0.50"
    assert number_text.format_range(some, 1, unit="°") == "−0.2° to 0.1°"


def test_shares_and_counts_are_formatted_for_readers():
    assert number_text.format_share(1, 3) == "33.3 %"
    assert number_text.format_share(0, 0) == "0 %"
    assert number_text.format_percent(-0.138) == "−14 %"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0"),
        (0.0001, "fewer than 1"),
        (0.006, "1"),
        (0.346, "35"),
        (0.994, "99"),
        (0.9999, "more than 99"),
        (1.0, "100"),
        (math.nan, "–"),
    ],
)
def test_of_a_hundred_there_are_none_or_all_only_if_it_is_so(share, text):
    assert number_text.format_of_hundred(share) == text
