"""Networks small enough for tests, photos and crops for them, the parts of a finished model."""

import dataclasses

import numpy as np
import tensorflow as tf
from tensorflow.core.util.event_pb2 import Event

from cropperhead import params
from cropperhead.training import batches
from cropperhead.training.batches import PhotoArrays
from cropperhead.training.networks.finished import Calibration, finish_model
from cropperhead.training.straighten import StraighteningHabit

START = np.array([0.1, 0.05, 0.9, 0.95, 1.0])  # its own mirror image, except for the angle
DEFAULT = params.load().train
# turns photos by whatever it finds, since untrained straighteners are not sure of anything
PARAMS = dataclasses.replace(
    DEFAULT,
    quality="fast",
    image_size=32,
    max_angle_deg=10.0,
    least_angle_deg=1.0,
    least_straightening=0.0,
)
# left half, a small one and a smaller one on the left, their mirror images, the whole frame
PROTOTYPES = np.array(
    [
        [0.0, 0.0, 1.0, 0.5],
        [0.1, 0.05, 0.6, 0.65],
        [0.4, 0.0, 0.8, 0.4],
        [0.0, 0.5, 1.0, 1.0],
        [0.1, 0.35, 0.6, 0.95],
        [0.4, 0.6, 0.8, 1.0],
        [0.0, 0.0, 1.0, 1.0],
    ],
    np.float32,
)
CALIBRATION = Calibration(1.0, 1.0, 0.0, np.linspace(0, 1, 7, dtype=np.float32))
CALIBRATION_OF_MANY = Calibration(1.0, 1.0, 0.0, np.zeros(129, np.float32))
HABIT = StraighteningHabit(share=0.5, spread_deg=3.5)


def photos(count, size=32):
    """Fields of random colours, 32 x 32 of them whatever the size."""
    generator = np.random.default_rng(4)
    images = generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    images = images.repeat(size // 32, axis=1).repeat(size // 32, axis=2)
    aspect = np.linspace(0.5, 2.0, count, dtype=np.float32)
    return PhotoArrays([str(i) for i in range(count)], images, aspect)


def finish(network, straightener=None, calibration=CALIBRATION, params=PARAMS):
    return finish_model(network, straightener, PROTOTYPES, calibration, HABIT, params)


def stir(network):
    """Makes the crop, which begins as a constant, and the likenesses depend on the photo."""
    generator = np.random.default_rng(2)
    for name, spread in (("raw", 1), ("likeness", 5)):
        kernel = network.get_layer(name).kernel
        kernel.assign(generator.normal(0, spread, kernel.shape))
    return network


def examples(count, seed, size=64):
    """Noise with a bright column, where the crop begins."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 60, (count, size, size, 3), dtype=np.uint8)
    columns = generator.integers(1, 24, count)
    for image, column in zip(images, columns, strict=True):
        image[:, column : column + 6] = 255
    limits = np.tile(np.array([0.1, 0.0, 0.9, 1.0, 0.0], np.float32), (count, 1))
    limits[:, 1] = columns / 64
    aspect = np.full(count, 1.5, np.float32)
    photos = batches.PhotoArrays([f"{seed}-{i}" for i in range(count)], images, aspect)
    return batches.Examples(photos, np.arange(count), limits)


def large(photos):
    """The same photos at the size that finished models take, each pixel a square."""
    times = 256 // photos.images.shape[1]
    images = photos.images.repeat(times, axis=1).repeat(times, axis=2)
    return dataclasses.replace(photos, images=images)


def logged_values(folder):
    """TensorBoard's values in a folder: (step, tag, tensor)."""
    records = tf.data.TFRecordDataset([str(file) for file in folder.glob("events.out.tfevents.*")])
    events = [Event.FromString(record.numpy()) for record in records]
    return [(event.step, each.tag, each.tensor) for event in events for each in event.summary.value]
