"""Lists the files of the photo library (Parquet) and counts them (JSON).

python stages/scan.py MANIFEST COUNTS
"""

import sys
from pathlib import Path

from cropperhead import params
from cropperhead.dataset import collected
from cropperhead.demo.default import ensure_library
from cropperhead.errors import LibraryError, NoPhotosError
from cropperhead.library import scan
from cropperhead.system import arrow, stage


def main() -> None:
    arrow.leave_out_pandas()
    manifest, counts = map(Path, sys.argv[1:])
    settings = params.load()
    ensure_library(settings.extract.library, settings.demo)
    extract = settings.extract
    try:
        result = collected.scan_sources(extract)
    except NoPhotosError as error:
        raise LibraryError(
            f"{error} Set extract.library in params.yaml to the folder, or the s3:// URL, that "
            "holds your edited photos."
        ) from error
    scan.write_manifest(result.entries, manifest)
    scan.write_counts(result, counts)


if __name__ == "__main__":
    stage.run(main)
