"""Which names are the same, and which paths are safe in tables and as arguments of ExifTool.

ExifTool takes one argument a line, and has options that rewrite files and run code. A line break in
a path would start another argument, so a path with one is rejected where paths enter, and again at
the door to ExifTool.

ExifTool's notation for a line with escapes (`#[CSTR]`) is not used: such a name could then be read,
but not be listed in a table, and an answer could not be matched with a name in bytes.
"""

import os
import unicodedata
from pathlib import Path

UNSAFE = "its name holds a line break or is not valid UTF-8"
_ARGUMENT_ENDS = ("\n", "\r", "\0")


def fold_name(name: str) -> str:
    """A name or path as the least discerning disk compares it: without case, letters composed.

    macOS decomposes letters (an a and two dots), and copies from there keep that.
    """
    return unicodedata.normalize("NFC", name.casefold())


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


def exists(path: Path) -> bool:
    """Whether something is at a path; nothing is at one that is too long for the system."""
    try:
        return path.exists()
    except OSError:
        return False
