"""Tables of the reports, whatever they are rendered as.

`templates/table.html.j2` renders them as HTML, `markdown.format_table` as Markdown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cropperhead.evaluation.findings import Better
from cropperhead.evaluation.number_text import DASH
from cropperhead.report.charts import Bar, Forest

ARROWS: dict[Better, str] = {"higher": "↑", "lower": "↓", "neither": ""}


@dataclass(frozen=True)
class Column:
    """A column's head.

    In HTML, the unit and a hint are small print below the name, and `short` replaces the name on
    narrow screens. Columns of text are aligned to the left.
    """

    name: str
    unit: str = ""
    hint: str = ""
    short: str = ""
    better: Better = "neither"
    is_text: bool = False

    @property
    def arrow(self) -> str:
        """An arrow in the direction that is better; empty where neither is."""
        return ARROWS[self.better]


@dataclass(frozen=True)
class Cell:
    """A value as text, with small print: an interval in `detail`, and a p-value.

    A cell with `is_markdown` holds Markdown, and can only be rendered as such.
    """

    text: str
    detail: str = ""
    p_value: str = ""
    is_markdown: bool = False


NO_VALUE = Cell(DASH)


@dataclass(frozen=True)
class Row:
    """A row, with its label in the first column.

    `key` is a cropper's and chooses the style of its line; `note` is small print below the label.
    Rows of one `group` have its name as a common heading. `bar` is drawn next to the cells. In
    HTML, a `remark` replaces the cells.
    """

    label: str
    cells: tuple[Cell, ...]
    key: str = ""
    note: str = ""
    group: str = ""
    bar: Bar | None = None
    remark: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the first column of its head is that of the labels.

    `forest` is the axis on which the rows' bars are drawn.
    """

    head: tuple[Column, ...]
    rows: tuple[Row, ...]
    forest: Forest | None = None

    def groups(self) -> dict[str, list[Row]]:
        """Return the rows by group, in the order of their first appearance."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(row.group, []).append(row)
        return groups


def plain_table(head: Sequence[str | Column], rows: Iterable[Sequence[str]]) -> Table:
    """Make a table of texts; the first of each row is its label."""
    columns = tuple(each if isinstance(each, Column) else Column(each) for each in head)
    return Table(columns, tuple(Row(label, tuple(map(Cell, texts))) for label, *texts in rows))


def without_details(table: Table, first: int) -> Table:
    """Drop the intervals of cells from the column `first` on, counted from 0 after the labels."""
    rows = (
        replace(row, cells=(*row.cells[:first], *(Cell(cell.text) for cell in row.cells[first:])))
        for row in table.rows
    )
    return replace(table, rows=tuple(rows))
