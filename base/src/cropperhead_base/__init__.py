"""Data for CropperHead: what its networks know before they see a photographer's photos.

README.md is the model card: where each file comes from, and under which licence.
"""

from pathlib import Path

FEATURES_VERSION = "mobilenet_v2-1"  # changes with the file, and so makes stored fields out of date

_FOLDER = Path(__file__).parent


def features_file() -> Path:
    """Return the path of ImageNet's features.

    An archive of NumPy's: the float16 arrays of MobileNetV2 1.0 up to block_12_add, which sorted by
    name are in the order of Keras's `get_weights()`.
    """
    return _FOLDER / "features.npz"


def faces_file() -> Path:
    """Return the path of a face detector.

    MediaPipe's BlazeFace for faces up to five metres away ("full range, sparse"), a TFLite file: it
    takes (1, 192, 192, 3), RGB in [-1, 1], and gives boxes (1, 2304, 16) and scores (1, 2304, 1).
    """
    return _FOLDER / "faces.tflite"


def head_file() -> Path:
    """Return the path of the base model's head, as CropperHead's training.base_model reads it."""
    return _FOLDER / "head.npz"


def hashes_file() -> Path:
    """Return the path of the perceptual hashes of the photos that the base model learned from."""
    return _FOLDER / "hashes.npz"


def model_file() -> Path:
    """Return the path of the base model as an exported model, which suggests crops by itself."""
    return _FOLDER / "base.tflite"
