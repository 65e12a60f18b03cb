"""A base model built from a library."""

import dataclasses

import pytest
from conftest import extract_params, save_photo, scene, settings, xmp

from cropperhead import params
from cropperhead.inference import litert
from cropperhead.params import FeatureNetworkParams, FeaturesParams
from cropperhead.training import base_model, build_base

COUNT = 40


@pytest.fixture
def photos(tmp_path):
    """A library of level crops, no two alike."""
    folder = tmp_path / "photos"
    for place in range(COUNT):
        packet = xmp(settings(top=0.01 * (place % 20), left=0.02 * (place % 5)))
        save_photo(folder / f"{place}.jpg", packet, scene(place, 96, 64))
    return folder


@pytest.fixture
def quick(features):
    """Values with which a head is trained in seconds."""
    loaded = params.load()
    train = dataclasses.replace(
        loaded.train,
        features=FeaturesParams(str(features), 32),
        head=FeatureNetworkParams(2, 2, 0.005, 0.05, 0.3, 0),
        batch_size=4,
        prototypes=5,
    )
    return dataclasses.replace(loaded, train=train, extract=extract_params("unused"))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_base_is_built_from_a_library_and_holds_what_others_start_from(photos, quick, tmp_path):
    out = tmp_path / "base"
    said = build_base.build_base(photos, [], out, tmp_path / "work", quick, "our studio")
    assert said == f"Built {out}: learned from 40 photos of our studio, 40 crops."
    assert {file.name for file in out.iterdir()} == {"head.npz", "hashes.npz", "base.tflite"}
    base = base_model.read_base(out)
    assert len(set(base.hashes.tolist())) == COUNT
    assert base.prototypes.shape[1] == 4
    assert base.image_size == 32
    model = litert.load_model(out / "base.tflite")
    assert model.facts["learned_from"] == "40 photos of our studio"
    assert {"limits", "confidence", "straightening", "unlike"} <= set(model.facts["outputs"])


def test_none_of_a_base_s_photos_is_held_out_for_a_test(photos, quick, tmp_path):
    labels = build_base._labels(photos, [], tmp_path / "work", quick)
    assert set(labels["split"]) == {"train", "validation"}
    assert labels["photo"].nunique() == COUNT
