"""Keras models from elsewhere are refused in one sentence, and no code in them runs."""

import io
import json
import os
import pickle
import zipfile

import keras
import pytest
from conftest import KERAS_WARNINGS
from keras import layers
from small_networks import PARAMS, PROTOTYPES, START

from cropperhead.cli.main import main
from cropperhead.errors import ModelError
from cropperhead.training.networks import keras_model
from cropperhead.training.networks.registry import build_network

pytestmark = KERAS_WARNINGS


class Traced:
    """Leaves a file where it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def inputs(side=32, image="image"):
    return {
        image: layers.Input((side, side, 3), name=image),
        "aspect": layers.Input((1,), name="aspect"),
    }


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A network as it is saved after training."""
    file = tmp_path_factory.mktemp("sound") / "model.keras"
    keras_model.save_model(build_network(PARAMS, START, PROTOTYPES), file)
    return file


def with_members(sound, members):
    """The archive of a sound model with other contents of some members."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(sound) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, members.get(name, old.read(name)))
    return buffer.getvalue()


def refused(file):
    """The error's message, which is one line of a sensible length."""
    with pytest.raises(ModelError) as caught:
        keras_model.load_model(file)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500 + len(str(file))
    return message.removeprefix(f"{file}: ")


def test_a_saved_model_is_loaded(sound):
    assert keras_model.input_size(keras_model.load_model(sound)) == 32


@pytest.mark.parametrize(
    "config",
    ["", "[]", "{}", "3", '"text"', "[" * 100_000, json.dumps({"class_name": "Functional"})],
)
def test_an_archive_whose_configuration_is_none_is_refused(sound, tmp_path, config):
    file = tmp_path / "model.keras"
    file.write_bytes(with_members(sound, {"config.json": config}))
    assert refused(file).startswith("cannot be loaded by Keras: ")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\3\4 and no more"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    file = tmp_path / "model.keras"
    file.write_bytes(content)
    assert refused(file) == "cannot be loaded by Keras: File is not a zip file"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "model.keras")
    problem = "cannot be loaded by Keras: it is a pipe, expected a file"
    assert refused(tmp_path / "model.keras") == problem


def test_weights_that_are_damaged_are_refused(sound, tmp_path):
    file = tmp_path / "model.keras"
    file.write_bytes(with_members(sound, {"model.weights.h5": b"no weights"}))
    assert refused(file).startswith("cannot be loaded by Keras: ")


def test_a_layer_of_code_is_refused_and_not_run(tmp_path):
    file, trace = tmp_path / "model.keras", tmp_path / "trace"
    path = str(trace)
    image = inputs()
    # the code is saved without this file's imports
    leave_trace = layers.Lambda(lambda pixels: (open(path, "w").close(), pixels)[1])  # noqa: PTH123
    outputs = {"limits": layers.Dense(5)(layers.Flatten()(leave_trace(image["image"])))}
    keras.Model(image, outputs).save(file)
    trace.unlink()
    assert "Lambda" in refused(file)
    assert not trace.exists()


def test_a_pickle_by_the_name_of_a_model_is_refused_and_not_run(tmp_path):
    file, trace = tmp_path / "model.keras", tmp_path / "trace"
    file.write_bytes(pickle.dumps(Traced(trace)))
    assert refused(file) == "cannot be loaded by Keras: File is not a zip file"
    assert not trace.exists()


def test_an_archive_that_unpacks_to_gigabytes_is_refused_before_it_is_unpacked(
    sound, tmp_path, monkeypatch
):
    monkeypatch.setattr(keras_model, "_MOST_BYTES", 10_000_000)
    file = tmp_path / "model.keras"
    file.write_bytes(with_members(sound, {"model.weights.h5": bytes(10_000_000)}))
    assert file.stat().st_size < 1_000_000
    assert "expected 10,000,000 at most" in refused(file)


@pytest.mark.parametrize("kind", ["another image", "a list", "one output", "too large"])
def test_a_model_of_another_kind_is_refused(tmp_path, kind):
    file = tmp_path / "model.keras"
    given = inputs(
        side=3163 if kind == "too large" else 32,  # 10 megapixels
        image="picture" if kind == "another image" else "image",
    )
    limits = layers.Dense(5)(layers.GlobalAveragePooling2D()(next(iter(given.values()))))
    takes = list(given.values()) if kind == "a list" else given
    gives = limits if kind == "one output" else {"limits": limits}
    keras.Model(takes, gives).save(file)
    assert refused(file).startswith("not a model of CropperHead's, expected the inputs image (n, ")


def test_the_command_says_it_in_one_line(tmp_path, capsys):
    file = tmp_path / "model.keras"
    file.write_text("text")
    assert main(["suggest", str(tmp_path), "--model", str(file)]) == 1
    assert capsys.readouterr().err == f"{file}: cannot be loaded by Keras: File is not a zip file\n"
