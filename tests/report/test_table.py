from cropperhead.report.table import Cell, Column, Row, Table, plain_table, without_details


def test_a_plain_table_has_the_first_text_of_each_row_as_its_label():
    table = plain_table(("split", Column("photos")), [("train", "193"), ("test", "39")])
    assert [column.name for column in table.head] == ["split", "photos"]
    assert [(row.label, row.cells) for row in table.rows] == [
        ("train", (Cell("193"),)),
        ("test", (Cell("39"),)),
    ]


def test_intervals_are_dropped_from_a_column_on():
    cells = (Cell("1", "0 to 2", "p = 0.01"), Cell("2", "1 to 3"))
    table = Table((), (Row("x", cells),))
    assert without_details(table, first=1).rows[0].cells == (cells[0], Cell("2"))
