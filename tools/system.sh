#!/bin/sh
# Sees to the two programs that pip cannot install: Python with venv, and ExifTool.
# Installs ExifTool where it may; else says in one sentence how to.
set -eu
python=$1

stop() { echo "$1" >&2; exit 1; }

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || stop \
"Python 3.11, 3.12 or 3.13, which TensorFlow runs on, is needed and '$python' is none of them: install one (Debian: 'sudo apt install python3 python3-venv', macOS: 'brew install python@3.13'), or name one with 'make PYTHON=python3.13 ...'."
"$python" -c 'import venv, ensurepip' 2>/dev/null || stop \
"Python's venv is missing: install it with 'sudo apt install python3-venv'."

case "$(uname -sm)" in
  "Darwin x86_64") stop "TensorFlow runs on Macs with Apple's own processors only: use one of those, or Linux." ;;
esac

if ! command -v exiftool >/dev/null; then
  echo "Installing ExifTool, which reads the crops." >&2
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    { apt-get update && apt-get install --yes --no-install-recommends libimage-exiftool-perl; } >/dev/null || true
  elif command -v apt-get >/dev/null && command -v sudo >/dev/null; then
    { sudo apt-get update && sudo apt-get install --yes --no-install-recommends libimage-exiftool-perl; } >/dev/null || true
  elif command -v brew >/dev/null; then
    brew install --quiet exiftool || true
  fi
  command -v exiftool >/dev/null || stop \
"ExifTool is needed and could not be installed: install it with 'sudo apt install libimage-exiftool-perl' (Debian, Ubuntu) or 'brew install exiftool' (macOS)."
fi
