#!/usr/bin/env bash
# smartcrop.py places a crop of 100 x 100 elsewhere than one of 400 x 400 of the same photo.
#
# Expected: width and height say which shape the crop is to have, so that 100 x 100 and 400 x 400 of one photo give one
# square, and 40 x 50 and 400 x 500 one crop of 4:5.
# Seen: the photo is first scaled down to about the size that is asked for, and searched in steps of 8 of its pixels.
# So the numbers by which a shape is written decide what is seen, where a crop may begin and which sizes are tried: here
# the two squares hold different ones of the two subjects. Whoever compares with smartcrop has to say which numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" \
  smartcrop==0.5.0 numpy==2.4.6 pillow==12.0.0
cd "$folder"
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
from importlib.metadata import version

import smartcrop
from PIL import Image, ImageDraw

photo = Image.new("RGB", (600, 400), (90, 120, 90))
draw = ImageDraw.Draw(photo)
draw.ellipse((420, 150, 520, 250), fill=(220, 150, 120))
draw.rectangle((60, 60, 130, 330), fill=(30, 30, 160))

print("smartcrop", version("smartcrop"), "Pillow", version("pillow"))
left = {}
for width, height in ((100, 100), (400, 400), (40, 50), (400, 500)):
    crop = smartcrop.SmartCrop().crop(photo, width, height)["top_crop"]
    left[width, height] = crop["x"]
    print(f"of 600 x 400 px, asked for as {width} x {height}:", {key: crop[key] for key in ("x", "y", "width", "height")})
assert left[100, 100] - left[400, 400] > 100, "squares no longer depend on the numbers"
assert left[40, 50] - left[400, 500] > 100, "crops of 4:5 no longer depend on the numbers"
PYTHON
