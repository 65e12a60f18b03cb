"""A base model as a start: which model a photographer gets, and what it then gives."""

import dataclasses

import cropperhead_base
import numpy as np
import pytest
from conftest import WITHOUT_GRAPHS

from cropperhead import params
from cropperhead.errors import ParamsError
from cropperhead.params import FeatureNetworkParams, FeaturesParams
from cropperhead.training import adapt, batches, personal
from cropperhead.training.base_model import BaseModel
from cropperhead.training.fields import compute_fields
from cropperhead.training.fit import train_network
from cropperhead.training.networks import finished, keras_model
from cropperhead.training.networks.features import read_features
from cropperhead.training.training_data import TrainingData

pytestmark = WITHOUT_GRAPHS

SIDE = 32
QUICK = dataclasses.replace(
    params.load().train,
    quality="standard",
    features=FeaturesParams(str(cropperhead_base.features_file()), SIDE),
    head=FeatureNetworkParams(2, 2, 0.005, 0.05, 0.3, 0),
    batch_size=4,
    prototypes=5,
)


def pictures(count: int, seed: int) -> batches.PhotoArrays:
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    names = [f"{seed}-{place}" for place in range(count)]
    return batches.PhotoArrays(names, images, np.full(count, 1.5, np.float32))


def on_fields(photos: batches.PhotoArrays, limits: np.ndarray) -> batches.FieldExamples:
    fields = np.stack(list(compute_fields(photos.images, read_features(QUICK.features), SIDE)))
    arrays = batches.FieldArrays(photos.names, fields, photos.aspect)
    return batches.FieldExamples(arrays, np.arange(len(limits)), limits.astype(np.float32))


def data_of(limits: np.ndarray, seed: int) -> TrainingData:
    """Photos of noise with these crops (n, 5); the last third is for validation."""
    part = len(limits) * 2 // 3
    photos = pictures(len(limits), seed)
    halves = [slice(0, part), slice(part, None)]
    training, validation = (
        on_fields(
            batches.PhotoArrays(photos.names[one], photos.images[one], photos.aspect[one]),
            limits[one],
        )
        for one in halves
    )
    return TrainingData(training, validation)


def crops(count: int, seed: int, centre: float = 0.5, side: float = 0.7) -> np.ndarray:
    """Level crops of about one size and place, (n, 5)."""
    generator = np.random.default_rng(seed)
    middle = np.array([centre, 0.5]) + generator.normal(0, 0.02, (count, 2))
    half = side / 2 + generator.normal(0, 0.01, (count, 2))
    limits = np.concatenate([middle - half, middle + half, np.zeros((count, 1))], axis=1)
    return np.clip(limits, 0, 1)


@pytest.fixture(scope="module")
def base() -> BaseModel:
    """A base model of 18 crops of 0.7 of the sides, in the middle."""
    parts = train_network(QUICK, data_of(crops(18, 1), 1)).parts
    return BaseModel(
        weights=tuple(parts.network.get_weights()),
        crop=parts.crop,
        prototypes=parts.prototypes,
        calibration=dict(vars(parts.calibration)),
        features=read_features(QUICK.features).sha256,
        image_size=SIDE,
        hashes=np.zeros(0, np.uint64),
    )


@pytest.fixture(scope="module")
def adapted(base):
    """The model of a photographer with 18 crops, smaller and further up than the base's."""
    data = data_of(crops(18, 2, centre=0.4, side=0.5), 2)
    return data, train_network(QUICK, data, base=base)


def finished_limits(result, photos: batches.FieldArrays, seed: int) -> np.ndarray:
    """The crops of the finished model, which takes pictures of 256 px."""
    small = pictures(18, seed)
    places = [small.names.index(name) for name in photos.names]
    images = small.images[places].repeat(256 // SIDE, axis=1).repeat(256 // SIDE, axis=2)
    return keras_model.predict_limits(
        result.model, batches.PhotoArrays(photos.names, images, photos.aspect)
    )


def test_with_few_crops_the_personal_step_is_chosen_and_nothing_trained(adapted):
    _, result = adapted
    assert (result.choice.name, result.model.name) == ("personal", "personal")
    assert result.choice.scored == 18
    assert set(result.choice.scores) == {"base", "shrunk", "fitted", "median"}
    assert result.history["epoch"].tolist() == [0]
    assert "tighter than most, place subjects lower" in result.choice.words


def test_the_finished_model_crops_as_the_step_in_numpy(base, adapted):
    data, result = adapted
    start = adapt.begin(QUICK, data, base)
    limits = finished_limits(result, data.validation.photos, 2)
    aspect = data.validation.aspect[:, None].astype(float)
    model = finished.average_with_mirror_image(start.head, base.prototypes)
    plain = adapt.predict_untilted(model, data.validation)
    expected = personal.take_step(plain, aspect, start.step)
    # fields are kept in 16 bits, of which the network makes the crops
    assert limits[:, :4] == pytest.approx(expected, abs=2e-3)
    truth = data.validation.limits.astype(float)
    assert personal.overlaps(limits, truth).mean() > personal.overlaps(plain, truth).mean() + 0.1


def test_the_same_crops_give_the_same_bytes(base, adapted, tmp_path):
    data, result = adapted
    again = train_network(QUICK, data, base=base)
    for name, each in (("one", result), ("two", again)):
        keras_model.save_model(each.model, tmp_path / f"{name}.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()


def test_with_many_crops_trained_networks_join_the_choice(base, monkeypatch):
    monkeypatch.setattr(adapt, "ENOUGH", 10)
    data = data_of(crops(18, 3, centre=0.4, side=0.5), 3)
    result = train_network(QUICK, data, base=base)
    assert {"tuned", "own"} < set(result.choice.scores)
    assert result.choice.scored == len(data.validation)
    names = {"own": "frozen-features"}
    assert result.model.name == names.get(result.choice.name, result.choice.name)


def test_crops_of_photos_that_the_base_knows_take_no_part_in_the_choice(base):
    data = data_of(crops(18, 2, centre=0.4, side=0.5), 2)
    names = frozenset(data.training.photos.names[:4])
    start = adapt.begin(QUICK, dataclasses.replace(data, known=names), base)
    assert start.choice.scored == 14
    everything = frozenset([*data.training.photos.names, *data.validation.photos.names])
    known = dataclasses.replace(data, known=everything)
    assert adapt.begin(QUICK, known, base).choice == adapt.Choice("base")
    assert adapt.choose(start, known, {}).name == "own"


def test_a_base_of_other_features_is_refused(base):
    other = dataclasses.replace(base, features="f00d")
    with pytest.raises(ParamsError, match=r"train\.base was trained on other features"):
        adapt.begin(QUICK, data_of(crops(18, 2), 2), other)
