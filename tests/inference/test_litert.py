import copy
import io
import json
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from cropperhead.errors import ModelError
from cropperhead.inference import litert

FACTS = {
    "version": "1.2.3",
    "inputs": {"image": {"shape": [1, 2, 2, 3]}, "aspect": {"shape": [1, 1]}},
    "outputs": {"brightness": {"shape": [1, 1]}, "shape": {"shape": [1, 1, 2]}},
}


@pytest.fixture(scope="module")
def tiny():
    """A TFLite model of 2 x 2 px: the brightest value, and the aspect with its square."""

    @tf.function(
        input_signature=[
            tf.TensorSpec((1, 2, 2, 3), tf.float32, name="image"),
            tf.TensorSpec((1, 1), tf.float32, name="aspect"),
        ]
    )
    def one(image, aspect):
        return {
            "brightness": tf.reduce_max(image, axis=(1, 2, 3))[:, None],
            "shape": tf.stack([aspect, aspect * aspect], axis=2),
        }

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [one.get_concrete_function()], tf.Module()
    )
    return converter.convert()


@pytest.fixture
def file(tiny, tmp_path):
    file = tmp_path / "tiny.tflite"
    file.write_bytes(litert.append_facts(tiny, FACTS))
    return file


def images(*brightest):
    pixels = np.zeros((len(brightest), 2, 2, 3), np.uint8)
    pixels[:, 1, 0, 2] = brightest
    return pixels


def test_outputs_come_by_name_for_each_photo(file):
    outputs = litert.load_model(file).outputs(images(200, 7, 255), [1.5, 0.5, 2.0])
    assert outputs["brightness"].tolist() == [[200], [7], [255]]
    assert outputs["shape"].tolist() == [[[1.5, 2.25]], [[0.5, 0.25]], [[2, 4]]]


def test_no_photos_give_outputs_of_no_rows(file):
    outputs = litert.load_model(file).outputs(images(), [])
    assert {name: values.shape for name, values in outputs.items()} == {
        "brightness": (0, 1),
        "shape": (0, 1, 2),
    }


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads_gives_each_photo_its_own(file, threads):
    model = litert.load_model(file, threads)
    brightest = list(range(0, 250, 5))
    outputs = model.outputs(images(*brightest), np.ones(50))
    assert outputs["brightness"].ravel().tolist() == brightest

    def one(value):
        return model.outputs(images(value), [1.0])["brightness"][0, 0]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, brightest)) == brightest


def test_a_model_carries_its_facts_and_is_still_a_tflite_file_and_a_zip_archive(file, tiny):
    model = litert.load_model(file)
    assert model.facts == FACTS
    assert (model.input_size, model.names) == (2, ["brightness", "shape"])
    content = file.read_bytes()
    assert content.startswith(tiny)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["cropperhead.json"]


def test_the_same_facts_make_the_same_bytes(tiny):
    assert litert.append_facts(tiny, FACTS) == litert.append_facts(tiny, dict(FACTS))


def test_files_that_are_not_exported_models_are_rejected(tmp_path, tiny):
    bare, text, wrong = (tmp_path / name for name in ("bare.tflite", "a.tflite", "b.tflite"))
    bare.write_bytes(tiny)
    text.write_text("no model")
    wrong.write_bytes(litert.append_facts(b"no model, but facts", FACTS))
    messages = {
        tmp_path / "gone.tflite": r"gone\.tflite: cannot be read: No such file",
        bare: r"bare\.tflite: not a model that .* exported: it contains no cropperhead\.json\. ",
        text: r"a\.tflite: not a model that CropperHead exported",
        wrong: r"b\.tflite: LiteRT cannot load it: ",
    }
    for file, message in messages.items():
        with pytest.raises(ModelError, match=message):
            litert.load_model(file)


def with_member(tiny, text, compression=zipfile.ZIP_STORED):
    """The model with any text as its facts."""
    buffer = io.BytesIO(tiny)
    with zipfile.ZipFile(buffer, "a", compression) as archive:
        archive.writestr("cropperhead.json", text)
    return buffer.getvalue()


def changed(part, name, shape):
    """The facts with another shape of an input or an output."""
    facts = copy.deepcopy(FACTS)
    facts[part][name] = {"shape": shape}
    return json.dumps(facts)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        ("", "cannot be read"),
        ("[]", "does not describe"),
        ("3", "does not describe"),
        ('{"inputs": "image", "outputs": {}}', "does not describe"),
        ('{"inputs": {"image": {}}, "outputs": {}}', "does not describe"),
        (changed("inputs", "image", "abc"), "does not describe"),
        (changed("inputs", "image", [1, 2.0, 2.0, 3]), "does not describe"),
        (changed("inputs", "image", [1, -2, -2, 3]), "does not describe"),
        (changed("inputs", "image", [1, 2, 4, 3]), "does not describe"),
        (changed("inputs", "image", [2, 2, 2, 3]), "does not describe"),
        (changed("inputs", "image", [1, 3163, 3163, 3]), "one photo of up to 1024 px"),  # 10^7 px
        (changed("inputs", "third", [1, 1]), "does not describe"),
        (changed("outputs", "brightness", [1, True]), "does not describe"),
        (changed("outputs", "brightness", [1, 100_001]), "does not describe"),
        (changed("inputs", "image", [1, 4, 4, 3]), "its inputs are .*, expected .* 4, 4, 3"),
        (changed("outputs", "brightness", [1, 2]), "its outputs are .* expected .* 2"),
        (changed("outputs", "third", [1, 1]), "its outputs are .* expected .*third"),
    ],
)
def test_facts_that_are_none_or_of_another_model_are_refused(tiny, text, problem):
    with pytest.raises(ModelError, match=rf"^odd\.tflite: [^\n]*{problem}"):
        litert.parse_model(with_member(tiny, text), "odd.tflite")


def test_facts_that_unpack_to_more_than_a_megabyte_are_not_unpacked(tiny):
    content = with_member(tiny, b" " * 1_000_001, zipfile.ZIP_DEFLATED)
    assert len(content) < len(tiny) + 2000
    with pytest.raises(ModelError, match="cannot be read"):
        litert.parse_model(content, "bomb.tflite")


def test_a_model_that_takes_much_memory_is_refused(tiny, monkeypatch):
    # the photo alone has 2 * 2 * 3 numbers of 4 bytes
    monkeypatch.setattr(litert, "_MOST_TENSOR_BYTES", 47)
    with pytest.raises(ModelError, match=r"its tensors take [\d,]+ bytes, expected 47"):
        litert.parse_model(litert.append_facts(tiny, FACTS), "large.tflite")


def test_a_file_that_is_too_large_is_not_read(file, monkeypatch):
    monkeypatch.setattr(litert, "_MOST_BYTES", 100)
    with pytest.raises(
        ModelError, match=r"tiny\.tflite: cannot be read: it has more than 100 bytes"
    ):
        litert.load_model(file)


def test_loading_and_running_a_model_loads_nothing_heavy(file):
    script = f"""
import sys, pathlib, numpy
from cropperhead.inference import litert
model = litert.load_model(pathlib.Path({str(file)!r}))
model.outputs(numpy.zeros((1, 2, 2, 3), numpy.uint8), [1.0])
heavy = {{"tensorflow", "keras", "mlflow", "pandas", "scipy", "pyarrow", "yaml"}}
print(*({{name.split(".")[0] for name in sys.modules}} & heavy))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
