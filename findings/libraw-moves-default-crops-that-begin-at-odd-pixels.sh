#!/usr/bin/env bash
# LibRaw moves a DNG's default crop that begins at an odd pixel, and makes it smaller.
#
# Expected: the crop that a RAW library reports is the one that the file holds: DefaultCropOrigin 7, 9 and
# DefaultCropSize 240 x 160 px.
# Seen: rawpy's sizes begin at 8, 10 and measure 239 x 159 px, so that the mosaic of colours begins with the same
# colour again. An even origin is kept. Each odd coordinate costs a pixel on its own. Programs that compute positions
# or sizes in pixels from these numbers are off by one against programs that use the file's own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check rawpy==0.28.0 tifffile==2026.3.3 2>/dev/null
env/bin/python - <<'PYTHON'
import numpy as np
import rawpy
import tifffile

RAW_SIZE, CROP_SIZE = (180, 260), (240, 160)
IDENTITY = [number for row in np.eye(3, dtype=int).tolist() for value in row for number in (value, 1)]


def crop_by_libraw(origin):
    """Origin and size of the default crop by LibRaw, of a DNG whose tags say `origin` and CROP_SIZE."""
    pixels = np.random.default_rng(1).integers(2000, 3000, RAW_SIZE, dtype=np.uint16)
    tags = [
        (33421, "H", 2, (2, 2)),  # CFARepeatPatternDim
        (33422, "B", 4, bytes([0, 1, 1, 2])),  # CFAPattern
        (50706, "B", 4, bytes([1, 4, 0, 0])),  # DNGVersion
        (50708, "s", 0, "Made up"),  # UniqueCameraModel
        (50717, "I", 1, 16383),  # WhiteLevel
        (50719, "I", 2, origin),  # DefaultCropOrigin
        (50720, "I", 2, CROP_SIZE),  # DefaultCropSize
        (50721, "2i", 9, IDENTITY),  # ColorMatrix1
        (50728, "2I", 3, [1] * 6),  # AsShotNeutral
        (50778, "H", 1, 21),  # CalibrationIlluminant1
    ]
    tifffile.imwrite(
        "a.dng", pixels, photometric="cfa", metadata=None, extratags=[(*tag, True) for tag in tags]
    )
    with rawpy.imread("a.dng") as raw:
        sizes = raw.sizes
    return (sizes.crop_left_margin, sizes.crop_top_margin), (sizes.crop_width, sizes.crop_height)


print("rawpy", rawpy.__version__, "with LibRaw", ".".join(map(str, rawpy.libraw_version)))
seen = {origin: crop_by_libraw(origin) for origin in [(8, 10), (7, 10), (7, 9)]}
for origin, (begin, size) in seen.items():
    print(f"in the file: {origin}, {CROP_SIZE} px; by LibRaw: {begin}, {size} px")
assert seen[8, 10] == ((8, 10), (240, 160)), "LibRaw now changes even origins"
assert seen[7, 10] == ((8, 10), (239, 160)), "LibRaw treats an odd column in another way"
assert seen[7, 9] == ((8, 10), (239, 159)), "LibRaw treats odd pixels in another way"
PYTHON
