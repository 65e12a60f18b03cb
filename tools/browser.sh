#!/bin/sh
# Installs Chromium, in which the page is tested, if it is missing and this may install it.
set -eu
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
echo "Installing Chromium, in which the page is tested." >&2
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  { apt-get update && apt-get install --yes --no-install-recommends chromium; } >/dev/null || true
fi
command -v chromium >/dev/null || {
  echo "Chromium could not be installed automatically. Install it with 'sudo apt install chromium'." >&2
  exit 1
}
