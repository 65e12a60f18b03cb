"""The package `cropperhead_base`: data that networks start from."""

import subprocess
import sys
import zipfile

import cropperhead_base
import keras
import numpy as np
from conftest import ROOT

from cropperhead.inference import litert

CONVERT = ROOT / "tools" / "convert_features.py"


def test_the_features_are_those_of_mobilenet_v2_up_to_block_12_add():
    full = keras.applications.MobileNetV2(include_top=False, input_shape=(64, 64, 3), weights=None)
    network = keras.Model(full.input, full.get_layer("block_12_add").output)
    with np.load(cropperhead_base.features_file()) as archive:
        arrays = [archive[name] for name in sorted(archive.files)]
    assert [array.shape for array in arrays] == [each.shape for each in network.get_weights()]
    assert {array.dtype for array in arrays} == {np.dtype(np.float16)}
    assert all(np.isfinite(array).all() for array in arrays)


def test_features_converted_from_all_of_the_network_s_weights_are_the_same_bytes(tmp_path):
    with np.load(cropperhead_base.features_file()) as archive:
        arrays = {name: archive[name].astype(np.float32) for name in archive.files}
    everything, out = tmp_path / "all.npz", tmp_path / "features.npz"
    np.savez(everything, **arrays, zzz_block_13=np.ones(3, np.float32))
    subprocess.run([sys.executable, CONVERT, everything, out], check=True)
    assert members(out) == members(cropperhead_base.features_file())


def members(archive):
    """The content of each file in an archive, whose own header depends on Python's version."""
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_the_base_model_straightens_and_says_what_it_learned_from():
    model = litert.load_model(cropperhead_base.model_file())
    assert {"straightening", "unturned", "unlike"} <= set(model.facts["outputs"])
    assert model.facts["learned_from"] == "1,275 photos of the Flickr Cropping Dataset"


def test_other_weights_are_refused_by_name(tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, kernel=np.ones(3, np.float32))
    done = subprocess.run(
        [sys.executable, CONVERT, other, tmp_path / "out.npz"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"{other}: these are not the weights of MobileNetV2 1.0 without its top\n"
    assert not (tmp_path / "out.npz").exists()


def test_the_wheel_holds_the_data_and_the_licences(tmp_path):
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    copy = tmp_path / "base"
    subprocess.run(["cp", "-r", ROOT / "base", copy], check=True)
    command = [sys.executable, "-c", build, tmp_path]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    data = {file.name for file in (ROOT / "base" / "src" / "cropperhead_base").glob("*.*")}
    assert {f"cropperhead_base/{name}" for name in data} <= names
    licences = {name.rpartition("/")[2] for name in names if "/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}
