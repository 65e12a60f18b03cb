"""Base models on disk, and which photos they know."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from cropperhead import params
from cropperhead.errors import DataError, ParamsError
from cropperhead.training import base_model
from cropperhead.training.base_model import ADAPTED, BaseModel

HASHES = np.array([0x00FF00FF00FF00FF, 0x123456789ABCDEF0], np.uint64)


def model(hashes=HASHES) -> BaseModel:
    return BaseModel(
        weights=(np.array([[0.5, 0.25]], np.float32), np.array([2.0], np.float32)),
        crop=np.array([0.1, 0.1, 0.9, 0.9, 0.0]),
        prototypes=np.array([[0.0, 0.0, 1.0, 1.0]], np.float32),
        calibration={"temperature": 1.5, "scale": 1.0, "uncropped": np.array([0.5], np.float32)},
        features="f00d",
        image_size=256,
        hashes=hashes,
    )


def table(hashes: list[int], split: str = "test") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "photo": [f"{place}.jpg" for place in range(len(hashes))],
            "perceptual_hash": [f"{each:016x}" for each in hashes],
            "split": split,
        }
    )


def settings_for(folder):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    file = folder / "params.yaml"
    file.write_text(text.replace("base: cropperhead-base", f"base: {folder}"), encoding="utf-8")
    return params.load(file)


def test_a_base_model_comes_back_as_it_was_and_the_same_bytes_again(tmp_path):
    base_model.write_base(model(), tmp_path / "one")
    base_model.write_base(model(), tmp_path / "two")
    for name in ("head.npz", "hashes.npz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    back, known = base_model.read_base(tmp_path / "one"), model()
    assert [each.tolist() for each in back.weights] == [[[0.5, 0.25]], [2.0]]
    assert back.crop.tolist() == known.crop.tolist()
    assert back.prototypes.tolist() == [[0, 0, 1, 1]]
    assert back.calibration["temperature"] == 1.5
    assert back.calibration["uncropped"].tolist() == [0.5]
    assert (back.features, back.image_size) == ("f00d", 256)
    assert back.hashes.tolist() == known.hashes.tolist()


def test_a_folder_without_a_base_model_is_refused_by_its_name(tmp_path):
    with pytest.raises(ParamsError, match=r"train\.base: .* has no head\.npz"):
        base_model.find_base(str(tmp_path))
    (tmp_path / "head.npz").write_bytes(b"not an archive")
    (tmp_path / "hashes.npz").write_bytes(b"")
    with pytest.raises(ParamsError, match=r"head\.npz: not readable"):
        base_model.read_base(tmp_path)
    np.savez(tmp_path / "head.npz", other=np.ones(1))
    np.savez(tmp_path / "hashes.npz", hashes=HASHES)
    with pytest.raises(ParamsError, match="not a base model's"):
        base_model.read_base(tmp_path)


def test_photos_within_a_few_bits_of_a_learned_one_are_known():
    # 3 bits from the first, 7 from the second, and the second itself
    near = [0x00FF00FF00FF00FF ^ 0b111, 0x123456789ABCDEF0 ^ 0b1111111, 0x123456789ABCDEF0]
    assert base_model.known_photos(table(near), HASHES, 6) == {"0.jpg", "2.jpg"}


def test_a_library_that_the_base_learned_from_does_not_start_from_it(tmp_path):
    base_model.write_base(model(), tmp_path)
    settings = settings_for(tmp_path)
    both = base_model.start_from(table([int(each) for each in HASHES]), settings)
    assert both.model is None
    assert both.known == {"0.jpg", "1.jpg"}
    # one of three
    start = base_model.start_from(table([int(HASHES[0]), 1, 2**63]), settings)
    assert start.model is not None
    assert start.known == {"0.jpg"}


@pytest.mark.parametrize("name", ADAPTED)
def test_a_model_that_knows_a_photo_from_the_base_is_not_scored_on_it(name, tmp_path):
    base_model.write_base(model(), tmp_path)
    labels = table([int(HASHES[0]), 1, 2**63])
    left = base_model.without_known(labels, name, settings_for(tmp_path))
    assert left["photo"].tolist() == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize("name", ADAPTED)
def test_a_base_that_saw_the_whole_test_set_is_never_praised(name, tmp_path):
    base_model.write_base(model(), tmp_path)
    tested, trained = table([int(each) for each in HASHES]), table([1, 3, 2**63], "train")
    trained["photo"] = ["a.jpg", "b.jpg", "c.jpg"]
    with pytest.raises(DataError, match="learned from every test photo"):
        base_model.without_known(pd.concat([tested, trained]), name, settings_for(tmp_path))


def test_a_model_of_the_own_crops_is_scored_on_all_photos(tmp_path):
    base_model.write_base(model(), tmp_path)
    labels = table([int(HASHES[0]), 1])
    assert base_model.without_known(labels, "frozen-features", settings_for(tmp_path)) is labels
