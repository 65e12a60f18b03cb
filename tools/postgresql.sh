#!/bin/sh
# Installs PostgreSQL's server, which the tests of collections start for themselves; they are skipped
# where it cannot be installed.
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  { apt-get update && apt-get install --yes --no-install-recommends postgresql; } >/dev/null || true
fi
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 ||
  echo "PostgreSQL's server is not installed: tests that need it are skipped." >&2
