#!/usr/bin/env bash
# Saving a photo as AVIF takes the orientation out of the EXIF object that the caller passed.
#
# Expected: `image.save(file, exif=exif)` reads `exif` and leaves it as it is. It does for JPEG, PNG, WebP and TIFF.
# Seen: the AVIF writer moves the orientation into the container, which is right, and removes it from the caller's
# object to do so. A program that writes one photo in several formats with the same EXIF loses the turn of all that
# come after the AVIF: they lie on their side, and what they look like depends on the order in which they were
# written.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/packages" pillow==13.0.0
cd "$folder"
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import io

import PIL
from PIL import Image

print("Pillow", PIL.__version__)
for file_format in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
    exif = Image.Exif()
    exif[0x0112] = 6
    orientations = []
    for each in (file_format, "JPEG"):  # two files with the same EXIF
        stream = io.BytesIO()
        Image.new("RGB", (60, 40), "grey").save(stream, each, exif=exif)
        with Image.open(io.BytesIO(stream.getvalue())) as image:
            orientations.append(image.getexif().get(0x0112))
    print(f"{file_format:4} has orientation {orientations[0]}, a JPEG saved after it {orientations[1]}")
    after = None if file_format == "AVIF" else 6
    assert orientations == [6, after], f"{file_format} treats EXIF otherwise now"
PYTHON
