"""Makes the file of ImageNet's features that CropperHead uses from weights of MobileNetV2.

python tools/convert_features.py imagenet|FILE OUT

FILE is an archive of NumPy's with the arrays of `keras.applications.MobileNetV2(include_top=False)
.get_weights()`, sorted by name. With `imagenet`, Keras downloads its own. The same weights give the
same bytes.
"""

import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_ARRAYS, _NUMBERS = 195, 558_656  # of MobileNetV2 1.0 up to block_12_add, the layers used


def main() -> None:
    """Reads, cuts and writes."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, out = sys.argv[1:]
    arrays = _download() if source == "imagenet" else _read(Path(source))
    kept = dict(sorted(arrays.items())[:_ARRAYS])
    if sum(array.size for array in kept.values()) != _NUMBERS:
        sys.exit(f"{source}: these are not the weights of MobileNetV2 1.0 without its top")
    np.savez(out, **{name: array.astype(np.float16) for name, array in kept.items()})


def _read(file: Path) -> dict[str, NDArray[np.floating]]:
    try:
        with zipfile.ZipFile(file), np.load(file) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        sys.exit(f"{file}: not readable as an archive of NumPy's: {error}")


def _download() -> dict[str, NDArray[np.floating]]:
    import keras  # noqa: PLC0415 - takes seconds, and a file needs none of it

    network = keras.applications.MobileNetV2(include_top=False)
    return {f"{place:03}": array for place, array in enumerate(network.get_weights())}


if __name__ == "__main__":
    main()
