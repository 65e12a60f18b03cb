"""Random changes of photos' colours, so that more is learned from few photos.

Colours say little about where to crop. Photos are never cropped at random, which would change the
right crop.

Images are (n, height, width, 3), RGB in [0, 255].
"""

from typing import NamedTuple

import tensorflow as tf

_SATURATION, _MIX, _CONTRAST, _BRIGHTNESS = range(4)  # each uses random numbers of its own
_SAMPLED = 16  # pixels along each side, for a photo's mean


class ColourChange(NamedTuple):
    """How the colours of n photos change, in this order.

    `saturation` (n, 1, 1): factor of a pixel's distance to its own grey. `mix` (n, 3, 3): the share
    of each channel (column) in each new one (row). `contrast` (n, 1, 1): factor of the distance to
    the photo's mean. `brightness` (n, 1, 1): is added.
    """

    saturation: tf.Tensor
    mix: tf.Tensor
    contrast: tf.Tensor
    brightness: tf.Tensor


def jitter_colours(images: tf.Tensor, strength: float, seed: tf.Tensor) -> tf.Tensor:
    """Changes the colours of each photo at random; float32 of the same shape, in [0, 255].

    `seed`: two integers, from which all randomness follows.
    """
    return recolour(images, draw_change(tf.shape(images)[0], strength, seed))


def draw_change(count: tf.Tensor, strength: float, seed: tf.Tensor) -> ColourChange:
    """Draws a change for each of `count` photos.

    Saturation matters least and changes by up to twice `strength`, contrast by up to `strength`,
    brightness by up to half `strength` of the full range. Channels mix by normal numbers with a
    standard deviation of half `strength`, which gives a little more overlap than no mixing.
    """
    normal = tf.random.stateless_normal((count, 3, 3), _seed_for(seed, _MIX))
    return ColourChange(
        saturation=1 + 2 * strength * _uniform(count, seed, _SATURATION),
        mix=tf.eye(3) + strength / 2 * normal,
        contrast=1 + strength * _uniform(count, seed, _CONTRAST),
        brightness=255 / 2 * strength * _uniform(count, seed, _BRIGHTNESS),
    )


def change_matrix(change: ColourChange, mean: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The change as a matrix (n, 3, 3) and an offset (n, 3), for colours as columns.

    `mean` (n, 3): each photo's mean colour; contrast changes the distance to its grey.
    """
    saturated = change.saturation * tf.eye(3) + (1 - change.saturation) / 3
    mixed = change.mix @ saturated
    middle = tf.reduce_mean(mixed @ mean[:, :, None], axis=1, keepdims=True)  # (n, 1, 1)
    lifted = (1 - change.contrast) * middle + change.brightness
    return change.contrast * mixed, tf.tile(lifted[:, 0], (1, 3))


# XLA makes it one pass over the pixels: half a millisecond for 32 photos of 128 x 128 px. One after
# the other, TensorFlow's own operations take seven.
@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def recolour(images: tf.Tensor, change: ColourChange) -> tf.Tensor:
    """Applies each photo's change, clipped to [0, 255]; float32 of the same shape."""
    matrix, offset = change_matrix(change, _mean_colour(images))
    pixels, changed = tf.cast(images, tf.float32), offset[:, None, None, :]
    for channel in range(3):
        changed += pixels[..., channel, None] * matrix[:, None, None, :, channel]
    return tf.clip_by_value(changed, 0, 255)


def _mean_colour(images: tf.Tensor) -> tf.Tensor:
    """The mean colour (n, 3) of evenly spaced pixels."""
    down, right = (max(1, side // _SAMPLED) for side in images.shape[1:3])
    return tf.reduce_mean(tf.cast(images[:, ::down, ::right], tf.float32), axis=(1, 2))


def _uniform(count: tf.Tensor, seed: tf.Tensor, purpose: int) -> tf.Tensor:
    """A number in [-1, 1) for each photo, (n, 1, 1)."""
    return tf.random.stateless_uniform((count, 1, 1), _seed_for(seed, purpose), -1, 1)


def _seed_for(seed: tf.Tensor, purpose: int) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(tf.cast(seed, tf.int64), purpose)
