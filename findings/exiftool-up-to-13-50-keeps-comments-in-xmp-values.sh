#!/usr/bin/env bash
# A comment in an XMP value becomes part of the value that ExifTool reports.
#
# Expected: comments are no part of an element's text in XML, so that a crop limit that is written as
# `0.1<!-- upper limit -->` reads as the number 0.1, as in any XML parser.
# Seen: ExifTool reads XMP with a parser of its own. Up to version 13.50 at least it reports the text
# `0.1<!-- upper limit -->`, with -json a string in place of a number; 13.59 reports 0.1. So the same sidecar has a
# crop on one machine and none on another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >photo.xmp <<'XMP'
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/">
   <crs:CropTop>0.1<!-- upper limit --></crs:CropTop>
   <crs:CropBottom>0.9</crs:CropBottom>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
XMP
python3 - <<'PYTHON'
from xml.etree import ElementTree

for element in ElementTree.parse("photo.xmp").iter():
    if "Crop" in element.tag:
        print("ElementTree:", element.tag.partition("}")[2], repr(element.text))
PYTHON
while read -r version expected; do
  npm install --silent --no-save --prefix "$version" "exiftool-vendored.pl@$version" >/dev/null
  exiftool=(perl "$version/node_modules/exiftool-vendored.pl/bin/exiftool")
  echo "ExifTool $("${exiftool[@]}" -ver):"
  "${exiftool[@]}" -json -XMP-crs:all photo.xmp | tee seen.json
  grep -qF "\"CropTop\": $expected," seen.json || { echo "Not $expected" >&2; exit 1; }
done <<'VERSIONS'
13.50.0 "0.1<!-- upper limit -->"
13.59.3 0.1
VERSIONS
