"""Reads and makes the history of a darktable sidecar, as plain steps and fields.

XMP, namespace `http://darktable.sf.net/`. The history is a list of modules' settings; the last of
each module counts. Settings are little-endian C structs, in hex or as `gz`, two digits and base64
of zlib. `settings` are tag name without namespace -> value, of `TAGS`.

Sources: darktable's `src/common/{exif.cc,history.c}` and `src/iop/{ashift,flip,clipping,crop}.c`.
"""

import base64
import hashlib
import math
import struct
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cropperhead.errors import RejectedFile

NAMESPACE = "http://darktable.sf.net/"
# Up to version 1 of the XMP, the history was four sequences side by side.
HASHES = ("History_basic_hash", "History_auto_hash", "History_current_hash")
_OLD_TAGS = ("History_operation", "History_enabled", "History_modversion", "History_params")
TAGS = (
    *("Xmp_version", "History", "History_end", "Iop_order_version", "Iop_order_list"),
    *("Raw_params", *_OLD_TAGS),
)
_NEWEST_XMP_VERSION = 5
_PIPE = ("ashift", "flip", "clipping", "crop")

_SHIFT = "rotation lensshift_v lensshift_h"
_LENS = "f_length crop_factor orthocorr aspect mode"
_KEYSTONE = "k_h k_v kxa kya kxb kyb kxc kyc kxd kyd k_type k_sym k_apply"
_BOX = "cx cy cw ch"  # left, top, right, bottom
Layouts = Mapping[int, tuple[str, str]]  # version -> the struct, and the names of its first fields
_LAYOUTS: Mapping[str, Layouts] = {
    "ashift": {
        1: ("<3fi", _SHIFT),
        2: ("<7f2i", f"{_SHIFT} {_LENS}"),
        3: ("<7f3i4f", f"{_SHIFT} {_LENS} toggle cropmode cl cr ct cb"),
        4: ("<8f3i4f", f"{_SHIFT} shear {_LENS} toggle cropmode cl cr ct cb"),
        5: ("<8f2i4f200fi8f", f"{_SHIFT} shear {_LENS} cropmode cl cr ct cb"),
    },
    "flip": {1: ("<i", "orientation"), 2: ("<i", "orientation")},
    "clipping": {
        2: ("<5fIf", f"angle {_BOX} k_bits"),
        3: ("<7f", f"angle {_BOX} k_h k_v"),
        4: ("<15f4i", f"angle {_BOX} {_KEYSTONE} crop_auto"),
        5: ("<15f6i", f"angle {_BOX} {_KEYSTONE} crop_auto"),
    },
    "crop": {1: ("<4f2i", _BOX), 2: ("<4f3i", _BOX), 3: ("<4f2i", _BOX)},
}
# The versions written: those of darktable 3.8 to 4.2, which later ones read.
_WRITTEN = {"ashift": 5, "flip": 2, "crop": 1}
# iop_order_version: the user's own, and darktable's; `crop` has version 2 or 3 since that of 5.0
_CUSTOM_ORDER, _ORDER_OF_5, _NEWEST_ORDER = 0, 4, 5
_FIRST_WITH_ORDERS = 4  # of the XMP's versions; those before have other numbers
_LONGEST_TEXT = 16384  # the longest settings, liquify's, have 7600 bytes: 15200 digits in hex
_PACKED_ABOVE = 100  # bytes, where darktable begins to pack settings
_CROPPING = ("ashift", "clipping", "crop")
_MOST_BYTES = 1 << 16  # of one module's settings


@dataclass(frozen=True)
class Step:
    """The last settings of one module in the history."""

    operation: str
    enabled: bool
    version: int
    params: Any


def read_entries(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries of the history in their order, in the form that the version of the XMP has."""
    version = xmp_version(settings)
    if version > _NEWEST_XMP_VERSION:
        raise RejectedFile(
            "unknown_version", f"Xmp_version is {version}, expected at most {_NEWEST_XMP_VERSION}"
        )
    if version < 2:
        return _old_history(settings)
    history = _sequence(settings.get("History"))
    if not all(isinstance(entry, Mapping) for entry in history):
        raise RejectedFile("incomplete", "an entry of the history has no fields")
    if version == 2:
        return history
    return sorted(history, key=lambda entry: _whole(entry.get("Num"), "Num", 0))


def xmp_version(settings: Mapping[str, Any]) -> int:
    """The version of the XMP: 2 up to darktable 2.6, 3 that of 3.0, 5 the newest."""
    return _whole(settings.get("Xmp_version"), "Xmp_version", 0)


def last_steps(settings: Mapping[str, Any]) -> dict[str, Step]:
    """The last settings of each module that reframes, as far as the history is applied."""
    return _by_module(list_steps(settings, _PIPE))


def list_steps(settings: Mapping[str, Any], modules: Collection[str]) -> list[Step]:
    """The last settings of each instance of these modules, as far as the history is applied."""
    last = {}
    for entry in _applied(settings):
        operation = entry.get("Operation")
        if not isinstance(operation, str):
            raise RejectedFile("incomplete", "an entry of the history names no operation")
        if operation in modules:
            instance = _whole(entry.get("Multi_priority"), "Multi_priority", 0)
            last[operation, instance] = _step(operation, entry)
    return list(last.values())


def custom_order(settings: Mapping[str, Any]) -> list[str]:
    """All modules' names in the user's own order; none where the order is one of darktable's."""
    return str(settings.get("Iop_order_list", "")).split(",")[::2]  # name, instance, name, ...


def module_order(settings: Mapping[str, Any], names: Mapping[str, Any]) -> list[str]:
    """The modules' names in the order in which they are applied.

    Raises RejectedFile (`unknown_version`) for an order of a newer darktable.
    """
    version = _order_version(settings)
    is_numbered = xmp_version(settings) >= _FIRST_WITH_ORDERS
    if is_numbered and version > _NEWEST_ORDER:
        raise RejectedFile(
            "unknown_version",
            f"Iop_order_version is {version}, expected at most {_NEWEST_ORDER}",
        )
    order = custom_order(settings)
    places = {name: order.index(name) if name in order else len(order) for name in _PIPE}
    return sorted((name for name in _PIPE if name in names), key=places.__getitem__)


def is_since_5(settings: Mapping[str, Any]) -> bool:
    """Whether darktable 5.0 or later has written the settings, by the versions that they name."""
    order = _order_version(settings)
    crop = last_steps(settings).get("crop")
    return order >= _ORDER_OF_5 or (crop is not None and crop.version > _WRITTEN["crop"])


def _order_version(settings: Mapping[str, Any]) -> int:
    return _whole(settings.get("Iop_order_version"), "Iop_order_version", _CUSTOM_ORDER)


def is_automatic(settings: Mapping[str, Any]) -> bool:
    """Whether darktable itself or a preset applied the crop on opening, and nobody has changed it.

    Then the whole history is still what was applied on opening, by darktable's own test
    (`dt_history_hash_get_status`), or it begins with that, and what follows does not crop.
    """
    basic, automatic, current = (settings.get(tag) for tag in HASHES)
    on_opening = {one for one in (basic, automatic) if isinstance(one, str)}
    if not on_opening:
        return False
    return current in on_opening or _begins_with_crop(settings, on_opening)


def _begins_with_crop(settings: Mapping[str, Any], hashes: Collection[str]) -> bool:
    """Whether the history begins with one that has one of these hashes and holds all that crops.

    darktable hashes the last entry of each instance of a module (`_history_hash_compute_from_db` in
    `src/common/history.c`); what it applies on opening has one of each.
    """
    entries = _applied(settings)
    cropping = [place for place, one in enumerate(entries) if one.get("Operation") in _CROPPING]
    digest, seen = hashlib.md5(usedforsecurity=False), set[str]()
    try:
        end = _hashed_order(settings)
        for place, entry in enumerate(entries):
            instance, part = _hashed_entry(entry)
            if instance in seen:
                return False
            seen.add(instance)
            digest.update(part)
            whole = digest.copy()
            whole.update(end)
            if place >= max(cropping, default=0) and whole.hexdigest() in hashes:
                return True
    except (ValueError, struct.error, RejectedFile):  # other modules' fields may be anything
        return False
    return False


def _hashed_entry(entry: Mapping[str, Any]) -> tuple[str, bytes]:
    """The instance of a module, and what is hashed of it: nothing where it is off.

    Raises ValueError, RejectedFile.
    """
    operation, instance = str(entry.get("Operation")), str(entry.get("Multi_priority"))
    part = bytearray()
    if _whole(entry.get("Enabled"), "Enabled", 0):
        part += operation.encode()
        for field in ("Params", "Blendop_params"):
            part += _decoded(str(entry.get(field, "")), _MOST_BYTES)
    return f"{operation} {instance}", bytes(part)


def _hashed_order(settings: Mapping[str, Any]) -> bytes:
    """What is hashed of the order of modules. Raises struct.error, RejectedFile."""
    order = _order_version(settings)
    own = str(settings.get("Iop_order_list", "")) if order == _CUSTOM_ORDER else ""
    return struct.pack("<i", order) + own.encode()


def old_flip(settings: Mapping[str, Any]) -> int:
    """The user's turns from before there was a module, as a byte of flip's bits."""
    # the highest of the four bytes
    return _whole(settings.get("Raw_params"), "Raw_params", 0) >> 24 & 0xFF


def unpack_fields(step: Step) -> dict[str, float]:
    """A module's settings by name.

    Raises RejectedFile (`unknown_version`, `bad_params`, `not_a_number`).
    """
    layout, names = find_layout(step, _LAYOUTS[step.operation])
    named = dict(zip(names.split(), unpack(step, layout), strict=False))
    require_numbers(step, named)
    return named


def find_layout(step: Step, versions: Layouts) -> tuple[str, str]:
    """The layout of a module's settings. Raises RejectedFile (`unknown_version`)."""
    if step.version not in versions:
        expected = ", ".join(map(str, versions))
        raise RejectedFile(
            "unknown_version", f"{step.operation} has version {step.version}, expected {expected}"
        )
    return versions[step.version]


def unpack(step: Step, layout: str) -> tuple[Any, ...]:
    """The values of a module's settings. Raises RejectedFile (`bad_params`)."""
    return struct.unpack(layout, _data(step, struct.calcsize(layout)))


def require_numbers(step: Step, named: Mapping[str, float]) -> None:
    """Raises RejectedFile (`not_a_number`) if a value is infinite or not a number."""
    if not all(map(math.isfinite, named.values())):
        raise RejectedFile(
            "not_a_number", f"{step.operation} has {format_fields(named, list(named))}"
        )


def make_entry(operation: str, *values: float) -> dict[str, Any]:
    """An entry of the history, long settings packed as darktable does."""
    version = _WRITTEN[operation]
    data = struct.pack(_LAYOUTS[operation][version][0], *values)
    return {
        "Operation": operation,
        "Enabled": 1,
        "Modversion": version,
        "Params": _packed(data) if len(data) > _PACKED_ABOVE else data.hex(),
        "Multi_name": "",
        "Multi_priority": 0,
    }


def make_settings(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that hold these entries and no more."""
    return {
        "Xmp_version": _NEWEST_XMP_VERSION,
        "History": [{"Num": number, **one} for number, one in enumerate(entries)],
        "History_end": len(entries),
    }


def format_fields(fields: Mapping[str, float], names: Sequence[str]) -> str:
    """Some of the fields with their values, for messages."""
    return ", ".join(f"{name} {fields[name]:g}" for name in names)


def _applied(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    history = read_entries(settings)
    end = _whole(settings.get("History_end"), "History_end", len(history))
    return history[: max(end, 0)]


def _step(operation: str, entry: Mapping[str, Any]) -> Step:
    return Step(
        operation,
        enabled=_whole(entry.get("Enabled"), "Enabled", 0) == 1,
        version=_whole(entry.get("Modversion"), "Modversion", 0),
        params=entry.get("Params"),
    )


def _by_module(steps: Sequence[Step]) -> dict[str, Step]:
    """Settings by module. darktable itself makes one instance of each of these."""
    enabled = [step.operation for step in steps if step.enabled]
    for operation in enabled:
        if enabled.count(operation) > 1:
            raise RejectedFile("several_instances", f"{operation} is applied more than once")
    return {step.operation: step for step in sorted(steps, key=lambda step: step.enabled)}


def _old_history(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    columns = [_sequence(settings.get(tag)) for tag in _OLD_TAGS]
    if len({len(column) for column in columns}) > 1:
        raise RejectedFile("incomplete", f"{', '.join(_OLD_TAGS)} are not equally long")
    return [
        # here, all but 0 is enabled
        {
            "Operation": operation,
            "Enabled": str(enabled) != "0",
            "Modversion": version,
            "Params": params,
        }
        for operation, enabled, version, params in zip(*columns, strict=True)
    ]


def _sequence(value: Any) -> list[Any]:
    """A sequence: ExifTool may give a single item alone, and an empty text for none."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _whole(value: Any, tag: str, default: int) -> int:
    """A whole number of 32 bits; true and false are 1 and 0."""
    if value is None:
        return default
    try:
        number = int(value)
        is_whole = number == value or isinstance(value, str)
    except (TypeError, ValueError, OverflowError):
        number, is_whole = 0, False
    if not is_whole or abs(number) >= 2**32:
        shown = repr(value)[:40] if isinstance(value, str | float) else type(value).__name__
        raise RejectedFile("not_a_number", f"{tag} is {shown}, expected a whole number")
    return number


def _data(step: Step, size: int) -> bytes:
    """The bytes of a module's settings; at most one too many is ever unpacked."""
    text = step.params if isinstance(step.params, str) else ""
    try:
        data = b"" if len(text) > _LONGEST_TEXT else _decoded(text, size)
    except ValueError:
        data = b""
    if len(data) != size:
        raise RejectedFile(
            "bad_params",
            f"{step.operation}'s settings are {text[:40]!r}, expected {size} bytes in hex or gz",
        )
    return data


def _decoded(text: str, most: int) -> bytes:
    """The bytes of settings; at most one more than `most` is unpacked. Raises ValueError."""
    if not text.startswith("gz"):
        return bytes.fromhex(text)
    try:
        return zlib.decompressobj().decompress(base64.b64decode(text[4:]), most + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error


def _packed(data: bytes) -> str:
    packed = zlib.compress(data)
    # by the two digits darktable chooses how large a buffer to try first
    return f"gz{min(len(data) // len(packed) + 1, 99):02d}{base64.b64encode(packed).decode()}"
