"""Extracts crops and small copies of the photos into shards, with a ledger and reports.

python stages/extract.py MANIFEST SHARDS LEDGER COUNTS REJECTED
"""

import sys
from pathlib import Path

from cropperhead import params
from cropperhead.dataset import collected, extract, ledger, shards
from cropperhead.library import scan
from cropperhead.library.store import find_library
from cropperhead.system import arrow, stage


def main() -> None:
    arrow.leave_out_pandas()
    manifest_file, folder, ledger_file, counts, rejected = map(Path, sys.argv[1:])
    settings = params.load().extract
    fingerprint = extract.fingerprint(settings, extract.code_files())
    store = extract.restore(settings.shards, folder, ledger_file)
    before = ledger.Ledger.load(ledger_file, fingerprint)
    manifest, library = scan.read_manifest(manifest_file), find_library(settings.library)
    outcomes = extract.update_shards(library, manifest, folder, before, settings, store)
    labels, sent = shards.count_sources(folder), collected.summarise(manifest)
    ledger.write_extract_reports(outcomes, labels, counts, rejected, sent)
    extract.require_crops(outcomes, library)


if __name__ == "__main__":
    stage.run(main)
