#!/usr/bin/env bash
# MediaPipe's wheel no longer brings the models that its face detector ran on.
#
# Expected: a newer minor release of mediapipe holds the small models of its face detection, as before, so that
# they can be taken out of the package without downloading anything else.
# Seen: the wheel 0.10.21 holds the face detectors as .tflite files, the sparse full-range one among them; a
# newer wheel of the same 0.10 holds none. Programs that loaded them from the package find no file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
NEWER=0.10.35
python3 -m venv env
for version in 0.10.21 "$NEWER"; do
  env/bin/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --python-version 3.11 --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
    --platform manylinux2014_x86_64 --dest "$version" "mediapipe==$version" 2>/dev/null
done
python3 - 0.10.21 "$NEWER" <<'PYTHON'
import sys
import zipfile
from pathlib import Path

found = {}
for version in sys.argv[1:]:
    [wheel] = Path(version).glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    found[version] = [name for name in names if name.endswith(".tflite") and "face_detection" in name]
    print(f"mediapipe {version}: {len(found[version])} face detectors", *found[version], sep="\n  ")
older, newer = found.values()
if not older or newer:
    sys.exit("The wheels hold other models than before")
PYTHON
