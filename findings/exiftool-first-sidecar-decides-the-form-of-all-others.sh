#!/usr/bin/env bash
# In one run of ExifTool, the first darktable sidecar decides in which form the edits of all others are told.
#
# Expected: with -struct, each file's darktable:history is a list of records, whatever was read before it.
# Seen: ExifTool has no table of darktable's properties and makes one from the first that it meets. If that is the
# sidecar of a photo without edits, whose history is empty, the histories of all later files are torn into separate
# tags (HistoryOperation, HistoryParams). A program that asks for the history, by its name, finds none in any photo of
# the batch. In another order it finds all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
sidecar() {
  cat >"$1" <<XMP
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:darktable="http://darktable.sf.net/" darktable:xmp_version="5">
   <darktable:history>$2</darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
XMP
}
sidecar unedited.xmp '<rdf:Seq/>'
sidecar edited.xmp '<rdf:Seq><rdf:li darktable:operation="crop" darktable:enabled="1"/></rdf:Seq>'
npm install --silent --no-save exiftool-vendored.pl@13.59.3 >/dev/null
exiftool=(perl node_modules/exiftool-vendored.pl/bin/exiftool)

# The names of the tags of edited.xmp's history, read after another file or not
tags() {
  "${exiftool[@]}" -quiet -struct -json -XMP-darktable:History\* "$@" | python3 -c '
import json, sys
[edited] = [one for one in json.load(sys.stdin) if one["SourceFile"] == "edited.xmp"]
print(sorted(set(edited) - {"SourceFile"}))'
}
echo "ExifTool $("${exiftool[@]}" -ver)"
first=$(tags edited.xmp unedited.xmp)
second=$(tags unedited.xmp edited.xmp)
echo "the edited one first:   $first"
echo "the unedited one first: $second"
[[ $first == "['History']" ]] || { echo "Alone, the history is told otherwise now" >&2; exit 1; }
[[ $second == "['HistoryEnabled', 'HistoryOperation']" ]] || { echo "The order no longer matters" >&2; exit 1; }
