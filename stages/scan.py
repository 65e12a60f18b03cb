"""Writes what lies in the library: its manifest (Parquet) and its counts (JSON).

python stages/scan.py MANIFEST COUNTS
"""

import sys
from pathlib import Path

from cropperhead import library, params, stage
from cropperhead.demo.default import ensure_library


def main() -> None:
    manifest, counts = map(Path, sys.argv[1:])
    settings = params.load()
    ensure_library(settings.extract.folder, settings.demo)
    catalogs = [Path(name).expanduser() for name in settings.extract.catalogs]
    scan = library.scan(settings.extract.folder, catalogs, settings.extract.tags)
    library.write_manifest(scan.entries, manifest)
    library.write_counts(scan, counts)


if __name__ == "__main__":
    stage.run(main)
