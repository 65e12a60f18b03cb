"""The verdict on libraries whose truth is known: crops by a rule, and crops by chance."""

import dataclasses

import pytest
from conftest import KERAS_WARNINGS, ROOT

from cropperhead import params
from cropperhead.dataset import extract, shards, split
from cropperhead.demo import draw_library
from cropperhead.evaluation import evaluate, metrics
from cropperhead.library import scan
from cropperhead.training.fit import train_network
from cropperhead.training.networks import keras_model
from cropperhead.training.training_data import read_training_data

pytestmark = [pytest.mark.slow, KERAS_WARNINGS]

PARAMS = params.load(ROOT / "params.yaml")
TRAIN = dataclasses.replace(PARAMS.train, quality="fast", image_size=64, epochs=14)
SETTINGS = dataclasses.replace(
    PARAMS, evaluate=dataclasses.replace(PARAMS.evaluate, random_draws=10)
)
# Small copies, drawn and read in seconds; a third of the photos for the test, to tell more surely
EXTRACT = dataclasses.replace(PARAMS.extract, long_side=256)
SPLIT = dataclasses.replace(
    PARAMS.split, fractions={"train": 0.55, "validation": 0.12, "test": 0.33}
)


@pytest.mark.parametrize(("policy", "outcome"), [("rule", "learned"), ("random", "no evidence")])
def test_the_verdict_on_the_demo_library_is_right(policy, outcome, tmp_path):
    folder, out = tmp_path / "library", tmp_path / "out"
    draw_library(folder, 300, policy, 20)
    entries = scan.scan(folder, [], EXTRACT.tags).entries
    extract.extract_into(out, folder, entries, EXTRACT)
    labels = shards.read_labels(out / "extracted")
    dealt = labels.merge(split.assign_splits(labels, SPLIT), on="photo")
    data = read_training_data(out / "extracted", dealt, TRAIN, out / "fields")
    fitted = train_network(TRAIN, data)
    keras_model.save_model(fitted.model, out / "model.keras")
    found = evaluate.evaluate_model(dealt, out / "extracted", out / "model.keras", SETTINGS)
    assert metrics.headline_metrics(found)["outcome"] == outcome
