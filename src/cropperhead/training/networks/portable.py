"""Arithmetic that gives the same bytes on the processors of all makers."""

from typing import Any

import tensorflow as tf


def use_exact_batch_normalization() -> None:
    """Replaces the function that Keras's batch normalization calls by one without rsqrt.

    TensorFlow computes rsqrt and reciprocals from the processor's own approximations (RSQRTPS and
    RCPPS). They differ between makers, and so does the last digit of the result. Square roots and
    divisions are exact on every processor (IEEE 754).
    """
    tf.nn.batch_normalization = _batch_normalization


def _batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any,
    scale: Any,
    variance_epsilon: float,
    name: str | None = None,  # noqa: ARG001 - TensorFlow's signature
) -> Any:
    """As TensorFlow's (tensorflow/python/ops/nn_impl.py), without rsqrt.

    TensorFlow's graph optimizer turns 1 / sqrt(x) into rsqrt(x), but leaves sqrt(x) / x as it is.
    """
    spread = variance + variance_epsilon
    factor = tf.sqrt(spread) / spread
    if scale is not None:
        factor *= scale
    shift = -mean * factor if offset is None else offset - mean * factor
    return x * tf.cast(factor, x.dtype) + tf.cast(shift, x.dtype)
