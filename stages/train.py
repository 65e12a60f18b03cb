"""Trains the network that params.yaml chooses, and enters the run in MLflow's diary.

python stages/train.py SHARDS LABELS SPLITS MODEL HISTORY TENSORBOARD
"""

import sys
from pathlib import Path

from cropperhead import batches, models, params, shards, splits, stage, tracking, training


def main() -> None:
    folder, labels_file, splits_file, model_file, history_file, logs = map(Path, sys.argv[1:])
    settings = params.load()
    size = models.image_size(settings.train)
    labels = splits.labelled(labels_file, splits_file)
    learnt = batches.examples(folder, labels[labels["split"] == splits.TRAIN], size)
    checked = batches.examples(folder, labels[labels["split"] == splits.VALIDATION], size)
    data_hash = tracking.file_hash(labels_file, splits_file, *shards.files(folder))
    with tracking.training_run(params.effective(settings), data_hash) as run:
        tracking.log_dataset(labels[labels["split"] == splits.TRAIN], labels_file, data_hash)
        logger = tracking.EpochLogger()
        fitted = training.fit(settings.train, learnt, checked, logs / run, [logger])
        models.save(fitted.model, model_file)
        fitted.history.to_csv(history_file, index=False, lineterminator="\n")
        tracking.log_model(fitted.model, model_file, checked.photos.first(2).inputs())


if __name__ == "__main__":
    stage.run(main)
