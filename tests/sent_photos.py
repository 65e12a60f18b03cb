"""Photos and crops as the page sends them."""

import io
import itertools
import json
import secrets

import numpy as np
from PIL import Image

from cropperhead.collection.sent import hash_consent
from cropperhead.collection.settings import CONSENT

_seeds = itertools.count()


def jpeg(width=96, height=64, seed=None, **options) -> bytes:
    """A JPEG of a few blurred blobs, another one each time without a seed."""
    noise = np.random.default_rng(next(_seeds) if seed is None else seed)
    small = Image.fromarray(noise.integers(0, 255, (6, 9, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    big = small.resize((width, height), Image.Resampling.BICUBIC)
    big.save(buffer, "JPEG", **({"quality": 90} | options))
    return buffer.getvalue()


def crop(top=0.1, left=0.2, bottom=0.8, right=0.9, angle=0.0) -> dict:
    return {"top": top, "left": left, "bottom": bottom, "right": right, "angle": angle}


def fields(**changes) -> dict:
    return {
        "id": secrets.token_hex(16),
        "sender": "ab" * 16,
        "receipt": "cd" * 16,
        "consent": hash_consent(CONSENT),
        "crop": crop(),
        "shown": "suggestion",
        "started_from": "suggestion",
        "started": crop(0.05, 0.1, 0.9, 0.95),
        "suggested": crop(0.05, 0.1, 0.9, 0.95),
        "confidence": 0.7,
        "model": "small-1a2b",
    } | changes


def text(**changes) -> str:
    return json.dumps(fields(**changes))
