"""Parses the profiles of RawTherapee (`.pp3`) and ART (`.arp`): INI files, by GLib's rules."""

import math
import re
from collections.abc import Mapping

from cropperhead.errors import RejectedFile

Settings = Mapping[str, Mapping[str, str]]

_LARGEST_INTEGER = 2**31 - 1
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
_DECIMAL = re.compile(r"[+-]?([0-9]++(\.[0-9]*+)?|\.[0-9]++)([eE][+-]?[0-9]++)?")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_BLANKS = " \t\r\n\v\f"


def parse_profile(text: str) -> dict[str, dict[str, str]]:
    """The sections of a profile, each key -> text; of a key that is given twice, the last.

    GLib's rules: blanks around lines, keys and values are ignored, `#` starts a comment, case
    matters. Time and memory are linear in the text (configparser takes quadratic time on a long run
    of blanks). Raises RejectedFile (`broken_profile`) for what the editor would reject too, and for
    a text without any section.
    """
    sections: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip(_BLANKS)
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            current = sections.setdefault(_section_name(line, number), {})
            continue
        key, equals, value = line.partition("=")
        key = key.rstrip(_BLANKS)
        if current is None or not equals or not key:
            raise _broken(line, number)
        current[key] = value.lstrip(_BLANKS)
    if not sections:
        raise RejectedFile("broken_profile", "the profile has no section")
    return sections


def flag(settings: Settings, section: str, key: str, *, default: bool) -> bool:
    """A switch: true or 1, false or 0; the default where there is none.

    Raises RejectedFile (`not_a_number`).
    """
    text = settings.get(section, {}).get(key)
    if text is None:
        return default
    if text not in _FLAGS:
        raise _unusable(section, key, text, "true or false")
    return _FLAGS[text]


def integer(settings: Settings, section: str, key: str, default: int) -> int:
    """A whole number of 32 bits; the default where there is none.

    Raises RejectedFile (`not_a_number`).
    """
    text = settings.get(section, {}).get(key)
    if text is None:
        return default
    if not _INTEGER.fullmatch(text) or abs(int(text)) > _LARGEST_INTEGER:
        raise _unusable(section, key, text, "a whole number")
    return int(text)


def number(settings: Settings, section: str, key: str, default: float) -> float:
    """A finite number; the default where there is none.

    Raises RejectedFile (`not_a_number`).
    """
    text = settings.get(section, {}).get(key)
    if text is None:
        return default
    value = float(text) if _DECIMAL.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise _unusable(section, key, text, "a number")
    return value


def _section_name(line: str, number: int) -> str:
    name = line[1:-1]
    if not line.endswith("]") or not name or "[" in name or "]" in name:
        raise _broken(line, number)
    return name


def _broken(line: str, number: int) -> RejectedFile:
    return RejectedFile(
        "broken_profile",
        f"line {number} of the profile is {line[:40]!r}, expected [section] or, below one, "
        "key=value",
    )


def _unusable(section: str, key: str, text: str, expected: str) -> RejectedFile:
    return RejectedFile("not_a_number", f"[{section}] {key} is {text[:40]!r}, expected {expected}")
