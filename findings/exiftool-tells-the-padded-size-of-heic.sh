#!/usr/bin/env bash
# The size that ExifTool tells for an HEIC photo may be that of its padding.
#
# Expected: ImageWidth and ImageHeight are the size of the picture that a decoder gives, as in a JPEG, so that their
# ratio tells the photo's shape, and pixels divided by them are fractions of the photo.
# Seen: HEVC codes whole blocks. libheif pads a photo to them (to even numbers, small photos to 64 px), and cuts the
# padding off by a clean aperture (clap). Decoders return the picture without the padding, but ExifTool 13.59 reports
# the padded size, and the aperture in a tag of its own. So 50 x 33 px are a square of 64 to whoever asks ExifTool.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/packages" \
  pillow==12.0.0 pillow-heif==1.8.0 2>/dev/null
cd "$folder"
npm install --silent --no-save --prefix . exiftool-vendored.pl@13.59.3 >/dev/null
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import json
import subprocess

import pillow_heif
from PIL import Image

EXIFTOOL = ["perl", "node_modules/exiftool-vendored.pl/bin/exiftool"]

pillow_heif.register_heif_opener()
print("libheif", pillow_heif.libheif_version(), "ExifTool", subprocess.check_output([*EXIFTOOL, "-ver"], text=True).strip())
for size, padded in {(50, 33): (64, 64), (101, 75): (102, 76), (100, 76): (100, 76)}.items():
    Image.new("RGB", size, "grey").save("photo.heic")
    with Image.open("photo.heic") as photo:
        decoded = photo.size
    tags = json.loads(subprocess.check_output([*EXIFTOOL, "-json", "-ImageWidth", "-ImageHeight", "-CleanAperture", "photo.heic"]))[0]
    told = tags["ImageWidth"], tags["ImageHeight"]
    print(f"saved as {size}: decoded {decoded}, ExifTool {told}, clean aperture {tags.get('CleanAperture')}")
    assert decoded == size, "The decoder now returns the padding"
    assert told == padded, f"ExifTool no longer tells {padded}"
PYTHON
