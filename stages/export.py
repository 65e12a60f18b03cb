"""Exports the trained model for small runtimes, and checks that it predicts what Keras's does.

python stages/export.py SHARDS LABELS SPLITS MODEL FLOAT32 FLOAT16 REPORT
"""

import sys
from pathlib import Path

from cropperhead.dataset import shards, split_labels
from cropperhead.system import stage
from cropperhead.system.file_hash import file_sha256
from cropperhead.training import batches, export
from cropperhead.training.networks import keras_model


def main() -> None:
    folder, labels_file, splits_file, model_file, float32, float16, report = map(Path, sys.argv[1:])
    labels = split_labels.read_labels_with_splits(labels_file, splits_file)
    size = keras_model.input_size(keras_model.load_model(model_file))
    examples = batches.read_examples(folder, labels[labels["split"] == split_labels.TEST], size)
    data_hash = file_sha256(labels_file, splits_file, *shards.shard_files(folder))
    files = {export.FLOAT32: float32, export.FLOAT16: float16}
    export.export_files(model_file, examples, data_hash, files, report)


if __name__ == "__main__":
    stage.run(main)
