#!/usr/bin/env bash
# pillow-heif writes a photo's turn if EXIF comes as bytes, and loses it if EXIF comes as Pillow's own object.
#
# Expected: saving as HEIC with `exif=image.getexif()` keeps the orientation, as it does with Pillow's other formats,
# and as `exif=image.getexif().tobytes()` does.
# Seen: EXIF is stored in both cases, but only bytes are searched for an orientation. With the object, the container
# is not turned. Programs show HEIC as its container says, and pillow-heif resets EXIF's orientation to 1 on reading,
# so that a portrait photo lies on its side and nothing tells. The notes still have `original_orientation` 6, for a
# turn that was not applied.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/packages" \
  pillow==13.0.0 pillow-heif==1.8.1
cd "$folder"
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import io

import PIL
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()


def saved(as_bytes):
    """Size, EXIF orientation and noted orientation of a photo of 60 x 40 px with orientation 6, read again."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    given = exif.tobytes() if as_bytes else exif
    Image.new("RGB", (60, 40), "grey").save(stream, "HEIF", exif=given)
    assert b"Exif" in stream.getvalue()
    with Image.open(io.BytesIO(stream.getvalue())) as image:
        return image.size, image.getexif()[0x0112], image.info["original_orientation"]


print("pillow-heif", pillow_heif.__version__, "with Pillow", PIL.__version__)
for name, as_bytes in (("bytes", True), ("object", False)):
    size, orientation, noted = saved(as_bytes)
    print(f"EXIF as {name:6}: 60 x 40 px, orientation 6, is read as {size}, EXIF {orientation}, original {noted}")
assert saved(as_bytes=True) == ((40, 60), 1, 6), "EXIF as bytes no longer turns the container"
assert saved(as_bytes=False) == ((60, 40), 1, 6), "EXIF as an object turns the container now"
PYTHON
