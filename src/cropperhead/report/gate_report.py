"""The gate's findings as Markdown, for a pull request."""

from cropperhead.evaluation.gate import Check, Gate
from cropperhead.report import markdown
from cropperhead.report.table import Cell, Column, Row, Table
from cropperhead.words import format_count


def gate_markdown(gate: Gate) -> str:
    """Format the checks of a gate as a heading and a table."""
    checks = format_count(len(gate.checks), "check")
    title = "passed" if gate.passed else f"{len(gate.failed_checks)} of {checks} failed"
    head = tuple(Column(name, is_text=True) for name in ("check", "result", "finding"))
    table = Table(head, tuple(map(_check_row, gate.checks)))
    return f"## Gate: {title}\n\n{markdown.format_table(table)}\n"


def _check_row(check: Check) -> Row:
    result = "passed" if check.passed else "**failed**"
    cells = (Cell(result, is_markdown=True), Cell(check.sentence, is_markdown=True))
    return Row(check.name, cells)
