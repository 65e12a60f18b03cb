"""Losses: how wrong a predicted crop is, as functions that Keras can differentiate.

Each takes the true and the predicted limits, (n, 5) as in `geometry.crops`, and returns (n,).
"""

from collections.abc import Callable
from typing import Any

from keras import ops

Loss = Callable[[Any, Any], Any]

# Below these differences an error counts by its square, above in proportion. People who crop the
# same photo differ by about as much, so that smaller errors teach nothing.
_SMALL_LIMIT = 0.1  # of the frame's side
_LIKENESS_REACH = 0.08  # of overlap: two people who crop a photo alike differ by 0.1 to 0.2
_EMPTY = 1e-7  # keeps crops without an area from dividing by zero


def crop_loss(overlap_weight: float) -> Loss:
    """The smooth distance of the limits plus `overlap_weight` times 1 - overlap."""

    def loss(truth: Any, predicted: Any) -> Any:
        missed = 1 - overlap(truth, predicted)
        return distance(truth, predicted) + overlap_weight * missed

    return loss


def distance(truth: Any, predicted: Any) -> Any:
    """The mean smooth distance of the four limits. `straighten` learns the angle separately."""
    return ops.mean(_smooth(truth[:, :4] - predicted[:, :4], _SMALL_LIMIT), axis=1)


def overlap(truth: Any, predicted: Any) -> Any:
    """Intersection over union of the untilted rectangles, in [0, 1].

    It ignores tilts; `crops.overlap` is the metric that is reported.
    """
    low = ops.maximum(truth[:, :2], predicted[:, :2])
    high = ops.minimum(truth[:, 2:4], predicted[:, 2:4])
    shared = _area(low, high)
    both = _area(truth[:, :2], truth[:, 2:4]) + _area(predicted[:, :2], predicted[:, 2:4])
    return shared / (both - shared + _EMPTY)


def likeness_loss(prototypes: Any) -> Loss:
    """Cross-entropy of how like the true crop is to each prototype, (K, 4) untilted.

    Takes logits (n, K) instead of limits. Likeness falls with 1 - overlap, so that neighbours of
    the right prototype are not wrong.
    """

    def loss(truth: Any, logits: Any) -> Any:
        missed = 1 - overlaps(truth[:, :4], prototypes)
        likeness = ops.softmax(-missed / _LIKENESS_REACH, axis=1)
        return -ops.sum(likeness * ops.log_softmax(logits, axis=1), axis=1)

    return loss


def overlaps(limits: Any, prototypes: Any) -> Any:
    """Intersection over union of each of (n, 4) untilted crops with each of (K, 4), (n, K)."""
    one, two = limits[:, None], ops.convert_to_tensor(prototypes, "float32")[None]
    low = ops.maximum(one[..., :2], two[..., :2])
    high = ops.minimum(one[..., 2:4], two[..., 2:4])
    shared = _area(low, high)
    both = _area(one[..., :2], one[..., 2:4]) + _area(two[..., :2], two[..., 2:4])
    return shared / (both - shared + _EMPTY)


def predecessor_loss(name: str) -> Loss:
    """The first CropperHead's loss: `squared_error`, `clip_penalty` or `both_penalties`.

    Each adds to the one before it. The penalties' definitions are those of PebbleBonk/CropperHead
    on GitHub, custom_tf_modules.py, which computed the second one and then returned without it.
    """
    penalties = {"squared_error": (), "clip_penalty": (clip_penalty,)}
    terms = penalties.get(name, (clip_penalty, order_penalty))

    def loss(truth: Any, predicted: Any) -> Any:
        return sum((penalty(predicted) for penalty in terms), squared_error(truth, predicted))

    return loss


def squared_error(truth: Any, predicted: Any) -> Any:
    """Mean square of the five differences, the angle in degrees."""
    return ops.mean(ops.square(truth - predicted), axis=1)


def clip_penalty(predicted: Any) -> Any:
    """Sum of the squares of those of the five values (n, 5) that are not between 0 and 1.

    The angle, in degrees, is one of them, so that every tilt of a degree or more is penalised.
    """
    outside = ops.logical_or(predicted <= 0.0, predicted >= 1.0)
    return ops.sum(ops.square(ops.where(outside, predicted, 0.0)), axis=1)


def order_penalty(predicted: Any) -> Any:
    """For crops (n, 5) that are inside out: (number of such axes x their negative extent) squared.

    A crop is inside out where its bottom is above its top, or its right is left of its left.
    """
    extent = ops.minimum(predicted[:, 2:4] - predicted[:, 0:2], 0.0)
    count = ops.sum(ops.cast(extent < 0, extent.dtype), axis=1)
    return ops.square(ops.sum(extent, axis=1) * count)


def _smooth(difference: Any, small: float) -> Any:
    """Huber's loss, divided by `small`: the distance less half of `small` where it is larger."""
    size = ops.abs(difference)
    return ops.where(size < small, ops.square(size) / (2 * small), size - small / 2)


def _area(low: Any, high: Any) -> Any:
    return ops.prod(ops.maximum(high - low, 0), axis=-1)
