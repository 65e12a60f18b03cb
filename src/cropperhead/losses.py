"""How wrong a predicted crop is, as functions that Keras can differentiate.

Each takes the true and the predicted limits, (n, 5) as in `crops`, and gives (n,).
"""

from collections.abc import Callable
from typing import Any

from keras import ops

Loss = Callable[[Any, Any], Any]

# Below these differences an error counts by its square, above in proportion: people who crop one
# photo differ by about as much, and nothing is to be learned from so little.
_SMALL_LIMIT = 0.1  # of the frame's side
_SMALL_ANGLE_DEG = 1.0
# The angle on the scale of the limits: 20 degrees weigh as much as a whole side.
_DEGREES_PER_SIDE = 20.0
_EMPTY = 1e-7  # keeps crops without an area from dividing by zero


def crop_loss(overlap_weight: float) -> Loss:
    """Smooth distances of limits and angle, and `overlap_weight` times what the overlap misses."""

    def loss(truth: Any, predicted: Any) -> Any:
        missed = 1 - overlap(truth, predicted)
        return distance(truth, predicted) + overlap_weight * missed

    return loss


def distance(truth: Any, predicted: Any) -> Any:
    """Mean smooth distance of the four limits, plus that of the angle on their scale."""
    limits = _smooth(truth[:, :4] - predicted[:, :4], _SMALL_LIMIT)
    angle = (truth[:, 4] - predicted[:, 4]) / _DEGREES_PER_SIDE
    return ops.mean(limits, axis=1) + _smooth(angle, _SMALL_ANGLE_DEG / _DEGREES_PER_SIDE)


def overlap(truth: Any, predicted: Any) -> Any:
    """Intersection over union of the untilted rectangles, in [0, 1].

    The angle has a term of its own in `distance`; `crops.overlap` is the measure that is reported.
    """
    low = ops.maximum(truth[:, :2], predicted[:, :2])
    high = ops.minimum(truth[:, 2:4], predicted[:, 2:4])
    shared = _area(low, high)
    both = _area(truth[:, :2], truth[:, 2:4]) + _area(predicted[:, :2], predicted[:, 2:4])
    return shared / (both - shared + _EMPTY)


def squared_error(truth: Any, predicted: Any) -> Any:
    """Mean square of the five differences, the angle in degrees: the predecessor's loss."""
    return ops.mean(ops.square(truth - predicted), axis=1)


def _smooth(difference: Any, small: float) -> Any:
    """Huber's loss, divided by `small`: the distance less half of `small` where it is larger."""
    size = ops.abs(difference)
    return ops.where(size < small, ops.square(size) / (2 * small), size - small / 2)


def _area(low: Any, high: Any) -> Any:
    return ops.prod(ops.maximum(high - low, 0), axis=1)
