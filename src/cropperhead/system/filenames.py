"""Which paths can be passed on: into tables of text, and to ExifTool, one argument a line.

ExifTool's options can rewrite files and run code. A line break in a path would begin an argument of
its own, so a path with one is rejected wherever paths enter, and again in the door to ExifTool.
"""

import os
from pathlib import Path

_ENDS_AN_ARGUMENT = ("\n", "\r", "\0")


def is_passable(path: str | Path) -> bool:
    """Whether a path is valid UTF-8 and holds no line break and no NUL."""
    text = str(path)
    return has_no_break(text) and not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)


def has_no_break(argument: str) -> bool:
    """Whether a text stays one argument where arguments are given one a line."""
    return not any(character in argument for character in _ENDS_AN_ARGUMENT)


def is_passable_from_here(path: Path) -> bool:
    """Whether the absolute form of a path is passable: a folder above may be the one at fault."""
    return is_passable(os.path.abspath(path))  # noqa: PTH100 - keeps links


def printable(path: str | Path) -> str:
    """A path with everything escaped for which it is not passable."""
    text = str(path).encode("utf-8", "backslashreplace").decode()
    return text.replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0")
