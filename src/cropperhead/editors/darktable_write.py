"""Appends steps to the history in a darktable sidecar, and keeps the rest as it was.

Steps that were undone in darktable (those from `history_end` on, with their masks) stay undone
after the new steps. The hashes by which darktable knows whether a photo was edited are removed:
they are those of the earlier history, and without them it computes new ones.

Source: `dt_exif_xmp_read` in darktable's `src/common/exif.cc`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cropperhead.editors import darktable_history
from cropperhead.editors.xml_text import quoteattr
from cropperhead.editors.xmp import RDF, Name, Packet
from cropperhead.editors.xmp_elements import Element
from cropperhead.errors import RejectedFile

_OLDEST_XMP_VERSION = 2  # below, the history was four lists side by side
# The order of darktable 3.0 for RAW files and for finished pictures, which every later one knows.
# Without any, darktable takes that of before 3.0.
_ORDER_OF_RAW, _ORDER_OF_PICTURES = "2", "3"
_CROPPING = ("ashift", "clipping", "crop")
_HASHES = ("history_basic_hash", "history_auto_hash", "history_current_hash")


_FIELDS = ("num", "operation", "enabled", "modversion", "params", "multi_name", "multi_priority")
Step = dict[str, str]  # the fields of an entry of the history, by name


def append_steps(packet: Packet, settings: Mapping[str, Any], is_raw: bool) -> None:
    """Adds the steps of `settings`, as `darktable.encode` gives them, to the end of a history.

    They supersede any crop or turn that is applied so far. Raises RejectedFile if the history has a
    form that cannot be added to.
    """
    _refuse_old_history(packet)
    host = packet.host(darktable_history.NAMESPACE)
    history = host.child(darktable_history.NAMESPACE, "history")
    sequence = None if history is None else history.child(RDF, "Seq")
    if history is not None and sequence is None:
        raise RejectedFile("bad_history", "darktable:history holds no rdf:Seq")
    entries = [] if sequence is None else sequence.children
    numbers = _numbers([_fields(one) for one in entries])
    by_number = dict(zip(numbers, entries, strict=True))
    end = min(_whole(packet.get(_name("history_end")) or str(len(entries))), len(entries))
    applied = [_fields(by_number[number]) for number in range(end)]
    new = _with_switched_off(applied, settings["History"])
    if not entries or "num" in _fields(entries[0]):
        new = [{"num": str(end + place)} | step for place, step in enumerate(new)]
    lines = [_line(packet, host, sequence, step) for step in new]
    if end < len(entries):
        _renumber_undone(packet, end, len(new))
    if history is None or sequence is None:
        packet.append(host, _whole_history(packet, host, lines))
    else:
        _insert(packet, sequence, by_number, end, lines)
    packet.set(_name("history_end"), str(end + len(new)))
    if packet.get(_name("xmp_version")) is None:
        packet.set(_name("xmp_version"), str(settings["Xmp_version"]))
        packet.set(_name("iop_order_version"), _ORDER_OF_RAW if is_raw else _ORDER_OF_PICTURES)
    for name in _HASHES:
        packet.remove(_name(name))


def _refuse_old_history(packet: Packet) -> None:
    version = packet.get(_name("xmp_version"))
    if version is not None and _whole(version) < _OLDEST_XMP_VERSION:
        raise RejectedFile(
            "old_history", f"xmp_version is {version}: open the photo in darktable once, and save"
        )


def _name(local: str) -> Name:
    return Name(darktable_history.NAMESPACE, "darktable", local)


def _fields(entry: Element) -> Step:
    inner = entry.child(RDF, "Description") or entry
    return inner.properties(darktable_history.NAMESPACE)


def _whole(text: str) -> int:
    if not text.strip().isascii() or not text.strip().isdigit():
        raise RejectedFile("bad_history", f"{text[:40]!r} in the history, expected a whole number")
    return int(text)


def _numbers(steps: Sequence[Step]) -> list[int]:
    """The entries' places in the history: by their numbers, or without these in their order."""
    if not any("num" in step for step in steps):
        return list(range(len(steps)))
    numbers = [_whole(step.get("num", "")) for step in steps]
    if sorted(numbers) != list(range(len(steps))):
        raise RejectedFile("bad_history", f"the history's numbers are {numbers}, expected 0, 1, 2")
    return numbers


def _with_switched_off(applied: Sequence[Step], entries: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The new steps, after steps that switch off whatever else crops or turns so far."""
    last: dict[tuple[str, str], Step] = {}
    for step in applied:
        last[step.get("operation", ""), step.get("multi_priority", "0")] = step
    replaced = {(entry["Operation"], str(entry["Multi_priority"])) for entry in entries}
    off = [
        {name: step[name] for name in _FIELDS[1:] if name in step} | {"enabled": "0"}
        for (operation, instance), step in last.items()
        if operation in _CROPPING
        and step.get("enabled") == "1"
        and (operation, instance) not in replaced
    ]
    new = [{name: str(entry[name.capitalize()]) for name in _FIELDS[1:]} for entry in entries]
    return off + new


def _line(packet: Packet, host: Element, sequence: Element | None, step: Step) -> bytes:
    """An entry of the history as text, with blanks between attributes as in the others."""
    prefix, blank, raw = packet.prefix(host, _name("")), b" ", _sibling(host, "li")
    if sequence is not None and sequence.children:
        before = sequence.children[-1]
        raw = before.raw
        blank = packet.blanks_of_attributes(before)
    pairs = [f"{prefix}:{name}={quoteattr(value)}".encode() for name, value in step.items()]
    return b"<" + raw.encode() + b"".join(blank + pair for pair in pairs) + b"/>"


def _sibling(host: Element, local: str) -> str:
    """A name in RDF's namespace, with the prefix that the description has."""
    prefix, colon, _ = host.raw.rpartition(":")
    return f"{prefix}{colon}{local}"


def _whole_history(packet: Packet, host: Element, lines: Sequence[bytes]) -> bytes:
    history = f"{packet.prefix(host, _name(''))}:history"
    sequence = _sibling(host, "Seq")
    tags = [f"<{history}>", f"<{sequence}>", f"</{sequence}>", f"</{history}>"]
    opening, start, stop, closing = (tag.encode() for tag in tags)
    deep = [packet.indent(host, deeper) for deeper in range(4)]
    inner = b"".join(deep[3] + line for line in lines)
    return opening + deep[2] + start + inner + deep[2] + stop + deep[1] + closing


def _insert(
    packet: Packet, sequence: Element, entries: Mapping[int, Element], end: int, lines: list[bytes]
) -> None:
    if end:
        for line in lines:
            packet.append(sequence, line, after=entries[end - 1])
    elif entries:
        first = sequence.children[0].start
        blanks = packet.blanks_before(first)
        packet.edit(first, first, b"".join(line + blanks for line in lines))
    else:
        packet.append(sequence, packet.indent(sequence, 1).join(lines))


def _renumber_undone(packet: Packet, end: int, by: int) -> None:
    """Renumbers what was undone, the steps and their masks, after `by` new steps."""
    for host in packet.descriptions:
        for list_name, number in (("history", "num"), ("masks_history", "mask_num")):
            listing = host.child(darktable_history.NAMESPACE, list_name)
            sequence = None if listing is None else listing.child(RDF, "Seq")
            for entry in [] if sequence is None else sequence.children:
                _renumber(packet, entry.child(RDF, "Description") or entry, number, end, by)


def _renumber(packet: Packet, entry: Element, name: str, end: int, by: int) -> None:
    place = _whole(entry.properties(darktable_history.NAMESPACE).get(name, "0"))
    if place < end:
        return
    raw, child = (
        entry.attribute(darktable_history.NAMESPACE, name),
        entry.child(darktable_history.NAMESPACE, name),
    )
    if raw is not None:
        packet.set_attribute(entry, raw, str(place + by))
    elif child is not None:
        packet.set_text(child, str(place + by))
