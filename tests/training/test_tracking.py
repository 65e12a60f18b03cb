import hashlib
import subprocess

import keras
import mlflow
import numpy as np
import pytest
from conftest import MLFLOW_WARNINGS, label_table
from mlflow.entities import LoggedModelOutput

from cropperhead.training import tracking

PARAMS = {
    **{"train.quality": "fast", "train.seed": 7},
    **{"train.learning_rate": 0.002, "train.threads": 2},
}
EXAMPLE = {
    "image": np.zeros((2, 8, 8, 3), np.uint8),
    "aspect": np.ones((2, 1), np.float32),
}

pytestmark = MLFLOW_WARNINGS


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty project folder without a tracking address, as a user has it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield tmp_path
    mlflow.set_tracking_uri(None)


def tiny_model() -> keras.Model:
    inputs = {
        "image": keras.Input((8, 8, 3), name="image"),
        "aspect": keras.Input((1,), name="aspect"),
    }
    pooled = keras.layers.GlobalAveragePooling2D()(inputs["image"])
    joined = keras.layers.Concatenate()([pooled, inputs["aspect"]])
    return keras.Model(inputs, {"limits": keras.layers.Dense(5, name="limits")(joined)})


def test_one_run_holds_training_model_and_evaluation(store):
    model, file = tiny_model(), store / "model.keras"
    model.save(file)
    with tracking.training_run(PARAMS, data_sha256="d" * 64):
        tracking.log_dataset(label_table(4), store / "labels.parquet", "d" * 64)
        logger = tracking.EpochLogger()
        for epoch in range(2):
            logger.on_epoch_end(epoch, {"epoch": epoch + 1, "loss": 0.5 - 0.1 * epoch})
        tracking.log_model(model, file)
    (store / "dvc.lock").write_text("stages: {train: {cmd: a}, evaluate: {cmd: b}}")
    (store / "comparison.html").write_text("report")
    (store / "forest.png").write_text("picture")
    evaluated = tracking.Evaluated({"seed": 3}, {"test.overlap": 0.7}, "aa", "It **learned**.")
    files = [store / "comparison.html", store / "forest.png"]
    tracking.log_evaluation(file, store / "dvc.lock", evaluated, files)

    [run] = mlflow.search_runs(experiment_names=[tracking.EXPERIMENT], output_format="list")
    assert run.info.run_name == "fast seed 7"
    assert run.data.params == {name: str(value) for name, value in PARAMS.items()}
    assert run.data.metrics == {"training/loss": 0.4, "test.overlap": 0.7}
    assert run.data.tags["data_sha256"] == "d" * 64
    assert run.data.tags["model_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (
        run.data.tags["dvc_lock_sha256"] == hashlib.sha256(b'{"train": {"cmd": "a"}}').hexdigest()
    )
    assert run.data.tags["evaluated.seed"] == "3"
    assert {"git_commit", "git_dirty"} <= set(run.data.tags)
    assert run.data.tags["mlflow.note.content"] == "It **learned**."  # its page shows this
    datasets = {one.dataset.name: one.dataset.digest for one in run.inputs.dataset_inputs}
    assert datasets == {"crops": "d" * 16, "test photos": "aa"}
    listed = mlflow.artifacts.list_artifacts(run_id=run.info.run_id)
    assert {"comparison.html", "pictures"} <= {artifact.path for artifact in listed}
    # a bare `mlflow ui` in this folder reads this store
    assert (store / "mlflow.db").is_file()


def test_the_best_model_on_the_same_test_photos_is_found(store, monkeypatch):
    monkeypatch.setattr(tracking, "_log_model", log_without_a_network)
    file = store / "model.keras"
    # 0.9 is of other test photos: no better than 0.8, but not to be compared with it
    for overlap, photos in ((0.7, "aa"), (0.8, "aa"), (0.9, "bb")):
        file.write_bytes(str(overlap).encode())
        with tracking.training_run(PARAMS, data_sha256="d"):
            tracking.log_model(None, file)
        evaluated = tracking.Evaluated({}, {"test.overlap": overlap}, photos)
        tracking.log_evaluation(file, store / "dvc.lock", evaluated, [])
    found = mlflow.search_logged_models(
        datasets=[{"dataset_name": tracking.TEST_PHOTOS, "dataset_digest": "aa"}],
        order_by=[{"field_name": "metrics.test.overlap", "ascending": False}],
        output_format="list",
    )
    overlaps = [metric.value for model in found for metric in model.metrics]
    assert overlaps == [0.8, 0.7]


def log_without_a_network(_: object, sha256: str) -> None:
    """In place of `_log_model`: a model's entry, which takes 10 ms and not 5 s."""
    run = mlflow.active_run().info.run_id
    model = mlflow.initialize_logged_model(name="model", source_run_id=run)
    mlflow.log_outputs([LoggedModelOutput(model.model_id, step=0)])
    mlflow.set_tag("model_sha256", sha256)


def test_the_logged_model_can_be_served(store):
    model, file = tiny_model(), store / "model.keras"
    model.save(file)
    with tracking.training_run(PARAMS, data_sha256="d" * 64):
        tracking.log_model(model, file)
    [logged] = mlflow.search_logged_models(output_format="list")
    served = mlflow.pyfunc.load_model(logged.model_uri)
    assert [field.name for field in served.metadata.signature.inputs.inputs] == ["image", "aspect"]
    assert [field.name for field in served.metadata.signature.outputs.inputs] == ["limits"]
    expected = model.predict(EXAMPLE, verbose=0)["limits"]
    assert served.predict(EXAMPLE)["limits"] == pytest.approx(expected)


def test_a_model_trained_elsewhere_gets_a_run_of_its_own(store):
    (store / "model.keras").write_bytes(b"model")
    evaluated = tracking.Evaluated({}, {"test.x": 1.0})
    tracking.log_evaluation(store / "model.keras", store / "dvc.lock", evaluated, [])
    [run] = mlflow.search_runs(experiment_names=[tracking.EXPERIMENT], output_format="list")
    assert (run.info.run_name, run.data.metrics) == ("evaluated only", {"test.x": 1.0})


def test_it_is_counted_how_many_models_have_been_tested_on_the_same_photos(store, capsys):
    file, lock = store / "model.keras", store / "dvc.lock"
    for content, photos in ((b"one", "aa"), (b"one", "aa"), (b"two", "bb")):
        file.write_bytes(content)
        tracking.log_evaluation(file, lock, tracking.Evaluated({}, {}, photos), [])
        assert "have been tested" not in capsys.readouterr().err
    file.write_bytes(b"three")
    tracking.log_evaluation(file, lock, tracking.Evaluated({}, {}, "aa"), [])
    assert "MLflow: 2 models have been tested on these test photos." in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_a_run_whose_training_fails_is_marked():
    with pytest.raises(ValueError, match="no data"), tracking.training_run(PARAMS, "d"):
        raise ValueError("no data")
    [run] = mlflow.search_runs(experiment_names=[tracking.EXPERIMENT], output_format="list")
    assert run.info.status == "FAILED"


def test_an_address_in_the_environment_sends_runs_elsewhere(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}/elsewhere.db")
    mlflow.set_tracking_uri(None)
    with tracking.training_run(PARAMS, data_sha256="d"):
        pass
    assert (store / "elsewhere.db").is_file()
    assert not (store / "mlflow.db").exists()


def test_experiments_in_a_copy_of_the_project_share_its_store(store, monkeypatch):
    copy = store / ".dvc" / "tmp" / "exps" / "copy"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    with tracking.training_run(PARAMS, data_sha256="d"):
        pass
    assert (store / "mlflow.db").is_file()


def test_only_the_code_counts_as_changed_not_the_results(store):
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)

    (store / "reports").mkdir()
    for name in ("code.py", "reports/history.csv", "dvc.lock"):
        (store / name).write_text("1")
    (store / ".gitignore").write_text("mlflow.db*\nmlruns\n")
    git("init")
    git("add", ".")
    git("commit", "--message", "all")
    (store / "reports" / "history.csv").unlink()  # as DVC does before the stage that writes it
    (store / "dvc.lock").write_text("2")
    for expected in ("false", "true"):
        with tracking.training_run(PARAMS, data_sha256="d"):
            run = mlflow.active_run()
        assert run.data.tags["git_dirty"] == expected
        (store / "code.py").write_text("2")
