"""How far a photo is tilted, from the directions of its edges and the lines that they form.

Most of what people build stands upright and most horizons lie level, so that a level photo has many
edges along its sides. At each tilt edges of that direction are counted and added up along lines; a
small network, the same at every tilt, weighs what is found. It learns from the photographer's own
photos, each turned by many known angles: they are level, or their crops say by how much not.

A histogram turns with the photo, which a network on pixels would have to learn at every tilt anew:
of 900 photos it learned nothing at all.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from numpy.typing import NDArray

from cropperhead.geometry.crops import Floats
from cropperhead.params import INPUT_SIDE
from cropperhead.training import radon
from cropperhead.training.batches import Examples

_BINS = 64
_REACH_DEG = 16.0  # the histogram's, to either side
_STEP_DEG = 2 * _REACH_DEG / _BINS
_CENTRES = (np.arange(_BINS) + 0.5) * _STEP_DEG - _REACH_DEG
_BLUR = 1.0  # px; gradients are those of a Gaussian of this width
_WINDOW = 2.0  # px; a Gaussian over which an edge must keep its direction
_SLOPE_STRIDE, _STRIDE = 2, 4  # px between slopes, and between edges
_BANDS = 3  # left, middle, right: upright lines lean outwards where the camera looks up
# How straight an edge is, from 0 to 1, to these powers: all edges, and long straight ones only
_STRAIGHTNESS = (2, 8)
_COUNTED = 2 * 2 * len(_STRAIGHTNESS) * (_BANDS + 1)  # channels of the histogram
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601

_TURNS = 8  # of each photo
_TURN_DEG = 3.5  # standard deviation of the angles that photos are turned by
_MOST_TURN_DEG = 10.0
_TARGET_DEG = 0.6  # standard deviation of the right answer, about that of a person's eye
_PHOTOS = 1500  # more teach little, and their evidence would fill the memory
_AT_ONCE = 32
_EPOCHS = 8
_BATCH = 128
_LEARNING_RATE = 0.003
# Standard deviation, where too few crops tell: less than people's 2.6, for of few photos the
# estimator learns to be too sure, and level ones would lose more than tilted ones win
_TYPICAL_TILT_DEG = 2.0
_FEW = 20  # tilted crops: fewer say nothing about how strong tilts are
_LEAST_SHARE = 0.01  # of tilted crops: a photographer who never turns wants no turning


@dataclass(frozen=True)
class Habit:
    """How a photographer straightens: the standard deviation of the turns, and whether at all."""

    turns: bool
    spread_deg: float


def habit(angles: Floats) -> Habit:
    """From the angles of the training crops, (n,) degrees."""
    turned = angles[angles != 0]
    spread = float(np.sqrt(np.mean(turned**2))) if len(turned) >= _FEW else _TYPICAL_TILT_DEG
    return Habit(len(turned) >= _LEAST_SHARE * len(angles) and len(turned) > 0, spread)


def chosen(photos: list[str]) -> list[str]:
    """The photos that the straightener learns from: all, or evenly spread ones of many."""
    places = np.unique(np.linspace(0, len(photos) - 1, min(len(photos), _PHOTOS)).astype(int))
    return [photos[place] for place in places]


def evidence(image: Any, aspect: Any) -> Any:
    """What speaks for each tilt, (n, bins, channels), in images (n, side, side, 3) in [0, 255].

    `aspect` (n, 1) undoes the squashing to a square. A tilt by one bin moves all by one bin.
    Channels: the histogram's, and those of `lines.along`.
    """
    grey = ops.conv(ops.cast(image, "float32"), _grey_kernel())
    slope = ops.conv(grey, _slope_kernel(), strides=_SLOPE_STRIDE, padding="valid")
    both = [_directions(slope, aspect), radon.along(slope, aspect, _CENTRES)]
    return ops.concatenate(both, axis=2)


def mirrored(seen: Any) -> Any:
    """The evidence in the mirrored photo, (n, bins, channels)."""
    order = np.arange(_COUNTED).reshape(-1, _BANDS + 1)
    order[:, :_BANDS] = order[:, :_BANDS][:, ::-1]
    places = np.concatenate([order.ravel(), _COUNTED + radon.mirror_places()])
    return ops.take(ops.flip(seen, axis=1), places, axis=2)


def estimator() -> Any:
    """The network on evidence: (n, bins, channels) to logits (n, bins).

    It looks at the photo and at its mirror image, so that it favours neither side.
    """
    seen = keras.Input((_BINS, _COUNTED + radon.CHANNELS), name="evidence")
    weigh = keras.Sequential(
        [
            layers.SpatialDropout1D(0.2),
            layers.Conv1D(48, 7, padding="same", activation="relu"),
            layers.Dropout(0.2),
            layers.Conv1D(48, 7, padding="same", activation="relu"),
            layers.Dropout(0.1),
            layers.Conv1D(48, 7, padding="same", activation="relu"),
            layers.Dropout(0.1),
            layers.Conv1D(24, 7, padding="same", activation="relu"),
            layers.Conv1D(1, 5, padding="same"),
            layers.Flatten(),
        ],
        name="weigh",
    )
    logits = weigh(seen) + ops.flip(weigh(mirrored(seen)), axis=1)
    return keras.Model(seen, logits / 2, name="estimator")


def angle(logits: Any, spread_deg: float, least_deg: float, most_deg: float) -> Any:
    """Degrees (n, 1) by which to turn: the median of what is likely, 0 where it is below `least`.

    The estimator was trained on tilts of `_TURN_DEG`; the photographer's are of `spread_deg`.
    """
    prior = _CENTRES**2 * (0.5 / _TURN_DEG**2 - 0.5 / spread_deg**2)
    likely = ops.softmax(logits + prior.astype(np.float32), axis=1)
    below = ops.cumsum(likely, axis=1) - likely / 2
    # between the centres of two bins the median is interpolated
    rise = ops.maximum(below[:, 1:] - below[:, :-1], 1e-9)
    passed = ops.clip((0.5 - below[:, :-1]) / rise, 0, 1)
    median = float(_CENTRES[0]) + _STEP_DEG * ops.sum(passed, axis=1, keepdims=True)
    median = ops.clip(median, -most_deg, most_deg)
    return ops.where(ops.abs(median) < least_deg, 0.0, median)


def fit(examples: Examples, seed: int) -> Any:
    """A trained estimator. The examples' photos must be `INPUT_SIDE` px; others' angles count as 0.

    Seeds Keras; the same examples and seed give the same weights on one machine.
    """
    seen, angles = _turned(examples, seed)
    keras.utils.set_random_seed(seed)
    model = estimator()
    likely = np.exp(-0.5 * ((angles[:, None] - _CENTRES) / _TARGET_DEG) ** 2)
    steps = _EPOCHS * -(-len(angles) // _BATCH)
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.01), loss=loss, jit_compile=False)
    targets = (likely / likely.sum(axis=1, keepdims=True)).astype(np.float32)
    model.fit(seen, targets, batch_size=_BATCH, epochs=_EPOCHS, verbose=0)
    return model


def turned(images: Any, angles: Any, aspect: Any) -> Any:
    """Photos whose content is turned clockwise by `angles` (n,) degrees, of the same shape.

    The largest frame of the photo's own shape that lies within the turned one: no corner is made
    up, which would give the angle away. Images (n, side, side, 3), squashed; `aspect` (n,).
    """
    radians = angles * (math.pi / 180)
    cosine, sine = tf.cos(radians), tf.sin(radians)
    scale = 1 / (cosine + tf.abs(sine) * tf.maximum(aspect, 1 / aspect))
    a, b = scale * cosine, scale * sine / aspect
    c, d = -scale * sine * aspect, scale * cosine
    middle = (images.shape[1] - 1) / 2
    zero = tf.zeros_like(a)
    rows = [a, b, middle * (1 - a - b), c, d, middle * (1 - c - d), zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=tf.stack(rows, axis=1),
        output_shape=images.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def _turned(examples: Examples, seed: int) -> tuple[NDArray[np.float16], Floats]:
    """The evidence in each photo as it is and turned `_TURNS` times, and their true tilts."""
    photos = examples.photos
    own = np.zeros(len(photos.names))
    own[examples.photo] = examples.limits[:, 4]  # of several authors' the last: they hardly differ
    generator = np.random.default_rng(seed)
    turns = generator.normal(0, _TURN_DEG, (1 + _TURNS, len(own)))
    turns = np.clip(turns, -_MOST_TURN_DEG, _MOST_TURN_DEG)
    turns[0] = 0
    count = tf.function(
        lambda images, angles, aspect: evidence(turned(images, angles, aspect), aspect[:, None]),
        input_signature=[
            tf.TensorSpec((None, INPUT_SIDE, INPUT_SIDE, 3), tf.uint8),
            tf.TensorSpec((None,), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        ],
    )
    found = np.zeros((len(turns), len(own), _BINS, _COUNTED + radon.CHANNELS), np.float16)
    for start in range(0, len(own), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        images, aspect = tf.constant(photos.images[part]), tf.constant(photos.aspect[part])
        for place, angles in enumerate(turns):
            given = tf.constant(angles[part], tf.float32)
            found[place, part] = count(images, given, aspect).numpy()
    return found.reshape(-1, *found.shape[2:]), (turns + own).ravel()


def _directions(slope: Any, aspect: Any) -> Any:
    """The histogram of edges, (n, bins, channels), from slopes (n, side, side, 2) of brightness.

    Mirroring turns the order of bins and of bands. Channels: upright and level edges, straight and
    very straight ones, bands and their sum, by the share of all edges and by their own.
    """
    across, down = slope[..., :1], slope[..., 1:]
    tensor = ops.concatenate([across * across, down * down, across * down], axis=3)
    stride = _STRIDE // _SLOPE_STRIDE
    tensor = ops.depthwise_conv(tensor, _window_kernel(), strides=stride, padding="same")
    unsquashed = ops.reshape(1 / aspect, (-1, 1, 1, 1))
    scale = [unsquashed**2, ops.ones_like(unsquashed), unsquashed]
    tensor = tensor * ops.concatenate(scale, axis=3)
    side = tensor.shape[1]
    difference, twice = tensor[..., 0] - tensor[..., 1], 2 * tensor[..., 2]
    energy = ops.sqrt(difference * difference + twice * twice + 1e-14)
    straight = energy / (tensor[..., 0] + tensor[..., 1] + 1e-4)
    # the slope's direction: 0 across an upright edge, 90 degrees across a level one
    direction = ops.arctan2(twice, difference) * (90 / math.pi)
    upright = ops.cast(ops.abs(direction) < 45, "float32")
    tilt = direction - 90 * ops.sign(direction) * (1 - upright)
    weight = ops.expand_dims(ops.sqrt(energy), 3)
    weight = ops.concatenate(
        [weight * ops.expand_dims(straight**power, 3) for power in _STRAIGHTNESS], axis=3
    )
    upright = ops.expand_dims(upright, 3)
    weight = ops.concatenate([weight * upright, weight * (1 - upright)], axis=3)
    weight = ops.expand_dims(weight, 4) * _bands(side)[None, None, :, None, :]
    kinds = 2 * len(_STRAIGHTNESS) * _BANDS
    weight = ops.transpose(ops.reshape(weight, (-1, side * side, kinds)), (0, 2, 1))
    tilt = ops.reshape(tilt, (-1, side * side, 1))
    near = ops.relu(1 - ops.abs(tilt - _CENTRES.astype(np.float32)) / _STEP_DEG)
    return _normalised(ops.matmul(weight, near))


def _normalised(counts: Any) -> Any:
    """From counts (n, kinds * bands, bins) to roots of shares, (n, bins, channels).

    By the share of all edges of that straightness, upright and level together, and by the share
    of the channel's own.
    """
    counts = ops.reshape(counts, (-1, 2, len(_STRAIGHTNESS), _BANDS, _BINS))
    counts = ops.concatenate([counts, ops.sum(counts, axis=3, keepdims=True)], axis=3)
    whole = ops.sum(counts[:, :, :, _BANDS:], axis=(1, 4), keepdims=True) + 1e-3
    # In this order: of one photo alone, Keras takes a second addend with one long axis for a bias,
    # and adds it along another (keras/src/backend/tensorflow/numpy.py, add)
    own = 0.01 * whole + ops.sum(counts, axis=4, keepdims=True)
    roots = [ops.sqrt(counts / whole), ops.sqrt(counts / own)]
    shares = [ops.reshape(root, (-1, _COUNTED // 2, _BINS)) for root in roots]
    return ops.transpose(4 * ops.concatenate(shares, axis=1), (0, 2, 1))


def _gaussian(width: float) -> tuple[Floats, Floats]:
    """Places -r..r and the Gaussian there, summing to 1; r is three widths."""
    reach = math.ceil(3 * width)
    places = np.arange(-reach, reach + 1).astype(float)
    values = np.exp(-(places**2) / (2 * width**2))
    return places, values / values.sum()


def _grey_kernel() -> NDArray[np.float32]:
    return np.asarray(np.array(_LUMA) / 255, np.float32).reshape(1, 1, 3, 1)


def _slope_kernel() -> NDArray[np.float32]:
    """Gaussian derivatives across and down, (7, 7, 1, 2)."""
    places, smooth = _gaussian(_BLUR)
    slope = places / _BLUR**2 * smooth
    both = np.stack([np.outer(smooth, slope), np.outer(slope, smooth)], axis=-1)
    return both[:, :, None].astype(np.float32)


def _window_kernel() -> NDArray[np.float32]:
    smooth = _gaussian(_WINDOW / _SLOPE_STRIDE)[1]
    return np.tile(np.outer(smooth, smooth)[:, :, None, None], (1, 1, 3, 1)).astype(np.float32)


def _bands(side: int) -> NDArray[np.float32]:
    """How much each column counts for the left, middle and right band, (side, 3)."""
    place = (np.arange(side) + 0.5) / side
    middles = (np.arange(_BANDS) + 0.5) / _BANDS
    # columns beyond the outer bands' middles are wholly theirs
    place = np.clip(place, middles[0], middles[-1])
    near = 1 - np.abs(place[:, None] - middles) * _BANDS
    return np.asarray(np.maximum(0, near), np.float32)
