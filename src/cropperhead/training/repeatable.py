"""What makes TensorFlow give the same numbers again."""

import keras
import tensorflow as tf

from cropperhead.params import TrainParams


def make_repeatable(params: TrainParams) -> None:
    """Fixes everything except the machine that the result depends on.

    Raises RuntimeError after TensorFlow's first use.
    """
    tf.config.threading.set_intra_op_parallelism_threads(params.threads)
    tf.config.threading.set_inter_op_parallelism_threads(params.threads)
    tf.config.experimental.enable_op_determinism()
    keras.utils.clear_session()  # layers are numbered from 1 again, and archives hold their names
    keras.utils.set_random_seed(params.seed)
