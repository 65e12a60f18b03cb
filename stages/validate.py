"""Quarantines unsound labels; fails if there are too many, or if all crops are alike.

python stages/validate.py SHARDS LABELS QUARANTINE STATISTICS DATA_DOCS
"""

import sys
from pathlib import Path

from cropperhead import params
from cropperhead.dataset import shards, validate
from cropperhead.system import stage


def main() -> None:
    folder, sound, quarantine, statistics, data_docs = map(Path, sys.argv[1:])
    settings = params.load().validate
    labels = shards.read_labels(folder)
    problems = validate.find_image_problems(labels, shards.iter_images(folder))
    check = validate.check_labels(labels, settings, problems)
    validate.write_validate_reports(check, quarantine, statistics)
    validate.write_data_docs(check, data_docs)
    validate.require_sound(check, settings)
    check.sound.to_parquet(sound, index=False)


if __name__ == "__main__":
    stage.run(main)
