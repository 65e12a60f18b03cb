"""Text, names, lists and tables as Markdown that shows them unchanged, whatever they contain.

As GitHub reads it (https://github.github.com/gfm).
"""

import re
from collections.abc import Sequence

from cropperhead.report.table import Cell, Column, Row, Table

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~])")


def escape_text(plain: str) -> str:
    """Put a text on one line, and escape what Markdown or HTML would interpret."""
    return _SPECIAL.sub(r"\\\1", " ".join(plain.split())).replace("&", "&amp;")


def code_span(plain: str) -> str:
    """Format a name as code, outside tables: its fence is longer than any within it."""
    line = plain.replace("\n", " ")
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    room = " " if "`" in line or line != line.strip() else ""
    return f"{fence}{room}{line}{room}{fence}"


def format_table(table: Table) -> str:
    """Format a table; the empty text where it has no rows."""
    if not table.rows:
        return ""
    head = [_format_head(column) for column in table.head]
    rule = ["---" if column.is_text else "---:" for column in table.head]
    rows = [_format_row(row) for rows in table.groups().values() for row in rows]
    lines = [head, ["---", *rule[1:]], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def format_list(items: Sequence[str], most: int) -> str:
    """Format a list of at most `most` items, already Markdown, and count the rest."""
    lines = [f"- {item}" for item in items[:most]]
    rest = len(items) - most
    return "\n".join([*lines, f"- and {rest:,} more"] if rest > 0 else lines)


def _format_head(column: Column) -> str:
    name = f"{column.name}, {column.unit}" if column.unit else column.name
    return escape_text(f"{name} {column.arrow}")


def _format_row(row: Row) -> list[str]:
    label = f"{row.group}: {row.label}" if row.group else row.label
    return [escape_text(label), *map(_format_cell, row.cells)]


def _format_cell(cell: Cell) -> str:
    if cell.is_markdown:
        return " ".join(cell.text.replace("|", "\\|").split())
    text = f"{cell.text} ({cell.detail})" if cell.detail else cell.text
    return escape_text(f"{text}, {cell.p_value}" if cell.p_value else text)
