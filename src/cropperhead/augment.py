"""Photos and their crops changed at random, together, so that few photos teach more.

A mirrored photo has the mirrored crop, and colours say little about where to crop. Cutting a
random part out would change what the right crop is: it is never done.

Every function takes its randomness as a `seed` of two whole numbers and gives the same for the
same seed. Images are (n, height, width, 3) in [0, 255], limits (n, 5) as in `crops`.
"""

import tensorflow as tf

_MIRROR, _SATURATION, _CONTRAST, _BRIGHTNESS = range(4)  # each draws numbers of its own
_PER_IMAGE = (1, 1, 1)


def augmented(
    images: tf.Tensor, limits: tf.Tensor, jitter: float, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirrors each photo and its crop with probability one half, and changes the colours.

    Gives float32 images of the same shape, and limits.
    """
    flipped = tf.reshape(_uniform(images, seed, _MIRROR) > 0, [-1])
    images, limits = mirrored(tf.cast(images, tf.float32), limits, flipped)
    return jittered(images, jitter, seed), limits


def mirrored(
    images: tf.Tensor, limits: tf.Tensor, flipped: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirrors left to right those photos and crops where `flipped` (n,) holds."""
    top, left, bottom, right, angle = tf.unstack(limits, axis=1)
    turned = tf.stack([top, 1 - right, bottom, 1 - left, -angle], axis=1)
    return (
        tf.where(flipped[:, None, None, None], images[:, :, ::-1], images),
        tf.where(flipped[:, None], turned, limits),
    )


def jittered(images: tf.Tensor, strength: float, seed: tf.Tensor) -> tf.Tensor:
    """Changes saturation, contrast and brightness of each float photo at random.

    Saturation by up to twice `strength`, for it tells least; contrast by up to `strength`;
    brightness by up to half `strength` of the full range.
    """
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + (images - grey) * (1 + 2 * strength * _uniform(images, seed, _SATURATION))
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    images = mean + (images - mean) * (1 + strength * _uniform(images, seed, _CONTRAST))
    images += 255 / 2 * strength * _uniform(images, seed, _BRIGHTNESS)
    return tf.clip_by_value(images, 0, 255)


def _uniform(images: tf.Tensor, seed: tf.Tensor, purpose: int) -> tf.Tensor:
    """A number in [-1, 1) for each image, (n, 1, 1, 1)."""
    own = tf.random.experimental.stateless_fold_in(tf.cast(seed, tf.int64), purpose)
    return tf.random.stateless_uniform((tf.shape(images)[0], *_PER_IMAGE), own, -1, 1)
