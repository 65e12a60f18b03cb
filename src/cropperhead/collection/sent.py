"""What people send beside a photo: their crop, what was suggested, and where they started.

Everything is checked here, once, before anything of it is stored.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from cropperhead.errors import RejectedFile
from cropperhead.geometry import crops
from cropperhead.geometry.crops import Crop

MAX_BYTES = 4096  # of the JSON text; the page's has some 700
MIN_SIDE = 0.05  # fraction of the frame's side, as validate.min_side
MAX_ANGLE_DEG = 45.0

SUGGESTION, WHOLE, OWN = "suggestion", "whole", "own"
SHOWN = (SUGGESTION, WHOLE)  # first: the suggested crop, or the whole photo without any
STARTS = (SUGGESTION, WHOLE, OWN)  # `own`: the crop that the photo already had
_KEY = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(r"[0-9a-f]{64}")
_MODEL = re.compile(r"[\w.:+-]{1,64}", re.ASCII)
_SIDES = ("top", "left", "bottom", "right", "angle")
_KEYS = frozenset(
    {"id", "sender", "receipt", "consent", "crop", "shown", "started_from", "started"}
)
_OPTIONAL = frozenset({"suggested", "confidence", "model"})


@dataclass(frozen=True)
class SentCrop:
    """A crop as a person sent it; crops are in the displayed frame of the photo beside it.

    `id` is made by the page, so that a repeat is recognised. `author` and `receipt` are hashes: the
    keys themselves stay with the person. `consent` is the SHA-256 of the text that was agreed to.
    """

    id: str
    author: str
    receipt: str
    consent: str
    crop: Crop
    shown: str  # one of SHOWN
    started_from: str  # one of STARTS
    started: Crop
    suggested: Crop | None = None
    confidence: float | None = None  # 0 to 1, of the suggestion
    model: str | None = None  # that suggested


def parse_crop(text: str | bytes) -> SentCrop:
    """Parse the JSON text beside a photo.

    Raises RejectedFile, whose kind is `json` for what cannot be read and `field` for a value that
    cannot be used; the message names it.
    """
    fields = _parse_fields(text)
    suggested = fields.get("suggested")
    if (suggested is None) != (fields.get("model") is None):
        _refuse("suggested", suggested, "a crop together with the model that suggested it")
    sent = SentCrop(
        id=_match("id", fields["id"], _KEY),
        author=hash_key("sender", _match("sender", fields["sender"], _KEY)),
        receipt=hash_key("receipt", _match("receipt", fields["receipt"], _KEY)),
        consent=_match("consent", fields["consent"], _HASH),
        crop=_crop("crop", fields["crop"]),
        shown=_choice("shown", fields["shown"], SHOWN),
        started_from=_choice("started_from", fields["started_from"], STARTS),
        started=_crop("started", fields["started"]),
        suggested=None if suggested is None else _crop("suggested", suggested),
        confidence=_confidence(fields.get("confidence")),
        model=None if suggested is None else _match("model", fields["model"], _MODEL),
    )
    if suggested is None and SUGGESTION in (sent.shown, sent.started_from):
        _refuse("shown", sent.shown, "no suggestion, as none is sent")
    return sent


def check_in_frame(sent: SentCrop, width: int, height: int) -> None:
    """Require every crop inside a frame of this size. Raises RejectedFile of the kind `crop`."""
    given = {"crop": sent.crop, "suggested": sent.suggested, "started": sent.started}
    limits = {name: crop.limits() for name, crop in given.items() if crop is not None}
    # all at once, which takes as long as one
    excesses = crops.outside(np.stack(list(limits.values())), np.array([width / height]))
    for name, excess in zip(limits, excesses, strict=True):
        if excess > 1 / min(width, height):  # a pixel: the copy's shape is rounded to pixels
            problem = f"{name}: a corner is outside the photo by {excess:.1%} of its side"
            raise RejectedFile("crop", problem)


def hash_key(purpose: str, key: str) -> str:
    """Hash a key of 128 random bits that the page made: who has the database cannot use it."""
    return hashlib.sha256(f"cropperhead {purpose}\0{key}".encode()).hexdigest()


def hash_consent(text: str) -> str:
    """Return the SHA-256 of a consent's text, by which crops name it."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse_receipt(identity: Any, receipt: Any) -> tuple[str, str]:
    """Return the id of a crop and the hash of the receipt for it. Raises RejectedFile (`field`)."""
    return parse_id(identity), hash_key("receipt", _match("receipt", receipt, _KEY))


def parse_id(identity: Any) -> str:
    """Return an id that the page made, of a crop or a rater. Raises RejectedFile (`field`)."""
    return _match("id", identity, _KEY)


def _parse_fields(text: str | bytes) -> Mapping[str, Any]:
    if len(text) > MAX_BYTES:
        raise RejectedFile("json", f"it has more than {MAX_BYTES:,} bytes")
    try:
        fields = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RejectedFile("json", f"it cannot be read as JSON: {error}") from error
    if not isinstance(fields, dict):
        raise RejectedFile("json", "expected an object")
    wrong = sorted((_KEYS - set(fields)) | (set(fields) - _KEYS - _OPTIONAL))
    if wrong:
        word = "missing" if wrong[0] in _KEYS else "unknown"
        raise RejectedFile("field", f"{word} key {wrong[0]!r}")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key is given twice")
    return fields


def _crop(name: str, value: Any) -> Crop:
    if not isinstance(value, dict) or set(value) != set(_SIDES):
        _refuse(name, value, f"an object of {', '.join(_SIDES)}")
    numbers = [_number(f"{name}.{side}", value[side]) for side in _SIDES]
    crop = Crop(*numbers)
    for side, number in zip(_SIDES[:4], numbers, strict=False):
        if not 0 <= number <= 1:
            _refuse(f"{name}.{side}", number, "a fraction of the photo's side, 0 to 1")
    if crop.bottom - crop.top < MIN_SIDE or crop.right - crop.left < MIN_SIDE:
        _refuse(name, value, f"at least {MIN_SIDE:g} of each side, top above bottom")
    if abs(crop.angle) > MAX_ANGLE_DEG:
        _refuse(f"{name}.angle", crop.angle, f"at most {MAX_ANGLE_DEG:g} degrees either way")
    return crop


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(name, value, "a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):  # 1e999 is
        _refuse(name, number, "a finite number")
    return number


def _confidence(value: Any) -> float | None:
    if value is None:
        return None
    number = _number("confidence", value)
    if not 0 <= number <= 1:
        _refuse("confidence", number, "0 to 1")
    return number


def _match(name: str, value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        _refuse(name, value, f"text of the form {pattern.pattern}")
    return value


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        _refuse(name, value, f"one of {', '.join(choices)}")
    return str(value)


def _refuse(name: str, value: Any, expected: str) -> NoReturn:
    raise RejectedFile("field", f"{name} is {str(value)[:80]!r}, expected {expected}")
