"""Exports the trained model for small runtimes, and checks there that it tells what Keras's does.

python stages/export.py SHARDS LABELS SPLITS MODEL FLOAT32 FLOAT16 REPORT
"""

import sys
from pathlib import Path

from cropperhead import batches, export, models, shards, splits, stage, tracking


def main() -> None:
    folder, labels_file, splits_file, model_file, float32, float16, report = map(Path, sys.argv[1:])
    labels = splits.labelled(labels_file, splits_file)
    size = models.input_size(models.load(model_file))
    examples = batches.examples(folder, labels[labels["split"] == splits.TEST], size)
    data_hash = tracking.file_hash(labels_file, splits_file, *shards.files(folder))
    files = {export.FLOAT32: float32, export.FLOAT16: float16}
    export.run(model_file, examples, data_hash, files, report)


if __name__ == "__main__":
    stage.run(main)
