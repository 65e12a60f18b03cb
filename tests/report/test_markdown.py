import pytest

from cropperhead.report import markdown
from cropperhead.report.table import Cell, Column, Row, Table, plain_table


def test_a_text_is_escaped_so_that_nothing_is_read_as_markdown_or_html():
    assert markdown.escape_text("a|b_c_ <i> & *d*\ne") == r"a\|b\_c\_ \<i\> &amp; \*d\* e"


@pytest.mark.parametrize(
    ("name", "shown"), [("a.jpg", "`a.jpg`"), ("a`b``c", "``` a`b``c ```"), ("`", "`` ` ``")]
)
def test_a_name_as_code_has_a_fence_longer_than_any_in_it(name, shown):
    assert markdown.code_span(name) == shown


def test_a_table_has_a_rule_below_its_head_and_without_rows_is_nothing():
    lines = markdown.format_table(plain_table(("name", "count"), [("a", "1")])).split("\n")
    assert lines == ["| name | count |", "| --- | ---: |", "| a | 1 |"]
    assert markdown.format_table(plain_table(("name", "count"), [])) == ""


def test_a_long_list_counts_the_rest():
    assert markdown.format_list(["a", "b"], 2) == "- a\n- b"
    assert markdown.format_list(["a", "b", "c"], 2) == "- a\n- b\n- and 1 more"


def test_a_cell_shows_its_interval_and_its_p_value_and_a_group_precedes_its_labels():
    head = (Column("kind", is_text=True), Column("Gain", "%", "photo by photo", "G", "higher"))
    rows = (
        Row("b", (Cell("1"),), group="two"),
        Row("a|b", (Cell("+1", "0 to 2", "p < 0.001"),), group="one"),
        Row("c", (Cell("**x**|", is_markdown=True),), group="two"),
    )
    assert markdown.format_table(Table(head, rows)).split("\n") == [
        "| kind | Gain, % ↑ |",
        "| --- | ---: |",
        "| two: b | 1 |",
        "| two: c | **x**\\| |",
        r"| one: a\|b | +1 (0 to 2), p \< 0.001 |",
    ]
