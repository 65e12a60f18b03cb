"""The precision that layers compute in."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from cropperhead.params import TrainParams

MIXED = "mixed_float16"


def choose_precision(params: TrainParams) -> str:
    """float32 or mixed_float16.

    Processors have no instructions for much of half precision; GPUs compute fast in it.
    """
    if params.precision != "auto":
        return params.precision
    return MIXED if tf.config.list_physical_devices("GPU") else "float32"


@contextmanager
def layers_in_precision(params: TrainParams) -> Iterator[None]:
    """Makes the layers built in this context compute in the chosen precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(choose_precision(params))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
