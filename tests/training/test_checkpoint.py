import pickle

import numpy as np
import pytest

from cropperhead.training.checkpoint import Checkpoint


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    checkpoint = Checkpoint(tmp_path / "deep" / "unfinished.npz", "mine")
    assert checkpoint.read() is None  # nothing yet
    # eleven of a name: their order is that of numbers, not of letters
    state = [np.full(2, i, np.float32) for i in range(11)]
    values = {"rows": [{"epoch": 0, "loss": float("nan")}], "best_loss": 0.1 + 0.2}
    checkpoint.write(values, {"state": state, "best": [np.arange(3)]})
    read, arrays = checkpoint.read()
    assert read["best_loss"] == 0.1 + 0.2
    assert np.isnan(read["rows"][0]["loss"])
    assert [float(each[0]) for each in arrays["state"]] == list(range(11))
    assert (arrays["state"][0].dtype, arrays["best"][0].tolist()) == (np.float32, [0, 1, 2])
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["unfinished.npz"]


def test_another_trainings_checkpoint_is_ignored(tmp_path):
    Checkpoint(tmp_path / "unfinished.npz", "mine").write({}, {})
    assert Checkpoint(tmp_path / "unfinished.npz", "other").read() is None
    assert Checkpoint(tmp_path / "unfinished.npz", "mine").read() is not None


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_not_a_checkpoint_is_ignored(tmp_path, content):
    (tmp_path / "unfinished.npz").write_bytes(content)
    assert Checkpoint(tmp_path / "unfinished.npz", "mine").read() is None


def test_an_array_is_not_a_checkpoint(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(3))
    assert Checkpoint(tmp_path / "array.npy", "mine").read() is None


def test_a_checkpoint_whose_writing_fails_leaves_the_one_before(tmp_path):
    checkpoint = Checkpoint(tmp_path / "unfinished.npz", "mine")
    checkpoint.write({"steps": 1}, {"state": [np.zeros(3)]})
    unwritable = np.array([lambda: 0], dtype=object)  # after the first array is in the file
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        checkpoint.write({"steps": 2}, {"state": [np.zeros(3), unwritable]})
    values, _ = checkpoint.read()
    assert values["steps"] == 1


def test_a_removed_checkpoint_is_gone_and_may_be_gone_before(tmp_path):
    checkpoint = Checkpoint(tmp_path / "unfinished.npz", "mine")
    checkpoint.write({}, {})
    checkpoint.remove()
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []
