"""Exports the trained model for small runtimes, and checks that it predicts what Keras's does.

python stages/export.py SHARDS LABELS SPLITS PREFERRED MODEL FLOAT32 FLOAT16 REPORT
"""

import sys
from pathlib import Path

from cropperhead.dataset import split_labels
from cropperhead.system import stage
from cropperhead.training import batches, export
from cropperhead.training.networks import keras_model
from cropperhead.training.training_data import training_data_sha256


def main() -> None:
    folder, labels_file, splits_file, preferred_file, *files = map(Path, sys.argv[1:])
    model_file, float32, float16, report = files
    labels = split_labels.read_labels_with_splits(labels_file, splits_file)
    size = keras_model.input_size(keras_model.load_model(model_file))
    examples = batches.read_examples(folder, labels[labels["split"] == split_labels.TEST], size)
    data_hash = training_data_sha256(labels_file, splits_file, preferred_file, folder)
    exported = {export.FLOAT32: float32, export.FLOAT16: float16}
    export.export_files(model_file, examples, data_hash, exported, report)


if __name__ == "__main__":
    stage.run(main)
