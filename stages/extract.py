"""Reads crops and small copies of the photos: shards, their ledger, and the report of both.

python stages/extract.py MANIFEST SHARDS LEDGER COUNTS REJECTED
"""

import sys
from pathlib import Path

from cropperhead import extraction, ledger, library, params, readings, shards, sources, stage


def main() -> None:
    manifest_file, folder, ledger_file, counts, rejected = map(Path, sys.argv[1:])
    settings = params.load().extract
    fingerprint = extraction.fingerprint(settings, sources.of(readings))
    book = ledger.Ledger.load(ledger_file, fingerprint)
    manifest = library.read_manifest(manifest_file)
    outcomes = extraction.extract(settings.folder, manifest, folder, book, settings)
    ledger.write_report(outcomes, shards.sources(folder), counts, rejected)
    extraction.require_crops(outcomes, settings.folder)


if __name__ == "__main__":
    stage.run(main)
