#!/bin/sh
# Installs Chromium, in which the page is tested, if it is missing and this may install it; and Firefox,
# whose tests are skipped where it cannot be had.
set -eu

has() { for name in "$@"; do if command -v "$name" >/dev/null; then return 0; fi; done; return 1; }
has_chromium() { has chromium chromium-browser google-chrome; }

install() {
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "Installing $1, in which the page is tested." >&2
    { apt-get update && apt-get install --yes --no-install-recommends "$1"; } >/dev/null || true
  fi
}

has_chromium || install chromium
has_chromium || {
  echo "Chromium could not be installed automatically. Install it with 'sudo apt install chromium'." >&2
  exit 1
}
has firefox-esr firefox || install firefox-esr
