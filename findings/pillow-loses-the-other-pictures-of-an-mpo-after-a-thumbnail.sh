#!/usr/bin/env bash
# After a thumbnail of the first picture in a multi-picture JPEG (MPO), Pillow calls its other pictures truncated.
#
# Expected: cameras put a preview, or the second picture of a pair, behind the photo in the same file. A program makes a
# small copy of the photo, goes on to the next picture with `seek`, and reads that as well; it can if it reads the next
# picture first.
# Seen: `thumbnail` and `draft` have the first picture decoded at a part of its size. The setting stays when another
# picture is chosen, whose own size is whole again: the decoder then gives fewer pixels than are expected, and Pillow
# raises OSError about a truncated file. The file is not damaged. The first picture cannot be read again either.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/packages" pillow==13.0.0
cd "$folder"
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import io

import PIL
from PIL import Image

stream = io.BytesIO()
photo, preview = Image.new("RGB", (1600, 1200), "grey"), Image.new("RGB", (800, 600), "grey")
photo.save(stream, "MPO", save_all=True, append_images=[preview])


def read(number, after_thumbnail):
    """The size of a picture in the file, or the error."""
    with Image.open(io.BytesIO(stream.getvalue())) as image:
        if after_thumbnail:
            image.thumbnail((200, 200))
        image.seek(1)
        image.seek(number)
        try:
            image.load()
        except OSError as error:
            return str(error)
        return image.size


print("Pillow", PIL.__version__)
for after in (False, True):
    print("after a thumbnail:" if after else "at once:", [read(number, after) for number in (0, 1)])
assert [read(number, False) for number in (0, 1)] == [(1600, 1200), (800, 600)]
assert all("truncated" in read(number, True) for number in (0, 1)), "they can be read now"
PYTHON
