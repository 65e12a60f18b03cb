#!/usr/bin/env bash
# The same resize gives other pixels in Pillow 13 than in Pillow 12.
#
# Expected: Pillow resizes in two passes, first each row to the new width, then each column to the new height, as it
# did up to version 12. Who does the same elsewhere, in a browser say, gets the same pixels.
# Seen: Pillow 13.0.0 takes the other order where that is less work: a picture of 400 x 900 px is first made 100 px
# high, then 200 px wide. Each pass rounds to 8 bits, so that values differ, by 1 mostly. Hashes of small copies, and
# results that were compared between releases, change with the version.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >order.py <<'PYTHON'
import numpy as np
import PIL
from PIL import Image

noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (900, 400, 3), dtype=np.uint8))
width, height, lanczos = 200, 100, Image.Resampling.LANCZOS
at_once = np.asarray(noise.resize((width, height), lanczos))
orders = {
    "width first": noise.resize((width, 900), lanczos).resize((width, height), lanczos),
    "height first": noise.resize((400, height), lanczos).resize((width, height), lanczos),
}
alike = [name for name, image in orders.items() if np.array_equal(at_once, np.asarray(image))]
apart = np.abs(at_once.astype(int) - np.asarray(orders["width first"]).astype(int))
print(f"Pillow {PIL.__version__}: {', '.join(alike)}; {np.mean(apart > 0):.0%} of values not those of width first")
print(*alike, file=open("seen.txt", "w"))
PYTHON
while read -r version expected; do
  python3 -m venv "$version"
  "$version/bin/pip" install --quiet --disable-pip-version-check "pillow==$version" numpy==2.4.0 2>/dev/null
  "$version/bin/python" order.py
  grep -qx "$expected" seen.txt || { echo "Pillow $version: not $expected" >&2; exit 1; }
done <<'VERSIONS'
12.2.0 width first
13.0.0 height first
VERSIONS
