"""Parses the develop settings of one image of a Lightroom catalog.

`Adobe_imageDevelopSettings.text` holds a Lua table, `s = { CropAngle = 0.41, Look = { ... } }`,
whose keys are those of the namespace `crs` without `HasCrop`: an image whose table names no limits
of a crop, or those of the whole frame, is not cropped. Nested tables hold masks and looks, which
repeat names of the top level and mean other things by them. Some versions of Lightroom compress
such texts (seen in the steps of the history): four bytes of length, big-endian, then zlib.
"""

import re
import zlib
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from cropperhead.editors.lightroom import LIMIT_TAGS
from cropperhead.errors import RejectedFile
from cropperhead.geometry.crops import FULL_FRAME

BROKEN = "broken_catalog"
MAX_TEXT_BYTES = 32 << 20  # the longest real texts, with painted masks, are below a megabyte
# `Adobe_images.orientation` names the corners at which the stored picture's upper two are shown.
# (Of CB and AD public readers disagree which is 5 and which is 7.)
_ORIENTATIONS = {"AB": 1, "BA": 2, "CD": 3, "DC": 4, "CB": 5, "BC": 6, "AD": 7, "DA": 8}
_NOT_COMPUTED = -999999  # a setting that Lightroom has yet to compute
_SHOWN = 40  # characters of a value that are shown in an error
_LONGEST_TEXT = 1000  # characters of a text that is a setting; they are names

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"' + r"|'[^'\\]*+(?:\\.[^'\\]*+)*+'"
# Every branch starts with a plain character: only then does `re` leap from one start to the next.
_NESTED = _STRING + r"""|\{|\}|--|\[=*+\[|"|'"""
_TOP = _NESTED + r"|\["
_SKIPPED = re.compile(_NESTED, re.DOTALL)
_OPENING = re.compile(r"\s*+(?:[A-Za-z_]\w*+\s*+=\s*+)?\{")
_LONG = re.compile(r"\[(=*+)\[")
_BRACKETED = re.compile(r"""\[\s*+(?:"(\w++)"|'(\w++)')\s*+\]""")
_NUMBER = r"-?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,4})?"
_VALUE = re.compile(
    rf"(?:({_NUMBER})|(true|false|nil)|({_STRING}))(?=\s*+(?:[,;}}]|--))", re.DOTALL
)
_ASSIGNED = re.compile(r"\s*+=\s*+(?!=)")
_ESCAPE = re.compile(r"\\(?:([0-9]{1,3})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_WORDS = {"true": True, "false": False, "nil": None}


def parse_develop_settings(
    stored: bytes, wanted: Collection[str], letters: str | None = None
) -> dict[str, Any]:
    """The settings of one image by the names of `lightroom.TAGS`, with an explicit `HasCrop`.

    `stored` is the column `text` as it is in the catalog, `wanted` are the names to keep, `letters`
    is the column `orientation` (AB, BC ...), which becomes `Orientation`, EXIF 1 to 8. Numbers are
    numbers; a value that is not a number, word or text is kept as it is written. An empty text
    gives no settings at all. Raises RejectedFile (`broken_catalog`) if it is not a Lua table.
    """
    shown = {"Orientation": _ORIENTATIONS[letters]} if letters in _ORIENTATIONS else {}
    text = _inflate(stored).decode("utf-8", errors="replace")
    if not text.strip():
        return shown
    entries = parse_table(text, {*wanted, *LIMIT_TAGS, "HasCrop"})
    flag = {"HasCrop": entries.get("HasCrop", _is_cropped(entries))}
    return {name: entries[name] for name in sorted(wanted) if name in entries} | flag | shown


def parse_table(text: str, wanted: Collection[str]) -> dict[str, Any]:
    """The wanted entries of a Lua table's top level, in one pass that is linear in its length.

    Raises RejectedFile (`broken_catalog`) if the table does not begin, end or nest correctly.
    """
    opening = _OPENING.match(text)
    if not opening:
        raise RejectedFile(BROKEN, f"its settings are not a Lua table: {text[:_SHOWN]!r}")
    names = _top_level(frozenset(wanted))
    entries: dict[str, Any] = {}
    at = opening.end()
    while True:
        token = names.search(text, at)
        if token is None:
            raise _cut_off()
        first = text[token.start()]
        if first == "}":
            return {name: value for name, value in entries.items() if not _is_missing(value)}
        at = _after(text, token) if first in "{\"'-[" else _entry(text, token, entries)
        if first == "[" and at == token.end():
            at = _bracketed(text, token.start(), wanted, entries)


def _inflate(stored: bytes) -> bytes:
    """The text itself, inflated within MAX_TEXT_BYTES where it is stored compressed."""
    if stored[:1] > (MAX_TEXT_BYTES >> 24).to_bytes(1):  # no text starts as low as these lengths
        return stored
    length = int.from_bytes(stored[:4])
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(stored[4:], min(length, MAX_TEXT_BYTES) + 1)
    except zlib.error as error:
        raise RejectedFile(BROKEN, f"its compressed settings are broken: {error}") from error
    if stored and (len(text) != length or not stream.eof):
        raise RejectedFile(BROKEN, f"its compressed settings are not the {length} bytes they claim")
    return text


def _is_cropped(entries: Mapping[str, Any]) -> bool:
    """Whether the limits of a crop are those of a part of the frame.

    An angle without limits is not a crop that could be drawn, but not the whole frame either.
    """
    limits = dict(zip(LIMIT_TAGS, FULL_FRAME, strict=True))
    return any(entries.get(name, whole) != whole for name, whole in limits.items())


@lru_cache(maxsize=8)
def _top_level(wanted: frozenset[str]) -> re.Pattern[str]:
    names = "".join(rf"|{re.escape(name)}\b" for name in sorted(wanted))
    return re.compile(_TOP + names, re.DOTALL)


def _after(text: str, token: re.Match[str]) -> int:
    """Where the text, comment or nested table ends that starts with this token."""
    start, end = token.span()
    first = text[start]
    if first == "{":
        return _after_table(text, end)
    if first == "-":
        opening = _LONG.match(text, end)
        return _after_long(text, opening) if opening else _after_line(text, end)
    if first == "[":
        opening = _LONG.match(text, start)
        return _after_long(text, opening) if opening else end
    if end - start == 1:
        raise _cut_off()
    return end


def _after_table(text: str, at: int) -> int:
    """Where a nested table ends whose entries start at `at`; at any depth."""
    depth = 1
    while depth:
        token = _SKIPPED.search(text, at)
        if token is None:
            raise _cut_off()
        first, at = text[token.start()], token.end()
        if first == "{":
            depth += 1
        elif first == "}":
            depth -= 1
        else:
            at = _after(text, token)
    return at


def _after_long(text: str, opening: re.Match[str]) -> int:
    closing = f"]{opening[1]}]"
    end = text.find(closing, opening.end())
    if end < 0:
        raise _cut_off()
    return end + len(closing)


def _after_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _entry(text: str, token: re.Match[str], entries: dict[str, Any]) -> int:
    """Adds a wanted name with its value to `entries`; returns where to continue."""
    start, end = token.span()
    assigned = _ASSIGNED.match(text, end)
    if assigned is None or text[start - 1].isalnum() or text[start - 1] in "_.":
        return end
    return _assign(token[0], text, assigned.end(), entries)


def _bracketed(text: str, start: int, wanted: Collection[str], entries: dict[str, Any]) -> int:
    """Adds a wanted name that is written `["CropTop"]`; returns where to continue."""
    key = _BRACKETED.match(text, start)
    assigned = key and _ASSIGNED.match(text, key.end())
    if key is None or not assigned:
        return start + 1
    name = key[1] or key[2]
    return _assign(name, text, assigned.end(), entries) if name in wanted else assigned.end()


def _assign(name: str, text: str, at: int, entries: dict[str, Any]) -> int:
    value = _VALUE.match(text, at)
    entries[name] = _parse_value(value) if value else text[at : at + _SHOWN]
    return value.end() if value else at


def _parse_value(value: re.Match[str]) -> Any:
    number, word, string = value.groups()
    if number:
        return int(number) if number.lstrip("-").isdigit() else float(number)
    return _WORDS[word] if word else _ESCAPE.sub(_unescaped, string[1:-1][:_LONGEST_TEXT])


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1])) if escape[1] else _ESCAPED.get(escape[2], escape[2])


def _is_missing(value: Any) -> bool:
    return value is None or value == _NOT_COMPUTED


def _cut_off() -> RejectedFile:
    return RejectedFile(BROKEN, "its settings are cut off within a table, text or comment")
