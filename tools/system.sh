#!/bin/sh
# Checks for what pip cannot install: Python with venv, and ExifTool, which it installs if it can.
# Otherwise it fails with one sentence that says what to do.
set -eu
python=$1

stop() { echo "$1" >&2; exit 1; }

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || stop \
"CropperHead needs Python 3.11, 3.12 or 3.13, because TensorFlow does, and '$python' is none of these. Install one (Debian: 'sudo apt install python3 python3-venv', macOS: 'brew install python@3.13'), or choose another with 'make PYTHON=python3.13 ...'."
"$python" -c 'import venv, ensurepip' 2>/dev/null || stop \
"Python's module venv is missing. Install it with 'sudo apt install python3-venv'."

case "$(uname -sm)" in
  "Darwin x86_64") stop "TensorFlow does not run on Macs with Intel processors. Use a Mac with Apple silicon, or Linux." ;;
esac

if ! command -v exiftool >/dev/null; then
  echo "Installing ExifTool, which reads photos' metadata." >&2
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    { apt-get update && apt-get install --yes --no-install-recommends libimage-exiftool-perl; } >/dev/null || true
  elif command -v apt-get >/dev/null && command -v sudo >/dev/null; then
    { sudo apt-get update && sudo apt-get install --yes --no-install-recommends libimage-exiftool-perl; } >/dev/null || true
  elif command -v brew >/dev/null; then
    brew install --quiet exiftool || true
  fi
  command -v exiftool >/dev/null || stop \
"ExifTool could not be installed automatically. Install it with 'sudo apt install libimage-exiftool-perl' (Debian, Ubuntu) or 'brew install exiftool' (macOS)."
fi
