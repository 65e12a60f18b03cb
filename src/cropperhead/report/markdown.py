"""Names, lists and tables as Markdown that shows them as they are, whatever they hold.

As GitHub reads it (https://github.github.com/gfm).
"""

import math
import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~])")
MINUS, NONE = "−", "–"


def text(plain: str) -> str:
    """A text on one line, in which nothing is taken for Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(plain.split())).replace("&", "&amp;")


def code(plain: str) -> str:
    """A name as code, for use outside of tables: its fence is longer than any within it."""
    line = plain.replace("\n", " ")
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    room = " " if "`" in line or line != line.strip() else ""
    return f"{fence}{room}{line}{room}{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table whose first columns are of `words`, the others of numbers, with cells in Markdown.

    Without rows there is no table: the empty text.
    """
    lines = [list(row) for row in rows]
    if not lines:
        return ""
    rule = [*["---"] * words, *["---:"] * (len(head) - words)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *lines])


def listed(items: Sequence[str], most: int) -> str:
    """A list of at most `most` items, given as Markdown, which says how many more there are."""
    lines = [f"- {item}" for item in items[:most]]
    rest = len(items) - most
    return "\n".join([*lines, f"- and {rest:,} more"] if rest > 0 else lines)


def number(value: float, digits: int, signed: bool = False) -> str:
    """A number for people: a real minus sign, and none before zero; a dash where there is none."""
    if math.isnan(value):
        return NONE
    shown = f"{abs(value):,.{digits}f}"
    if not re.search("[1-9]", shown):
        return shown
    return (MINUS if value < 0 else "+" if signed else "") + shown
