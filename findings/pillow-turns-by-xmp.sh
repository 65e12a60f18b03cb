#!/usr/bin/env bash
# Pillow takes a JPEG's turn from XMP's tiff:Orientation where EXIF has none.
#
# Expected: only EXIF tells how a JPEG is displayed, as in browsers and in ExifTool's IFD0:Orientation.
# Seen: getexif() fills a missing EXIF orientation from XMP, and ImageOps.exif_transpose turns the pixels.
# An EXIF orientation of 1 keeps XMP from counting. So one photo is upright in one program and lies on its
# side in another, and a crop that is stored for one of them shows another part of the picture.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/packages" pillow==13.0.0 2>/dev/null
cd "$folder"
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import io

import PIL
from PIL import Image, ImageOps

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def size_as_turned(exif_orientation):
    exif = Image.Exif()
    if exif_orientation is not None:
        exif[0x0112] = exif_orientation
    stream = io.BytesIO()
    Image.new("RGB", (40, 20), "grey").save(stream, "JPEG", xmp=XMP, exif=exif)
    with Image.open(io.BytesIO(stream.getvalue())) as image:
        return ImageOps.exif_transpose(image).size


print("Pillow", PIL.__version__)
without, with_one = size_as_turned(None), size_as_turned(1)
print("40 x 20 px, XMP orientation 6, no EXIF orientation ->", without)
print("40 x 20 px, XMP orientation 6, EXIF orientation 1  ->", with_one)
assert without == (20, 40), "XMP no longer turns a photo without an EXIF orientation"
assert with_one == (40, 20), "XMP now turns a photo whose EXIF orientation is 1"
PYTHON
