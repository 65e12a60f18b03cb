"""Estimates how far a photo is tilted, from the directions of its edges and of the lines they form.

Most buildings are upright and most horizons level, so that a level photo has many edges parallel to
its sides. For each tilt, edges of that direction are counted and summed along lines. A small
network, the same at every tilt, weighs these numbers. It learns from the photographer's own photos,
each rotated by several known angles; their crops give the tilt of those that are not level.

A histogram shifts when the photo is rotated. A network on pixels would have to learn each tilt
separately: from 900 photos it learned nothing at all.
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
from cropperhead.params import INPUT_SIDE, TrainParams
from cropperhead.training import radon
from cropperhead.training.batches import Examples

_BINS = 64
_REACH_DEG = 16.0  # the histogram's, to either side
_STEP_DEG = 2 * _REACH_DEG / _BINS
_CENTRES = (np.arange(_BINS) + 0.5) * _STEP_DEG - _REACH_DEG
_BLUR = 1.0  # px; gradients are those of a Gaussian of this width
_WINDOW = 2.0  # px; a Gaussian over which an edge must keep its direction
_SLOPE_STRIDE, _STRIDE = 2, 4  # px between slopes, and between edges
_NO_DIFFERENCE = 1e-12  # keeps edges at 45 degrees from dividing by zero
_BANDS = 3  # left, middle, right: upright lines lean outwards where the camera looks up
# Powers of an edge's straightness, 0 to 1: all edges, and only long straight ones
_STRAIGHTNESS = (2, 8)
_COUNTED = 2 * 2 * len(_STRAIGHTNESS) * (_BANDS + 1)  # channels of the histogram
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601

_ROTATIONS = 4  # of each photo
_ROTATION_DEG = 3.5  # standard deviation of the angles that photos are rotated by
_MOST_ROTATION_DEG = 10.0
_TARGET_DEG = 0.6  # standard deviation of the right answer, about as precise as people are
_PHOTOS = 1500  # more photos improve little, and their evidence would fill the memory
# Of those, what is held out to find how far an estimator can be relied on: a tenth, and of few
# photos more, up to a quarter. Stretches of photos, of which there are so many.
_HELD_OUT_OF_MANY, _HELD_OUT, _ENOUGH_HELD_OUT, _STRETCHES = 0.1, 0.25, 40, 5
_POWERS = np.linspace(0, 1, 21)  # of likelihoods
_PHOTO_BATCH = 32
_EPOCHS = 12
_BATCH = 128
_LEARNING_RATE = 0.003
# Standard deviation where there are too few crops. It is less than people's 2.6: trained on few
# photos, the estimator is too sure, and level photos would lose more than tilted ones gain.
_TYPICAL_TILT_DEG = 2.0
_FEW = 20  # tilted crops: with fewer, the usual size of tilts is unknown
_TYPICAL_SHARE = 0.1  # of photos that are straightened: counts as much as `_FEW` photos
_LARGEST_SHRINKING = math.sqrt(2)  # of sides; 1.29 at 10 degrees in 16:9
_LEAST_SHARE = 0.01  # of tilted crops: the photos of people who never straighten stay as they are


@dataclass(frozen=True)
class StraighteningHabit:
    """Which share of photos a photographer straightens, and the angles' standard deviation."""

    share: float
    spread_deg: float

    @property
    def straightens(self) -> bool:
        """Whether the photographer straightens photos at all."""
        return self.share > 0


def measure_habit(angles: Floats) -> StraighteningHabit:
    """Measures the habit from the angles of the training crops, (n,) degrees."""
    tilts = angles[angles != 0]
    spread = float(np.sqrt(np.mean(tilts**2))) if len(tilts) >= _FEW else _TYPICAL_TILT_DEG
    if len(tilts) < _LEAST_SHARE * len(angles) or len(tilts) == 0:
        return StraighteningHabit(0.0, spread)
    share = (len(tilts) + _TYPICAL_SHARE * _FEW) / (len(angles) + _FEW)
    return StraighteningHabit(share, spread)


def sample_photos(photos: list[str]) -> list[str]:
    """The photos that the straightener learns from: all, or evenly spaced ones of many."""
    places = np.unique(np.linspace(0, len(photos) - 1, min(len(photos), _PHOTOS)).astype(int))
    return [photos[place] for place in places]


def evidence(image: Any, aspect: Any) -> Any:
    """The evidence for each tilt, (n, bins, channels), in images (n, side, side, 3) in [0, 255].

    `aspect` (n, 1) undoes the squashing to a square. A tilt by one bin shifts everything by one
    bin. Channels: the histogram's, and those of `radon.line_sums`.
    """
    grey = ops.conv(ops.cast(image, "float32"), _grey_kernel())
    slope = ops.conv(grey, _slope_kernel(), strides=_SLOPE_STRIDE, padding="valid")
    both = [_directions(slope, aspect), radon.line_sums(slope, aspect, _CENTRES)]
    return ops.concatenate(both, axis=2)


def mirror_evidence(seen: Any) -> Any:
    """The evidence in the mirrored photo, (n, bins, channels)."""
    order = np.arange(_COUNTED).reshape(-1, _BANDS + 1)
    order[:, :_BANDS] = order[:, :_BANDS][:, ::-1]
    places = np.concatenate([order.ravel(), _COUNTED + radon.mirror_channels()])
    return ops.take(ops.flip(seen, axis=1), places, axis=2)


def build_estimator() -> Any:
    """The untrained network from evidence (n, bins, channels) to logits (n, bins).

    It averages over the photo and its mirror image, so that it favours neither side. Its layer
    `weigh` is what is trained.
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
    logits = weigh(seen) + ops.flip(weigh(mirror_evidence(seen)), axis=1)
    return keras.Model(seen, logits / 2, name="estimator")


def estimate_tilt(logits: Any, habit: StraighteningHabit) -> tuple[Any, Any]:
    """Degrees (n, 1) by which to rotate, and the probability (n, 1) that this helps.

    `logits` (n, bins) are the logarithms of how likely the evidence is at each tilt. The habit says
    how likely each tilt is beforehand: most photos are level, and stay as they are. The angle is
    the median of the tilts to the likelier side. Rotating by it helps where the photographer would
    rotate by more than half of it: elsewhere the photo is nearer to theirs as it is.
    """
    spread = -0.5 * (_CENTRES / habit.spread_deg) ** 2
    prior = spread - np.log(np.exp(spread).sum() / habit.share)
    middle = _BINS // 2
    level = ops.logsumexp(logits[:, middle - 1 : middle + 1], axis=1, keepdims=True)
    level = level + math.log((1 - habit.share) / 2)  # the mean of the two bins next to 0
    all_tilts = ops.softmax(
        ops.concatenate([logits + prior.astype(np.float32), level], axis=1), axis=1
    )
    left, right = ops.flip(all_tilts[:, :middle], axis=1), all_tilts[:, middle:_BINS]
    is_right = ops.sum(right, axis=1, keepdims=True) >= ops.sum(left, axis=1, keepdims=True)
    likely = ops.where(is_right, right, left)
    before = ops.cumsum(likely, axis=1) - likely
    half = ops.sum(likely, axis=1, keepdims=True) / 2
    # within a bin, tilts are equally likely
    passed = ops.clip((half - before) / ops.maximum(likely, 1e-9), 0, 1)
    bins = ops.sum(passed, axis=1, keepdims=True)
    ends = ops.arange(1, middle + 1, dtype="float32")
    beyond = ops.clip(ends - bins / 2, 0, 1)
    helps = ops.sum(likely * beyond, axis=1, keepdims=True)
    return ops.where(is_right, bins, -bins) * _STEP_DEG, helps


def angle_to_rotate(tilt: Any, helps: Any, aspect: Any, params: TrainParams) -> Any:
    """Degrees (n, 1) by which photos are rotated, from `estimate_tilt`.

    0 where the tilt is small, where rotating is not likely enough to help, and where it would cost
    too much of the frame.
    """
    angle = ops.clip(tilt, -params.max_angle_deg, params.max_angle_deg)
    is_small = ops.abs(angle) < params.least_angle_deg
    is_unsure = helps < params.least_straightening
    return plausible_angle(ops.where(ops.logical_or(is_small, is_unsure), 0.0, angle), aspect)


def plausible_angle(angle: Any, aspect: Any) -> Any:
    """Angles (n, 1), and 0 in place of those that would cost more than half of the frame.

    The largest frame of the photo's own shape, `aspect` (n, 1), within the rotated one is smaller
    by a factor that grows with its elongation: a band of 12:1 loses half of its area at 2 degrees.
    What is estimated beyond is an error: the squashing to a square makes all of its edges steep.
    """
    radians = ops.abs(angle) * (math.pi / 180)
    elongation = ops.maximum(aspect, 1 / aspect)
    shrinks = ops.cos(radians) + elongation * ops.sin(radians)
    return ops.where(shrinks > _LARGEST_SHRINKING, 0.0, angle)


def train_estimator(examples: Examples, seed: int) -> Any:
    """Trains a straightener. The examples' photos must be `INPUT_SIDE` px.

    It takes evidence (n, bins, channels) and gives what `estimate_tilt` takes. Some of the photos
    are held out of the training, and show how far the rest can be relied on.

    Seeds Keras; the same examples and seed give the same weights on one machine.
    """
    seen, angles = _rotated_evidence(examples, seed)
    held = _held_out(seen.shape[1])
    estimator = _fit(seen[:, ~held], angles[:, ~held], seed)
    known = np.concatenate(list(seen[:, held]))
    logits = np.asarray(estimator.predict(known, batch_size=_BATCH, verbose=0), float)
    return _calibrated(estimator, find_reliance(logits, angles[:, held].ravel()))


def find_reliance(logits: Floats, angles: Floats) -> float:
    """How far an estimator can be relied on, 0 to 1, from photos that it did not learn from.

    An estimator that has seen few photos is too sure. Its likelihoods are raised to this power, so
    that they are true of other photos: with a power of 0 they say nothing. `logits` (n, bins);
    `angles` (n,) are the true tilts.
    """
    if len(logits) == 0:
        return 0.0
    targets, prior = _targets(angles), -0.5 * (_CENTRES / _ROTATION_DEG) ** 2
    losses = []
    for power in _POWERS:
        tempered = power * (logits - prior) + prior
        tempered = tempered - tempered.max(axis=1, keepdims=True)
        chances = tempered - np.log(np.exp(tempered).sum(axis=1, keepdims=True))
        losses.append(-np.mean(np.sum(targets * chances, axis=1)))
    return float(_POWERS[int(np.argmin(losses))])


def rotate_photos(images: Any, angles: Any, aspect: Any) -> Any:
    """Photos whose content is rotated clockwise by `angles` (n,) degrees, of the same shape.

    Crops to the largest frame of the photo's own shape within the rotated one, since filled corners
    would give the angle away. Images (n, side, side, 3), squashed; `aspect` (n,).
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


def _fit(seen: NDArray[np.float16], angles: Floats, seed: int) -> Any:
    """A trained estimator, from evidence (rotations, n, bins, channels) and tilts (rotations, n).

    In each epoch, half of the photos are mirrored.
    """
    keras.utils.set_random_seed(seed)
    model = build_estimator()
    weigh = model.get_layer("weigh")
    known, tilts = np.concatenate(list(seen)), angles.ravel()
    mirrored = np.asarray(mirror_evidence(known))
    steps = _EPOCHS * -(-len(tilts) // _BATCH)
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    weigh.compile(keras.optimizers.AdamW(rate, weight_decay=0.01), loss=loss, jit_compile=False)
    for epoch in range(_EPOCHS):
        flipped = np.random.default_rng([seed, epoch]).random(len(tilts)) < 0.5
        inputs = np.where(flipped[:, None, None], mirrored, known)
        targets = _targets(np.where(flipped, -tilts, tilts)).astype(np.float32)
        weigh.fit(inputs, targets, batch_size=_BATCH, epochs=1, verbose=0)
    return model


def _calibrated(estimator: Any, reliance: float) -> Any:
    """The estimator's logits as logarithms of likelihoods, raised to a power.

    It was trained on tilts with a standard deviation of `_ROTATION_DEG`, and expects them.
    """
    expected = -0.5 * (_CENTRES / _ROTATION_DEG) ** 2
    likely = (estimator.output - expected.astype(np.float32)) * reliance
    return keras.Model(estimator.input, likely, name="straightener")


def _targets(angles: Floats) -> Floats:
    """The right answer (n, bins) for tilts (n,)."""
    likely = np.exp(-0.5 * ((angles[:, None] - _CENTRES) / _TARGET_DEG) ** 2)
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))


def _held_out(count: int) -> NDArray[np.bool_]:
    """Which of `count` photos are held out of training: neighbours, since bursts look alike."""
    held = min(_HELD_OUT * count, max(_HELD_OUT_OF_MANY * count, _ENOUGH_HELD_OUT))
    return np.arange(count) * _STRETCHES % max(1, count) >= round(count - held)


def _rotated_evidence(examples: Examples, seed: int) -> tuple[NDArray[np.float16], Floats]:
    """The evidence in each photo as it is and rotated, and the true tilts.

    Evidence (rotations, photos, bins, channels), tilts (rotations, photos).
    """
    photos = examples.photos
    own = np.zeros(len(photos.names))
    own[examples.photo] = examples.limits[:, 4]  # the last author's: they hardly differ
    generator = np.random.default_rng(seed)
    rotations = generator.normal(0, _ROTATION_DEG, (1 + _ROTATIONS, len(own)))
    rotations = np.clip(rotations, -_MOST_ROTATION_DEG, _MOST_ROTATION_DEG)
    rotations[0] = 0
    measure = tf.function(
        lambda images, angles, aspect: evidence(
            rotate_photos(images, angles, aspect), aspect[:, None]
        ),
        input_signature=[
            tf.TensorSpec((None, INPUT_SIDE, INPUT_SIDE, 3), tf.uint8),
            tf.TensorSpec((None,), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        ],
    )
    seen = np.zeros((len(rotations), len(own), _BINS, _COUNTED + radon.CHANNELS), np.float16)
    for start in range(0, len(own), _PHOTO_BATCH):
        part = slice(start, start + _PHOTO_BATCH)
        images, aspect = tf.constant(photos.images[part]), tf.constant(photos.aspect[part])
        for place, angles in enumerate(rotations):
            degrees = tf.constant(angles[part], tf.float32)
            seen[place, part] = measure(images, degrees, aspect).numpy()
    return seen, rotations + own


def _directions(slope: Any, aspect: Any) -> Any:
    """The histogram of edges, (n, bins, channels), from slopes (n, side, side, 2) of brightness.

    Mirroring reverses the order of bins and of bands. Channels: upright and level edges, straight
    and very straight ones, bands and their sum, by the share of all edges and by their own.
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
    upright = ops.cast(difference > 0, "float32")
    # Half the angle between the slope's direction and the nearer side of the frame. The ratio stays
    # within 1, since TensorFlow's arctangent of more depends on the processor's make (see
    # `portable`); tilts of more than 22.5 degrees are beyond the histogram's reach anyway.
    nonzero = ops.where(ops.abs(difference) < _NO_DIFFERENCE, _NO_DIFFERENCE, difference)
    ratio = ops.clip(twice / nonzero, -1, 1)
    tilt = ops.arctan2(ratio, ops.ones_like(ratio)) * (90 / math.pi)
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
    return _normalise(ops.matmul(weight, near))


def _normalise(counts: Any) -> Any:
    """From counts (n, kinds * bands, bins) to roots of shares, (n, bins, channels).

    By the share of all edges of that straightness, upright and level together, and by the share
    of the channel's own.
    """
    counts = ops.reshape(counts, (-1, 2, len(_STRAIGHTNESS), _BANDS, _BINS))
    counts = ops.concatenate([counts, ops.sum(counts, axis=3, keepdims=True)], axis=3)
    whole = ops.sum(counts[:, :, :, _BANDS:], axis=(1, 4), keepdims=True) + 1e-3
    # In this order: for one photo alone, Keras treats a second addend with one long axis as a bias,
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
    """The weight of each column in the left, middle and right band, (side, 3)."""
    place = (np.arange(side) + 0.5) / side
    middles = (np.arange(_BANDS) + 0.5) / _BANDS
    # columns beyond the outer bands' middles belong to them alone
    place = np.clip(place, middles[0], middles[-1])
    near = 1 - np.abs(place[:, None] - middles) * _BANDS
    return np.asarray(np.maximum(0, near), np.float32)
