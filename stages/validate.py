"""Sets unsound labels apart; stops where they are too many, or where all crops are alike.

python stages/validate.py SHARDS LABELS QUARANTINE STATISTICS DATA_DOCS
"""

import sys
from pathlib import Path

from cropperhead import expectations, params, shards, stage


def main() -> None:
    folder, sound, quarantine, statistics, data_docs = map(Path, sys.argv[1:])
    settings = params.load().validate
    labels = shards.read_labels(folder)
    problems = expectations.image_problems(labels, shards.iter_images(folder))
    checked = expectations.checked(labels, settings, problems)
    expectations.write_reports(checked, quarantine, statistics)
    expectations.write_data_docs(checked, data_docs)
    expectations.stop_if_unsound(checked, settings)
    checked.sound.to_parquet(sound, index=False)


if __name__ == "__main__":
    stage.run(main)
