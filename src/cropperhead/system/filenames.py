"""Which paths are safe in tables of text, and as arguments of ExifTool, which takes one a line.

ExifTool has options that rewrite files and run code. A line break in a path would start another
argument, so a path with one is rejected where paths enter, and again at the door to ExifTool.

ExifTool's notation for a line with escapes (`#[CSTR]`) is not used: such a name could then be read,
but not be listed in a table, and an answer could not be matched with a name in bytes.
"""

import os
from pathlib import Path

_ARGUMENT_ENDS = ("\n", "\r", "\0")


def is_safe_path(path: str | Path) -> bool:
    """Whether a path is valid UTF-8 and holds no line break and no NUL."""
    text = str(path)
    return is_single_argument(text) and not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)


def is_single_argument(text: str) -> bool:
    """Whether a text is one argument where arguments are passed one a line."""
    return not any(character in text for character in _ARGUMENT_ENDS)


def has_safe_absolute_path(path: Path) -> bool:
    """Whether the absolute form of a path is safe, with the folders above it."""
    return is_safe_path(os.path.abspath(path))  # noqa: PTH100 - keeps links


def escape_path(path: str | Path) -> str:
    """A path with everything escaped that makes it unsafe."""
    text = str(path).encode("utf-8", "backslashreplace").decode()
    return text.replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0")
