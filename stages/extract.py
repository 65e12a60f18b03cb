"""Extracts crops and small copies of the photos into shards, with a ledger and reports.

python stages/extract.py MANIFEST SHARDS LEDGER COUNTS REJECTED
"""

import sys
from pathlib import Path

from cropperhead import params
from cropperhead.dataset import collected, extract, ledger, rows, shards
from cropperhead.library import scan
from cropperhead.system import code_hash, stage


def main() -> None:
    manifest_file, folder, ledger_file, counts, rejected = map(Path, sys.argv[1:])
    settings = params.load().extract
    fingerprint = extract.fingerprint(settings, code_hash.module_files(rows))
    before = ledger.Ledger.load(ledger_file, fingerprint)
    manifest = scan.read_manifest(manifest_file)
    outcomes = extract.update_shards(settings.folder, manifest, folder, before, settings)
    labels, sent = shards.count_sources(folder), collected.summarise(manifest)
    ledger.write_extract_reports(outcomes, labels, counts, rejected, sent)
    extract.require_crops(outcomes, settings.folder)


if __name__ == "__main__":
    stage.run(main)
