"""Reads crops and small copies of the photos: shards, their ledger, and the report of both.

python stages/extract.py MANIFEST SHARDS LEDGER COUNTS REJECTED
"""

import sys
from pathlib import Path

from cropperhead import extraction, ledger, library, params, readings, sources, stage


def main() -> None:
    manifest, folder, ledger_file, counts, rejected = map(Path, sys.argv[1:])
    settings = params.load().extract
    fingerprint = extraction.fingerprint(settings, sources.of(readings))
    book = ledger.Ledger.load(ledger_file, fingerprint)
    entries = library.read_manifest(manifest)
    outcomes = extraction.extract(settings.folder, entries, folder, book, settings)
    ledger.write_report(outcomes, counts, rejected)
    extraction.require_crops(outcomes, settings.folder)


if __name__ == "__main__":
    stage.run(main)
