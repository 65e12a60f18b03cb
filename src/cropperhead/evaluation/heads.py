"""Which people's heads a cropper's crops cut off, of those that the photographer kept."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cropperhead.geometry.crops import Floats
from cropperhead.inference import faces
from cropperhead.training.batches import PhotoArrays, Pixels


def count_lost_heads(photos: PhotoArrays, kept: Floats, others: Floats) -> NDArray[np.int64]:
    """Count the heads that are whole in crops (n, 5), and not in other crops (n, 5), (n,).

    Heads are those of the faces that `inference.faces` finds: none without cropperhead-base.
    """
    lost = np.zeros(len(photos.names), np.int64)
    for place, aspect in enumerate(np.asarray(photos.aspect, float)):
        [image] = photos.images[place : place + 1]
        found = faces.heads(faces.find_faces(_unsquash(image, aspect)))
        before, after = (faces.are_whole(each[place], found, aspect) for each in (kept, others))
        lost[place] = np.sum(before & ~after)
    return lost


def _unsquash(image: Pixels, aspect: float) -> Image.Image:
    """Give a square photo its shape again; its longer side is the square's."""
    side = len(image)
    size = (
        (side, max(1, round(side / aspect))) if aspect > 1 else (max(1, round(side * aspect)), side)
    )
    return Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
