"""Lists the files of the photo library (Parquet) and counts them (JSON).

python stages/scan.py MANIFEST COUNTS
"""

import sys
from pathlib import Path

from cropperhead import params
from cropperhead.demo.default import ensure_library
from cropperhead.library import scan as library
from cropperhead.system import stage


def main() -> None:
    manifest, counts = map(Path, sys.argv[1:])
    settings = params.load()
    ensure_library(settings.extract.folder, settings.demo)
    extract = settings.extract
    scan = library.scan(extract.folder, extract.catalog_files, extract.tags)
    library.write_manifest(scan.entries, manifest)
    library.write_counts(scan, counts)


if __name__ == "__main__":
    stage.run(main)
