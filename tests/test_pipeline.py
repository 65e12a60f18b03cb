"""The whole pipeline on a small demo library, as a user runs it."""

import dataclasses
import hashlib
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
from conftest import KERAS_WARNINGS, ROOT, picture, save_photo, settings, xmp
from sending_pages import choose, collecting, send, tilted_photo, type_limits, withdraw_last

from cropperhead import params
from cropperhead.cli.main import main
from cropperhead.dataset import split_labels
from cropperhead.errors import DataError
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.inference import litert

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
    for cropper in ("human", "cnn", "random", "none", "median", "shuffled", "smartcrop"):
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


def test_the_card_and_the_exported_model_name_the_data_that_the_network_learned_from(finished):
    data = finished / "data"
    files = [data / name for name in ("labels.parquet", "splits.parquet", "preferred.csv")]
    files += sorted((data / "extracted").glob("shard-*.parquet"))
    expected = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    assert f"SHA-256 `{expected}`" in (finished / "reports" / "model_card.md").read_text()
    exported = (finished / "models" / "model.tflite").read_bytes()
    assert litert.read_facts(exported, "model.tflite")["data_sha256"] == expected


@KERAS_WARNINGS
def test_a_study_to_learn_from_shows_training_photos_with_their_crops_of_today(copy, monkeypatch):
    monkeypatch.chdir(copy)
    assert main(["study", "new", "--training", "--sessions", "1"]) == 0
    study = json.loads((copy / "data" / "study-training" / "key.json").read_text())
    labels, splits = (
        pd.read_parquet(copy / "data" / f"{name}.parquet") for name in ("labels", "splits")
    )
    trained = labels.merge(splits[splits["split"] == "train"], on="photo").set_index("photo")
    assert study["split"] == "train"
    assert len(study["photos"]) >= 12
    for photo in study["photos"]:
        label = trained.loc[[photo["name"]]].iloc[0]  # KeyError for a photo of another split
        assert photo["limits"]["human"] == label[list(CROP_COLUMNS)].tolist()


@KERAS_WARNINGS
def test_a_study_to_learn_from_says_which_croppers_it_can_show(finished):
    from cropperhead.evaluation import evaluate  # noqa: PLC0415 - TensorFlow

    data, loaded = finished / "data", params.load(finished / "params.yaml")
    study = dataclasses.replace(loaded.study, croppers=("human", "similar"))
    labels = split_labels.read_labels_with_splits(data / "labels.parquet", data / "splits.parquet")
    with pytest.raises(DataError, match=r"there are .*cnn.*, human.*, got similar\."):
        evaluate.score_training_photos(
            labels,
            data / "extracted",
            finished / "models" / "model.keras",
            dataclasses.replace(loaded, study=study),
        )


@pytest.mark.slow
def test_a_network_from_scratch_needs_no_features(copy):
    (copy / "features.npz").unlink()
    change(copy, "train", quality="fast", epochs=2, image_size=32, least_steps=5)
    assert stages_run(run(copy, "dvc", "repro", "train")) == [
        "scan",
        "fields",
        "preferred",
        "train",
    ]


@pytest.mark.slow
def test_from_scratch_elsewhere_every_byte_is_the_same(finished, features, tmp_path):
    again = project(tmp_path, features)
    run(again, "dvc", "repro")
    assert (again / "dvc.lock").read_text() == (finished / "dvc.lock").read_text()


def test_nothing_but_the_look_at_library_and_votes_is_repeated(copy):
    lock = (copy / "dvc.lock").read_text()
    assert stages_run(run(copy, "dvc", "repro")) == ["scan", "preferred", "votes"]
    assert (copy / "dvc.lock").read_text() == lock


def test_a_changed_param_reruns_the_stages_that_depend_on_it(copy):
    params = (copy / "params.yaml").read_text()
    change(copy, "evaluate", seed=99)
    assert stages_run(run(copy, "dvc", "repro", "--dry")) == [
        "scan",
        "preferred",
        "votes",
        "evaluate",
    ]
    (copy / "params.yaml").write_text(params)
    change(copy, "validate", min_side=0.01)
    # the same labels come out of validation, so that nothing is split or trained anew; but the
    # datasheet tells the bounds
    assert stages_run(run(copy, "dvc", "repro", "train")) == ["scan", "validate", "preferred"]
    assert stages_run(run(copy, "dvc", "repro", "--dry")) == [
        "scan",
        "preferred",
        "votes",
        "evaluate",
    ]


def test_of_a_grown_library_only_the_new_photos_are_read(copy):
    library = copy / "data" / "grown"
    shutil.copytree(copy / "data" / "demo-library", library)
    change(copy, "extract", library="data/grown")
    run(copy, "dvc", "repro", "extract")
    before = {file.name: file.read_bytes() for file in (copy / "data/extracted").iterdir()}
    photo = min(library.glob("20*/**/*.jpg"))
    shutil.copy(photo, library / "new.jpg")
    (library / "new.xmp").write_bytes(xmp(settings()))
    with (library / "new.jpg").open("ab") as stream:
        stream.write(b"\0")  # no exact copy
    run(copy, "dvc", "repro", "extract")
    after = {file.name: file.read_bytes() for file in (copy / "data/extracted").iterdir()}
    assert {name: after[name] for name in before} == before
    [new] = set(after) - set(before)
    assert pd.read_parquet(copy / "data/extracted" / new)["photo"].tolist() == ["new.jpg"]


@pytest.mark.slow
def test_a_crop_that_people_send_reaches_the_report_until_it_is_withdrawn(copy, page, found_model):
    # stored turned; upright it has 600 x 900 px, and the crop keeps the right half of its height
    turned = save_photo(copy / "turned.jpg", image=picture(900, 600), exif={0x0112: 6})
    tilted = tilted_photo(copy / "tilted.jpg")
    sent = {
        turned: {"angle": 0, "top": 0.02, "left": 0.52, "bottom": 0.48, "right": 0.98},
        tilted: {"angle": 10, "top": 0.35, "left": 0.3, "bottom": 0.65, "right": 0.7},
    }
    change(copy, "extract", collected="data/collection")
    with collecting(copy / "data" / "collection", found_model) as (address, accept_all):
        for photo, limits in sent.items():
            choose(page, address, photo)
            for _ in range(2):  # a limit goes only as far as those that were there let it
                type_limits(page, limits)
            send(page)
        accept_all(page)
        run(copy, "dvc", "repro")
        both = collected_labels(copy)
        withdraw_last(page, address)
        run(copy, "dvc", "repro")
    expected = {
        width: [limits[side] for side in ("top", "left", "bottom", "right", "angle")]
        for width, limits in zip((600, 900), sent.values(), strict=True)
    }
    assert both.keys() == expected.keys()
    for width, limits in expected.items():
        assert both[width] == pytest.approx(limits, abs=1e-4)
    assert collected_labels(copy).keys() == {600}
    sheet = (copy / "reports" / "datasheet.md").read_text()
    assert "1 person sent 1 crop of 1 photo" in sheet


def collected_labels(folder: Path) -> dict[int, list[float]]:
    """The limits of the crops that people sent, by the photo's width, once all stages have run."""
    labels = pd.read_parquet(folder / "data" / "labels.parquet")
    theirs = labels[labels["source"] == "collected"]
    assert set(theirs["photo"]) <= set(pd.read_parquet(folder / "data/splits.parquet")["photo"])
    sheet = (folder / "reports" / "datasheet.md").read_text()
    assert f"{len(theirs)} {'crop' if len(theirs) == 1 else 'crops'} of" in sheet
    return {int(row["width"]): [row[n] for n in CROP_COLUMNS] for row in theirs.to_dict("records")}
