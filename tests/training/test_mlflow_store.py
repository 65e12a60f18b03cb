"""MLflow's store away, broken, deleted or moved: nothing that was trained is lost."""

import http.server
import json
import shutil
import sqlite3
import threading

import keras
import mlflow
import pytest
import small_networks
from conftest import KERAS_WARNINGS, MLFLOW_WARNINGS, label_table

from cropperhead.errors import ModelError
from cropperhead.inference import litert
from cropperhead.training import mlflow_store, tracking
from cropperhead.training.networks import keras_model
from cropperhead.training.networks.registry import build_network
from cropperhead.web import page_model

PARAMS = {"train.quality": "fast", "train.seed": 7, "train.threads": 2}
AWAY = "http://127.0.0.1:9"  # the port of a service that no machine has any more

pytestmark = MLFLOW_WARNINGS


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A project's folder with a store that MLflow has just made, which takes seconds."""
    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        mlflow_store.open_experiment()
    return folder


@pytest.fixture
def project(empty_store, tmp_path, monkeypatch):
    """A project's folder with an empty store."""
    folder = tmp_path / "project"
    shutil.copytree(empty_store, folder)
    go_to(folder, monkeypatch)
    yield folder
    mlflow.set_tracking_uri(None)


def go_to(folder, monkeypatch, address=None):
    monkeypatch.chdir(folder)
    mlflow.set_tracking_uri(address)
    if address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    else:
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def server():
    """A server that answers any request with the status in its `status`, or slowly with none."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            # what is left unread when a connection is closed may cost the client the answer
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status = self.server.status
            self.send_response(status or 200)
            self.send_header("Content-Length", "2" if status else "1000000")
            self.end_headers()
            self.wfile.write(b"no")
            if not status:
                self.server.ended.wait()

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.ended = threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.ended.set()
    server.shutdown()
    thread.join()
    server.server_close()


def train(between=lambda: None, epochs=3):
    """Logs a training of some epochs, as the stage does."""
    with tracking.training_run(PARAMS, data_sha256="d" * 64) as run:
        tracking.log_dataset(label_table(4), mlflow_store.root() / "labels.parquet", "d" * 64)
        for epoch in range(epochs):
            if epoch == 1:
                between()
            tracking.EpochLogger().on_epoch_end(epoch, {"loss": 0.5 - 0.1 * epoch})
    return run


def runs():
    """The runs in the project's store, the oldest first."""
    mlflow_store.open_experiment()
    found = mlflow.search_runs(
        experiment_names=[mlflow_store.EXPERIMENT],
        order_by=["attributes.start_time"],
        output_format="list",
    )
    return list(found)


def losses(run):
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "training/loss")
    return [(one.step, round(one.value, 3)) for one in sorted(history, key=lambda one: one.step)]


ALL_LOSSES = [(1, 0.5), (2, 0.4), (3, 0.3)]


@pytest.mark.parametrize("status", [500, 403, 404, None])
def test_a_server_that_refuses_or_is_slow_is_named_once_and_its_run_is_sent_later(
    project, server, monkeypatch, capsys, status
):
    monkeypatch.setattr(mlflow_store, "ANSWER_S", 1 if status is None else 60)
    server.status, address = status, f"127.0.0.1:{server.server_port}"
    go_to(project, monkeypatch, f"http://user:password@{address}")
    train()
    [line] = [line for line in capsys.readouterr().err.splitlines() if "MLflow: " in line]
    assert line.startswith(f"MLflow: http://{address}: ")
    assert line.endswith(". Training goes on, and the next run logs this one, too.")
    assert ("no answer in 1 seconds" if status is None else str(status)) in line
    go_to(project, monkeypatch)
    train(epochs=1)
    kept, new = runs()
    assert (losses(kept), losses(new)) == (ALL_LOSSES, [(1, 0.5)])
    assert kept.data.params == {name: str(value) for name, value in PARAMS.items()}
    assert (kept.data.tags["data_sha256"], kept.info.status) == ("d" * 64, "FINISHED")
    assert kept.inputs.dataset_inputs[0].dataset.digest == "d" * 16
    assert kept.info.end_time <= new.info.start_time
    assert not (project / "mlflow_unsent").exists()


def test_a_server_that_is_away_is_asked_once(project, monkeypatch, capsys):
    go_to(project, monkeypatch, AWAY)
    train()
    err = capsys.readouterr().err
    assert err.count("MLflow: ") == 1
    assert f"MLflow: {AWAY}: Connection refused. Training goes on" in err
    assert len(list((project / "mlflow_unsent").iterdir())) == 1


def test_a_store_that_fails_in_the_middle_gets_the_rest_in_the_same_run(project, capsys):
    def rename(before, after):
        with sqlite3.connect(project / "mlflow.db") as database:
            database.execute(f"ALTER TABLE {before} RENAME TO {after}")
        database.close()

    run = train(between=lambda: rename("metrics", "elsewhere"))
    assert "MLflow: mlflow.db: no such table: metrics. Training goes on" in capsys.readouterr().err
    rename("elsewhere", "metrics")
    other = train(epochs=1)
    first, second = runs()
    assert (first.info.run_id, second.info.run_id) == (run, other)
    assert (losses(first), first.info.status) == (ALL_LOSSES, "FINISHED")


def test_a_long_training_is_sent_later_in_parts(project, monkeypatch):
    go_to(project, monkeypatch, AWAY)
    train(epochs=1001)  # MLflow takes 1,000 values at a time
    go_to(project, monkeypatch)
    train(epochs=1)
    kept, _ = runs()
    assert len(losses(kept)) == 1001


def test_a_training_that_fails_without_mlflow_is_not_kept(project, monkeypatch):
    go_to(project, monkeypatch, AWAY)
    with pytest.raises(ValueError, match="no data"), tracking.training_run(PARAMS, "d"):
        raise ValueError("no data")
    assert not (project / "mlflow_unsent").exists()


def test_the_model_of_a_training_is_sent_later_if_it_is_still_there(project, monkeypatch):
    image, aspect = keras.Input((8, 8, 3), name="image"), keras.Input((1,), name="aspect")
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(image), aspect])
    outputs = {"limits": keras.layers.Dense(5, name="limits")(joined)}
    model = keras.Model({"image": image, "aspect": aspect}, outputs)
    model.save(project / "model.keras")
    go_to(project, monkeypatch, AWAY)
    with tracking.training_run(PARAMS, data_sha256="d"):
        tracking.log_model(model, project / "model.keras")
    go_to(project, monkeypatch)
    train()
    kept, _ = runs()
    assert len(kept.outputs.model_outputs) == 1
    assert "as version 1" not in tracking.promote(project / "model.keras")
    assert tracking.download_model("models:/cropperhead@champion", project / "got").exists()


@KERAS_WARNINGS
def test_the_page_can_predict_with_the_champion(project):
    network = build_network(small_networks.PARAMS, small_networks.START, small_networks.PROTOTYPES)
    model = small_networks.finish(small_networks.stir(network))
    model.save(project / "model.keras")
    with tracking.training_run(PARAMS, data_sha256="d"):
        tracking.log_model(model, project / "model.keras")
    tracking.promote(project / "model.keras")
    with page_model.find_page_model("models:/cropperhead@champion") as (file, found):
        photos = small_networks.photos(2, found.input_size)
        assert file.suffix == ".tflite"
        exported = litert.load_model(file).outputs(photos.images, photos.aspect)
    expected = keras_model.predict_outputs(model, photos)
    # weights of 16 bits
    assert exported["limits"] == pytest.approx(expected["limits"], abs=0.01)


def test_a_model_that_cannot_be_loaded_does_not_keep_its_run_from_being_sent(
    project, monkeypatch, capsys
):
    file = project / "model.keras"
    file.write_bytes(b"of another version")
    go_to(project, monkeypatch, AWAY)
    with tracking.training_run(PARAMS, data_sha256="d"):
        tracking.log_model(None, file)
    go_to(project, monkeypatch)
    train()
    assert len(runs()) == 2
    assert f"{file}: cannot be loaded by Keras" in capsys.readouterr().err


def test_an_evaluation_is_sent_later_with_the_report_as_it_was(project, monkeypatch, capsys):
    (project / "model.keras").write_bytes(b"model")
    report = project / "report.html"
    report.write_text("of then")
    go_to(project, monkeypatch, AWAY)
    evaluated = tracking.Evaluated({"seed": 3}, {"test.iou": 0.5})
    tracking.log_evaluation(project / "model.keras", project / "dvc.lock", evaluated, [report])
    err = capsys.readouterr().err
    assert f"MLflow: {AWAY}: Connection refused. The next run logs this evaluation, too." in err
    report.write_text("of now")
    go_to(project, monkeypatch)
    train()
    kept, _ = sorted(runs(), key=lambda run: "test.iou" not in run.data.metrics)
    assert (kept.data.metrics["test.iou"], kept.data.tags["evaluated.seed"]) == (0.5, "3")
    assert mlflow.artifacts.load_text(f"{kept.info.artifact_uri}/report.html") == "of then"


def test_a_record_that_cannot_be_read_is_named_and_the_others_are_sent(
    project, monkeypatch, capsys
):
    go_to(project, monkeypatch, AWAY)
    train()
    broken = project / "mlflow_unsent" / "0" / "record.json"
    broken.parent.mkdir()
    broken.write_text(json.dumps({"kind": "TrainingRecord", "colour": "red"}))
    go_to(project, monkeypatch)
    capsys.readouterr()
    train()
    assert f"MLflow: {broken}: cannot be read as a record" in capsys.readouterr().err
    assert len(runs()) == 2
    assert broken.exists()


def test_where_nothing_can_be_kept_either_training_still_ends_well(project, monkeypatch, capsys):
    (project / "mlflow_unsent").write_text("a file")
    go_to(project, monkeypatch, AWAY)
    train()
    assert "cannot be written, Not a directory. This run is not logged." in capsys.readouterr().err


def lock(database):
    held = sqlite3.connect(database, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    return held


def corrupt(database):
    database.write_bytes(b"not a database" * 100)


def upgrade(database):
    held = sqlite3.connect(database)
    held.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    held.commit()
    return held


def take_away(database):
    database.unlink()
    database.mkdir()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lock, "database is locked"),
        (corrupt, "file is not a database"),
        (upgrade, "Detected out-of-date database schema (found version ffffffffffff"),
        (take_away, "unable to open database file"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_in_a_sentence(
    project, monkeypatch, capsys, spoil, reason
):
    monkeypatch.setattr(mlflow_store, "_LOCK_S", 0)
    (project / "model.keras").write_bytes(b"model")
    held = spoil(project / "mlflow.db")
    train()
    assert f"MLflow: mlflow.db: {reason}" in capsys.readouterr().err
    assert len(list((project / "mlflow_unsent").iterdir())) == 1
    promoted = tracking.promote(project / "model.keras")
    assert promoted.startswith(f"MLflow: {project / 'model.keras'} was not registered, mlflow.db: ")
    with pytest.raises(ModelError, match=r"MLflow has no such model: mlflow\.db: "):
        tracking.download_model("models:/cropperhead@champion", project / "got")
    if held is not None:
        held.close()


def test_looking_for_a_model_creates_no_store(project):
    (project / "mlflow.db").unlink()
    with pytest.raises(ModelError, match=r"MLflow has no such model: mlflow\.db is not here"):
        tracking.download_model("models:/cropperhead@champion", project / "got")
    assert not (project / "mlflow.db").exists()


@pytest.mark.usefixtures("project")
def test_a_deleted_experiment_stays_deleted_and_a_new_one_takes_its_name():
    for _ in range(2):
        former = train()
        client = mlflow.MlflowClient()
        client.delete_experiment(mlflow.get_experiment_by_name("cropperhead").experiment_id)
    new = train()
    assert [run.info.run_id for run in runs()] == [new]
    assert mlflow.get_run(former).info.lifecycle_stage == "deleted"
    deleted = mlflow.search_experiments(view_type=mlflow.entities.ViewType.DELETED_ONLY)
    assert len(deleted) == 2
    assert all(one.name.startswith("cropperhead, deleted 2") for one in deleted)


@pytest.mark.parametrize("name", ["another name", "100% #1?"])
def test_a_moved_project_keeps_its_files_and_logs_to_its_new_place(project, monkeypatch, name):
    with tracking.training_run(PARAMS, data_sha256="d") as first:
        mlflow.log_text("of then", "note.txt")
    moved = project.with_name(name)
    project.rename(moved)
    go_to(moved, monkeypatch)
    with tracking.training_run(PARAMS, data_sha256="d") as second:
        mlflow.log_text("of now", "note.txt")
    assert not project.exists()
    notes = [mlflow.get_run(run).info.artifact_uri + "/note.txt" for run in (first, second)]
    assert [mlflow.artifacts.load_text(note) for note in notes] == ["of then", "of now"]
    assert len(list((moved / "mlruns").rglob("note.txt"))) == 2


def test_files_of_an_experiment_in_a_copy_are_kept_in_the_project(project, monkeypatch):
    copy = project / ".dvc" / "tmp" / "exps" / "copy"
    copy.mkdir(parents=True)
    go_to(copy, monkeypatch)
    with tracking.training_run(PARAMS, data_sha256="d"):
        mlflow.log_text("a note", "note.txt")
    shutil.rmtree(copy)
    assert len(list((project / "mlruns").rglob("note.txt"))) == 1
