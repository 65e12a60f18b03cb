"""Counts and lists in sentences."""

from collections.abc import Iterable


def format_count(count: int, singular: str, plural: str = "", width: int = 0) -> str:
    """Format a count, right-aligned in `width` characters, with its noun: "1,200 photos"."""
    return f"{count:>{width},} {singular if count == 1 else plural or singular + 's'}"


def join_words(words: Iterable[str], conjunction: str = "and") -> str:
    """Join words to "a, b and c"; the empty text without any."""
    *first, last = [*words] or [""]
    return f"{', '.join(first)} {conjunction} {last}" if first else last
