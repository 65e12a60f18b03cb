#!/usr/bin/env bash
# ExifTool reads nothing of an XMP file in UTF-16 that begins with a byte order mark and its element.
#
# Expected: XML in UTF-16 begins with a byte order mark and needs no declaration (XML 1.0, 4.3.3), so that
# its properties are read, or an error says that they are not.
# Seen: ExifTool calls it XMP, reports no property, no warning and no error, and ends with status 0. After an
# XML declaration or the header of a packet it reads the same file. A crop in such a sidecar is lost unnoticed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
version=13.59.3
npm install --silent --no-save "exiftool-vendored.pl@$version" >/dev/null
exiftool=(perl node_modules/exiftool-vendored.pl/bin/exiftool)
python3 - <<'PYTHON'
from pathlib import Path
from xml.etree import ElementTree

packet = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
)
Path("plain.xmp").write_text(packet, encoding="utf-16")
Path("declared.xmp").write_text('<?xml version="1.0"?>' + packet, encoding="utf-16")
for element in ElementTree.parse("plain.xmp").iter():
    print("ElementTree:", element.attrib)
PYTHON
echo "ExifTool $("${exiftool[@]}" -ver):"
"${exiftool[@]}" -json -MIMEType -XMP:Rating -Warning -Error plain.xmp declared.xmp | tee seen.json
grep -c '"MIMEType": "application/rdf+xml"' seen.json | grep -qx 2 || { echo "Not both XMP" >&2; exit 1; }
grep -c '"Rating": 4' seen.json | grep -qx 1 || { echo "Not one rating of two" >&2; exit 1; }
if grep -q 'Warning\|Error' seen.json; then echo "It says so" >&2; exit 1; fi
