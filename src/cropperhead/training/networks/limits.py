"""Crops as tensors: limits that make a crop within the frame, turned, moved and mirrored."""

import math
from typing import Any

from keras import ops

_LEAST_REACH = 1e-6  # of the frame's height: keeps a crop without an area from dividing by zero


def valid_limits(raw: Any, angle: Any, aspect: Any) -> Any:
    """Limits (n, 5) that always make a crop within the frame, from six free numbers (n, 6).

    Three each for top margin, height, bottom margin and left margin, width, right margin, as a
    softmax. `angle` (n, 1) degrees, `aspect` (n, 1).
    """
    rows, columns = ops.softmax(raw[:, 0:3], axis=1), ops.softmax(raw[:, 3:6], axis=1)
    size = ops.concatenate([rows[:, 1:2], columns[:, 1:2]], axis=1)
    margin = ops.concatenate([rows[:, 0:1], columns[:, 0:1]], axis=1)
    return turn_limits(ops.concatenate([margin, margin + size], axis=1), angle, aspect)


def turn_limits(limits: Any, angle: Any, aspect: Any) -> Any:
    """Limits (n, 4 or 5) turned by an angle (n, 1) and moved into the frame, (n, 5).

    What is too large for the frame is shrunk. Shrinking everything that leaves the frame about its
    centre costs level photos that are turned by mistake twice as much.
    """
    # lengths in frame heights, each pair as (vertical, horizontal)
    frame = ops.concatenate([ops.ones_like(aspect), aspect], axis=1)
    low, high = limits[:, :2], limits[:, 2:4]
    half = (high - low) / 2 * frame
    middle = low * frame + half
    radians = ops.abs(angle) * (math.pi / 180)
    reach = half * ops.cos(radians) + ops.flip(half, axis=1) * ops.sin(radians)
    room = frame / 2 / ops.maximum(reach, _LEAST_REACH)
    scale = ops.minimum(1.0, ops.min(room, axis=1, keepdims=True))
    half, reach = half * scale, reach * scale
    middle = ops.minimum(ops.maximum(middle, reach), frame - reach)
    return ops.concatenate([(middle - half) / frame, (middle + half) / frame, angle], axis=1)


def mirror_limits(limits: Any) -> Any:
    """The limits (n, 5) of the mirrored crop."""
    top, left, bottom, right, angle = ops.split(limits, 5, axis=1)
    return ops.concatenate([top, 1 - right, bottom, 1 - left, -angle], axis=1)


def shift_limits(limits: Any, shift: float) -> Any:
    """Limits (n, 5) moved to the right by a fraction of the width, or as far as the frame goes."""
    top, left, bottom, right, angle = ops.split(limits, 5, axis=1)
    side = ops.maximum(-left, ops.minimum(shift, 1 - right))
    return ops.concatenate([top, left + side, bottom, right + side, angle], axis=1)
