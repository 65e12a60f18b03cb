"""Training on all GPUs of this machine at once, where TensorFlow sees several.

Each has a copy of the network and its share of every batch; the sums of their gradients are those
of one device. With fewer than two, nothing here has any effect.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import tensorflow as tf

KIND = "GPU"


def are_several() -> bool:
    """Whether a training uses more than one device."""
    return len(tf.config.list_logical_devices(KIND)) > 1


def on_all() -> AbstractContextManager[Any]:
    """A block in which a network has to be built and compiled to be trained on all devices."""
    scope: AbstractContextManager[Any] = _strategy().scope() if are_several() else nullcontext()
    return scope


@cache
def _strategy() -> Any:
    devices = [device.name for device in tf.config.list_logical_devices(KIND)]
    return tf.distribute.MirroredStrategy(devices)
