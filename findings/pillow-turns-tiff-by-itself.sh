#!/usr/bin/env bash
# Pillow turns a TIFF's pixels by itself, and names the turn until they are loaded.
#
# Expected: as with JPEG, PNG and WebP, Pillow gives a TIFF's pixels as they are stored, with the EXIF orientation by
# which the program turns them.
# Seen: the orientation of a TIFF has been applied to its size as soon as it is open and to its pixels once they are
# loaded, and it is removed from the metadata only then. A program that asks for the orientation first, then loads the
# photo and turns it has turned it twice. Frames that are computed from size and orientation lie on their side.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/packages" pillow==13.0.0
cd "$folder"
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import io

import PIL
from PIL import Image


def told(file_format):
    """Orientation and size when a photo of 60 x 40 px with orientation 6 is open, and after loading."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.new("RGB", (60, 40), "grey").save(stream, file_format, exif=exif)
    with Image.open(io.BytesIO(stream.getvalue())) as image:
        before = (image.getexif().get(0x0112), image.size)
        image.load()
        return before, (image.getexif().get(0x0112), image.size)


print("Pillow", PIL.__version__)
for file_format in ("JPEG", "PNG", "WEBP", "TIFF"):
    opened, loaded = told(file_format)
    print(f"{file_format:4} 60 x 40 px, orientation 6: open {opened}, loaded {loaded}")
    if file_format == "TIFF":
        assert opened == (6, (40, 60)), "an open TIFF no longer has the turned size beside the orientation"
        assert loaded == (None, (40, 60)), "a loaded TIFF is no longer turned"
    else:
        assert opened == loaded == (6, (60, 40)), f"{file_format} is turned now"
PYTHON
