"""The whole pipeline on a small demo library, as a user runs it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import ROOT, settings, xmp

STAGES = list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
QUICK = {"epochs": 2, "least_steps": 5, "learning_rate": 0.0015, "weight_decay": 0.05}
SMALL = {
    "demo": {"photos": 60},
    "train": {
        "features": {"source": "features.npz", "image_size": 32},
        "head": QUICK | {"dropout": 0.4, "refits": 1},
        "base": "none",  # its fields are of 256 px
    },
    "evaluate": {"random_draws": 10},
    "extract": {"batch_files": 16},
}


def project(folder: Path, features: Path) -> Path:
    """A copy of the project with small params and features, under git and DVC of its own."""
    shutil.copy(features, folder / "features.npz")
    for name in ("src", "stages", "base"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for block, values in SMALL.items():
        params[block] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    for command in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"]):
        run(folder, *command)
    return folder


def run(folder: Path, *command: str) -> str:
    places = [str(Path(sys.executable).parent), os.environ["PATH"]]
    paths = {"PATH": os.pathsep.join(places), "PYTHONPATH": str(folder / "src")}
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"} | paths
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def change(folder: Path, block: str, **values: object) -> None:
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params[block] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, features) -> Path:
    folder = project(tmp_path_factory.mktemp("project"), features)
    assert stages_run(run(folder, "dvc", "repro")) == STAGES
    return folder


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """A copy of the finished project, to change."""
    return Path(shutil.copytree(finished, tmp_path / "copy", symlinks=True))


def test_the_demo_library_is_counted_to_the_last_file(finished):
    counts = json.loads((finished / "reports" / "extract.json").read_text())
    marker = json.loads((finished / "data" / "demo-library" / "demo-library.json").read_text())
    assert counts["cropped"] == marker["counts"]["cropped"]
    ends = ("cropped", "uncropped", "suggested", "rejected_total")
    assert counts["seen"] == sum(counts[end] for end in ends)
    rejected = pd.read_csv(finished / "reports" / "rejected.csv")
    assert len(rejected) == counts["rejected_total"]
    kinds = rejected["reason"].str.split(":").str[0]
    assert set(kinds[rejected["file"].str.startswith("bad/")]) == {
        "broken_xmp",
        "duplicate",
        "empty",
        "inverted",
        "not_a_photo",
        "orphan_sidecar",
        "outside",
        "pixels",
        "unreadable",
    }
    assert set(kinds[~rejected["file"].str.startswith("bad/")]) == {"already_applied"}


def test_every_test_photo_is_scored_for_every_cropper(finished):
    scores = pd.read_csv(finished / "reports" / "scores.csv")
    dealt = pd.read_parquet(finished / "data" / "splits.parquet")
    tested = set(dealt.loc[dealt["split"] == "test", "photo"])
    for cropper in ("human", "cnn", "random", "none", "median", "shuffled"):
        assert set(scores.loc[scores["cropper"] == cropper, "photo"]) == tested
    assert scores["iou"].between(0, 1).all()
    assert "<!doctype html>" in (finished / "reports" / "comparison.html").read_text().lower()


def test_metrics_and_plots_have_something_to_show(finished):
    shown = run(finished, "dvc", "metrics", "show")
    assert "overlap" in shown
    assert "gain_low" in shown
    run(finished, "dvc", "plots", "show", "--out", "page")
    page = (finished / "page" / "index.html").read_text()
    assert "Overlap by cropper" in page
    assert "validation_iou" in page


@pytest.mark.slow
def test_a_network_from_scratch_needs_no_features(copy):
    (copy / "features.npz").unlink()
    change(copy, "train", quality="fast", epochs=2, image_size=32, least_steps=5)
    assert stages_run(run(copy, "dvc", "repro", "train")) == ["scan", "fields", "train"]


@pytest.mark.slow
def test_from_scratch_elsewhere_every_byte_is_the_same(finished, features, tmp_path):
    again = project(tmp_path, features)
    run(again, "dvc", "repro")
    assert (again / "dvc.lock").read_text() == (finished / "dvc.lock").read_text()


def test_nothing_but_the_look_at_library_and_votes_is_repeated(copy):
    lock = (copy / "dvc.lock").read_text()
    assert stages_run(run(copy, "dvc", "repro")) == ["scan", "votes"]
    assert (copy / "dvc.lock").read_text() == lock


def test_a_changed_param_reruns_the_stages_that_depend_on_it(copy):
    params = (copy / "params.yaml").read_text()
    change(copy, "evaluate", seed=99)
    assert stages_run(run(copy, "dvc", "repro", "--dry")) == ["scan", "votes", "evaluate"]
    (copy / "params.yaml").write_text(params)
    change(copy, "validate", min_side=0.01)
    # the same labels come out of validation, so that nothing is split or trained anew; but the
    # datasheet tells the bounds
    assert stages_run(run(copy, "dvc", "repro")) == ["scan", "validate", "votes", "evaluate"]


def test_of_a_grown_library_only_the_new_photos_are_read(copy):
    library = copy / "data" / "grown"
    shutil.copytree(copy / "data" / "demo-library", library)
    change(copy, "extract", library="data/grown")
    run(copy, "dvc", "repro", "extract")
    before = {file.name: file.read_bytes() for file in (copy / "data/extracted").iterdir()}
    photo = next(library.glob("20*/**/*.jpg"))
    shutil.copy(photo, library / "new.jpg")
    (library / "new.xmp").write_bytes(xmp(settings()))
    with (library / "new.jpg").open("ab") as stream:
        stream.write(b"\0")  # no exact copy
    run(copy, "dvc", "repro", "extract")
    after = {file.name: file.read_bytes() for file in (copy / "data/extracted").iterdir()}
    assert {name: after[name] for name in before} == before
    [new] = set(after) - set(before)
    assert pd.read_parquet(copy / "data/extracted" / new)["photo"].tolist() == ["new.jpg"]
