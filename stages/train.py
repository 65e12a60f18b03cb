"""Trains the network that params.yaml chooses, and logs the run in MLflow.

python stages/train.py SHARDS LABELS SPLITS FIELDS PREFERRED MODEL HISTORY CHOICE TENSORBOARD
    UNFINISHED
"""

import sys
from pathlib import Path

from cropperhead import params
from cropperhead.dataset import split_labels
from cropperhead.system import code_hash, stage
from cropperhead.system.file_hash import file_sha256
from cropperhead.training import base_model, choice_report, fit, preferences, run_facts, tracking
from cropperhead.training.checkpoint import Checkpoint
from cropperhead.training.networks import keras_model
from cropperhead.training.repeatable import make_repeatable
from cropperhead.training.training_data import read_training_data, training_data_sha256


def main() -> None:
    folder, labels_file, splits_file, fields, preferred_file, *outputs = map(Path, sys.argv[1:])
    model_file, history_file, choice_file, logs, kept = outputs
    settings = params.load()
    run_facts.warn_of_unused(settings)
    make_repeatable(settings.train)
    labels = split_labels.read_labels_with_splits(labels_file, splits_file)
    start = base_model.start_from(labels, settings)
    data = read_training_data(folder, labels, settings.train, fields, start.known)
    preferred = preferences.read(preferred_file, labels)
    data = data.with_preferred(preferred.table)
    data_hash = training_data_sha256(labels_file, splits_file, preferred_file, folder)
    code = file_sha256(*code_hash.module_files(fit))
    checkpoint = Checkpoint(kept, f"{settings.train} {data_hash} {code}")
    with tracking.training_run(params.effective(settings), data_hash) as run:
        tracking.log_dataset(labels[labels["split"] == split_labels.TRAIN], labels_file, data_hash)
        logger = tracking.EpochLogger()
        result = fit.train_network(
            settings.train, data, logs / run, [logger], checkpoint, start.model
        )
        keras_model.save_model(result.model, model_file)
        record = choice_report.describe_choice(
            result.choice, start, labels["photo"].nunique(), preferred
        )
        choice_report.write_choice(record, choice_file)
        result.history.to_csv(history_file, index=False, lineterminator="\n")
        tracking.log_model(result.model, model_file)
    checkpoint.remove()


if __name__ == "__main__":
    stage.run(main)
