"""Sets unsound labels apart; stops where they are too many, or where all crops are alike.

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
    problems = validate.image_problems(labels, shards.iter_images(folder))
    checked = validate.checked(labels, settings, problems)
    validate.write_reports(checked, quarantine, statistics)
    validate.write_data_docs(checked, data_docs)
    validate.stop_if_unsound(checked, settings)
    checked.sound.to_parquet(sound, index=False)


if __name__ == "__main__":
    stage.run(main)
