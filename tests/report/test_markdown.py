import math

import pytest

from cropperhead.report import markdown


def test_nothing_in_a_text_is_taken_for_markdown_or_html():
    assert markdown.text("a|b_c_ <i> & *d*\ne") == r"a\|b\_c\_ \<i\> &amp; \*d\* e"


@pytest.mark.parametrize(
    ("name", "shown"), [("a.jpg", "`a.jpg`"), ("a`b``c", "``` a`b``c ```"), ("`", "`` ` ``")]
)
def test_a_name_as_code_has_a_fence_longer_than_any_in_it(name, shown):
    assert markdown.code(name) == shown


def test_a_table_has_a_rule_below_its_head_and_without_rows_is_nothing():
    lines = markdown.table(("name", "count"), [("a", "1")]).split("\n")
    assert lines == ["| name | count |", "| --- | ---: |", "| a | 1 |"]
    assert markdown.table(("name", "count"), []) == ""


def test_a_long_list_says_how_many_more_there_are():
    assert markdown.listed(["a", "b"], 2) == "- a\n- b"
    assert markdown.listed(["a", "b", "c"], 2) == "- a\n- b\n- and 1 more"


@pytest.mark.parametrize(
    ("value", "signed", "shown"),
    [
        (-0.1234, False, "−0.123"),
        (0.1, True, "+0.100"),
        (-0.0001, True, "0.000"),
        (1234.5, False, "1,234.500"),
        (math.nan, True, "–"),
    ],
)
def test_a_number_has_a_real_minus_and_zero_has_no_sign(value, signed, shown):
    assert markdown.number(value, 3, signed) == shown
