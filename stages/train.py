"""Trains the network that params.yaml chooses, and enters the run in MLflow's diary.

python stages/train.py SHARDS LABELS SPLITS MODEL HISTORY TENSORBOARD UNFINISHED
"""

import sys
from pathlib import Path

from cropperhead import params
from cropperhead.dataset import shards, split
from cropperhead.system import code_hash as sources
from cropperhead.system import stage
from cropperhead.training import tracking, train
from cropperhead.training.networks import build


def main() -> None:
    folder, labels_file, splits_file, model_file, history_file, logs, kept = map(Path, sys.argv[1:])
    settings = params.load()
    labels = split.read_labels_with_splits(labels_file, splits_file)
    lessons = train.read(folder, labels, settings.train)
    data_hash = tracking.file_hash(labels_file, splits_file, *shards.shard_files(folder))
    code_hash = tracking.file_hash(*sources.module_files(train))
    checkpoint = train.Checkpoint(kept, f"{settings.train} {data_hash} {code_hash}")
    with tracking.training_run(params.effective(settings), data_hash) as run:
        tracking.log_dataset(labels[labels["split"] == split.TRAIN], labels_file, data_hash)
        logger = tracking.EpochLogger()
        fitted = train.fit(settings.train, lessons, logs / run, [logger], checkpoint)
        build.save(fitted.model, model_file)
        fitted.history.to_csv(history_file, index=False, lineterminator="\n")
        tracking.log_model(fitted.model, model_file)
    checkpoint.remove()


if __name__ == "__main__":
    stage.run(main)
