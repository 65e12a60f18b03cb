"""Changes a RawTherapee profile, and keeps every other byte as it was."""

from cropperhead.editors import profile

_BLANKS = " \t\r\n\v\f"


def merge_keys(data: bytes, settings: profile.Settings) -> bytes:
    """The profile with these keys, section -> key -> text, in their places or as new ones.

    Raises RejectedFile (`broken_profile`) if the editor could not read the profile as it is.
    """
    text = _text(data)
    if text.strip(_BLANKS):
        profile.parse_profile(text)
    for section, keys in settings.items():
        for key, value in keys.items():
            text = _with_key(text, section, key, value)
    return text.encode("utf-8", "surrogateescape")


def remove_section(data: bytes, section: str) -> bytes:
    """The profile without a section, and without the blank lines after it."""
    lines = _lines(_text(data))
    kept, inside = [], False
    for line in lines:
        if line.strip(_BLANKS).startswith("["):
            inside = line.strip(_BLANKS) == f"[{section}]"
        kept += [] if inside else [line]
    return "".join(kept).encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _lines(text: str) -> list[str]:
    """Lines by GLib's rules, each with its end: U+2028 and the like end none."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _with_key(text: str, section: str, key: str, value: str) -> str:
    """The text with one key; of a key that is given twice the last counts, and is changed."""
    lines, end = _lines(text), "\r\n" if "\r\n" in text else "\n"
    current, place, last_line = None, None, None
    for number, line in enumerate(lines):
        stripped = line.strip(_BLANKS)
        if stripped.startswith("["):
            current = stripped[1:-1]
        if current != section or not stripped:
            continue
        last_line = number
        if not stripped.startswith(("#", "[")) and stripped.partition("=")[0].rstrip() == key:
            place = number
    if place is not None:
        lines[place] = _with_value(lines[place], value)
    elif last_line is not None:
        lines[last_line] = _with_line_end(lines[last_line], end)
        lines.insert(last_line + 1, f"{key}={value}{end}")
    else:
        if lines:
            lines[-1] = _with_line_end(lines[-1], end)
        blank = [end] if lines and lines[-1].strip(_BLANKS) else []
        lines += [*blank, f"[{section}]{end}", f"{key}={value}{end}"]
    return "".join(lines)


def _with_value(line: str, value: str) -> str:
    name, _, old = line.partition("=")
    stripped = old.strip(_BLANKS)
    if not stripped:
        body = old.rstrip("\r\n")
        return f"{name}={body}{value}{old[len(body) :]}"
    start = old.index(stripped)
    return f"{name}={old[:start]}{value}{old[start + len(stripped) :]}"


def _with_line_end(line: str, end: str) -> str:
    return line if line.endswith("\n") else line + end
