"""Training as TensorBoard shows it: numbers, and a picture of validation photos with both crops."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from cropperhead.geometry.crops import Floats
from cropperhead.photos import drawing
from cropperhead.training.batches import CropExamples, PhotoArrays
from cropperhead.training.networks import keras_model
from cropperhead.training.validation import HISTORY_COLUMNS

SHOWN = 12  # validation photos in the picture
_COLUMNS = 4
_SIDE = 240  # px, the longer one


class TensorBoard(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes each epoch's numbers, and a picture of validation photos, to `folder`.

    `pictures` are the first `SHOWN` validation photos, in any size.
    """

    def __init__(
        self, folder: Path, validation: CropExamples[Any], pictures: PhotoArrays, scored_model: Any
    ) -> None:
        super().__init__()
        self._folder = folder
        self._scored_model = scored_model
        self._pictures = pictures
        self._photos = validation.photos.first(len(pictures.names))
        _, first = np.unique(validation.photo, return_index=True)  # each photo's first author
        self._human = validation.limits[first[: len(pictures.names)]]

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
        """Opens the folder."""
        self._writer = tf.summary.create_file_writer(str(self._folder))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes one epoch."""
        with self._writer.as_default(step=epoch + 1):
            for name in HISTORY_COLUMNS[1:]:
                tf.summary.scalar(name, logs[name])
            tf.summary.image("validation photos: human, cnn", self._sheet()[None])
        self._writer.flush()

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Closes the files."""
        self._writer.close()

    def _sheet(self) -> Any:
        predicted = keras_model.predict_limits(self._scored_model, self._photos)
        shown = self._pictures
        rows = zip(shown.images, shown.aspect, self._human, predicted, strict=True)
        pictures = [_draw_crops(*row) for row in rows]
        return np.asarray(drawing.contact_sheet(pictures, _COLUMNS))


def _draw_crops(image: Any, aspect: float, human: Any, predicted: Floats) -> Image.Image:
    """A squashed photo in its own shape, with the human's and the network's crop."""
    longest = max(aspect, 1.0)
    size = (round(_SIDE * aspect / longest), round(_SIDE / longest))
    return drawing.draw_outlines(
        Image.fromarray(image).resize(size), {"human": human, "cnn": predicted}
    )
