"""The precision that layers compute in."""

import os
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
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    chosen = (MIXED if has_gpu else "float32") if params.precision == "auto" else params.precision
    if chosen == MIXED and not has_gpu:
        # Where the processor has AVX512-FP16, TensorFlow asks oneDNN for half precision, which AVX2
        # does not have. oneDNN reads this before its first computation.
        os.environ["ONEDNN_MAX_CPU_ISA"] = "DEFAULT"
    return chosen


@contextmanager
def layers_in_precision(params: TrainParams) -> Iterator[None]:
    """Makes the layers built in this context compute in the chosen precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(choose_precision(params))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
