#!/usr/bin/env bash
# exiftool "-XMP<=packet.xmp" photo.jpg writes the photo's EXIF anew; "-XMP:XMP<=packet.xmp" does not.
#
# Expected: both put a packet of XMP into the photo and leave its EXIF as it is, byte for byte.
# Seen: without the group's name ExifTool also looks for places for XMP inside EXIF (Canon's notes have one). To do
# so, it takes EXIF apart and writes only what it knows of it: 100 bytes here that belong to no tag are lost, and in
# such places cameras and other programs keep data.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-save exiftool-vendored.pl@13.59.3 >/dev/null
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target packages pillow==13.0.0 2>/dev/null
cat >packet.xmp <<'XMP'
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:CropTop="0.1"/>
 </rdf:RDF>
</x:xmpmeta>
XMP
PYTHONPATH=packages python3 - <<'PYTHON'
import shutil
import struct
import subprocess

from PIL import Image

EXIFTOOL = ["perl", "node_modules/exiftool-vendored.pl/bin/exiftool"]
# One directory with an orientation, and 100 bytes behind it that no tag points to
ORIENTATION = struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
EXIF = b"Exif\0\0II*\0" + struct.pack("<I", 8) + ORIENTATION + b"\x01" * 100
Image.new("RGB", (16, 16)).save("photo.jpg", exif=EXIF)


def exif_after(option):
    """The EXIF segment's content once the packet is written."""
    shutil.copy("photo.jpg", "copy.jpg")
    subprocess.run([*EXIFTOOL, "-q", "-overwrite_original", option, "copy.jpg"], check=True)
    with Image.open("copy.jpg") as image:
        assert b"CropTop" in image.info["xmp"], "the packet was not written"
        return image.info["exif"]


version = subprocess.run([*EXIFTOOL, "-ver"], capture_output=True, text=True, check=True).stdout.strip()
print(f"ExifTool {version}, EXIF of {len(EXIF)} bytes")
anew, kept = exif_after("-XMP<=packet.xmp"), exif_after("-XMP:XMP<=packet.xmp")
print("after -XMP<=:    ", len(anew), "bytes, unchanged:", anew == EXIF)
print("after -XMP:XMP<=:", len(kept), "bytes, unchanged:", kept == EXIF)
assert kept == EXIF, "the group's name no longer protects EXIF"
assert len(anew) <= len(EXIF) - 100, "EXIF is kept without the group's name, too"
PYTHON
