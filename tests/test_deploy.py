"""The services of deploy/compose.yaml, started by hand: not every machine has Docker."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import boto3
import httpx
import keras
import mlflow
import pytest
import yaml
from conftest import MLFLOW_WARNINGS, ROOT, label_table
from score_tables import table
from sent_photos import fields, jpeg
from servers import BUCKET, free_port, object_store, postgresql, wait_for

from cropperhead.cli.main import main
from cropperhead.training import mlflow_store, tracking

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES, VOLUMES = COMPOSE["services"], COMPOSE["volumes"]
# One that opens the database, so that a server that answers is ready on a busy machine, too
MLFLOW_PATH = "/api/2.0/mlflow/experiments/search?max_results=1"
PARAMS = {"train.quality": "fast", "train.seed": 7, "train.threads": 2}

pytestmark = MLFLOW_WARNINGS


class Stack:
    """The addresses that the services find each other at, and the commands with these."""

    def __init__(self, database, store, folder):
        self._store, self._folder = store, folder
        self._processes = {}
        self._names = {
            "cropperhead@database/": f"crops@127.0.0.1:{database.port}/",
            "http://store:8333": store.environment["AWS_ENDPOINT_URL"],
            "s3://cropperhead/": f"s3://{BUCKET}/",
            "--host 0.0.0.0": "--host 127.0.0.1",
        }

    @contextmanager
    def running(self, service, path):
        """A service's command, at a port of its own, once it answers at a path; its address."""
        port, [published] = free_port(), SERVICES[service]["ports"]
        inside = published.rpartition(":")[2]
        command = self._fill(
            SERVICES[service]["command"].replace(f"--port {inside}", f"--port {port}")
        )
        environment = {k: self._fill(v) for k, v in SERVICES[service]["environment"].items()}
        places = [str(Path(sys.executable).parent), os.environ["PATH"]]
        process = subprocess.Popen(
            shlex.split(command),
            cwd=self._folder,
            env={**os.environ, **environment, "PATH": os.pathsep.join(places)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            self._processes[service] = process
            wait_for(lambda: answers(address + path), process)
            yield address
        finally:
            self.kill(service)

    def kill(self, service):
        process = self._processes[service]
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _fill(self, text):
        for name, here in self._names.items():
            text = text.replace(name, here)
        return re.sub(r"\$\{\w+:\?\}", "secret of twelve letters", text)

    def stored(self, prefix):
        """The names of objects."""
        keys = self._store.environment
        client = boto3.client(
            "s3",
            endpoint_url=keys["AWS_ENDPOINT_URL"],
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            region_name=keys["AWS_REGION"],
        )
        listed = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [one["Key"] for one in listed.get("Contents", [])]


def answers(address):
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with postgresql() as database, object_store() as store:
        database.make_databases(DEPLOY / "databases.sql")
        yield Stack(database, store, tmp_path_factory.mktemp("services"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    mlflow.set_tracking_uri(None)


def use(address, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    monkeypatch.setattr(mlflow_store, "ANSWER_S", 60)
    mlflow.set_tracking_uri(address)


def tiny_model(file):
    image, aspect = keras.Input((8, 8, 3), name="image"), keras.Input((1,), name="aspect")
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(image), aspect])
    outputs = {"limits": keras.layers.Dense(5, name="limits")(joined)}
    model = keras.Model({"image": image, "aspect": aspect}, outputs)
    model.save(file)
    return model


def train(between=lambda: None):
    with tracking.training_run(PARAMS, data_sha256="d" * 64) as run:
        tracking.EpochLogger().on_epoch_end(0, {"loss": 0.5})
        between()
        tracking.EpochLogger().on_epoch_end(1, {"loss": 0.4})
    return run


def test_runs_with_model_and_report_and_the_champion_are_in_the_team_s_stores(
    stack, project, monkeypatch, capsys
):
    file, report = project / "model.keras", project / "comparison.html"
    report.write_text("the report")
    scores = project / "reports" / "scores.csv"
    scores.parent.mkdir()
    table(0.7).to_csv(scores, index=False)
    shutil.copy(ROOT / "params.yaml", project)
    with stack.running("mlflow", MLFLOW_PATH) as address:
        use(address, monkeypatch)
        model = tiny_model(file)
        with tracking.training_run(PARAMS, data_sha256="d" * 64) as run:
            tracking.log_dataset(label_table(4), project / "labels.parquet", "d" * 64)
            tracking.EpochLogger().on_epoch_end(0, {"loss": 0.5})
            tracking.log_model(model, file)
        evaluated = tracking.Evaluated({}, {"test.overlap": 0.7}, "e" * 64)
        tracking.log_evaluation(file, project / "dvc.lock", evaluated, [report, scores])
        found = mlflow.get_run(run)
        assert found.data.metrics == {"training/loss": 0.5, "test.overlap": 0.7}
        assert found.data.params == {name: str(value) for name, value in PARAMS.items()}
        assert found.info.artifact_uri.startswith("mlflow-artifacts:/")
        assert (
            mlflow.artifacts.load_text(f"{found.info.artifact_uri}/comparison.html") == "the report"
        )
        assert tracking.promote(file) == "MLflow: version 1 of cropperhead is the champion."
        got = tracking.download_model("models:/cropperhead@champion", project / "got")
        assert got.read_bytes() != b""
        assert capsys.readouterr().err.count("MLflow: ") == 0
        table(0.65).to_csv(scores, index=False)
        assert main(["gate", "--against", "models:/cropperhead@champion"]) == 1
        said = "Mean overlap 0.650, was 0.700 in models:/cropperhead@champion (version 1)"
        assert said in capsys.readouterr().out
        names = {Path(name).name for name in stack.stored("mlflow")}
        assert {"comparison.html", "MLmodel", "model.keras"} <= names
    assert not (project / "mlflow.db").exists()


def test_a_server_that_dies_in_the_middle_costs_no_epoch(stack, project, monkeypatch, capsys):
    with stack.running("mlflow", MLFLOW_PATH) as address:
        use(address, monkeypatch)
        train(between=lambda: stack.kill("mlflow"))
    said = capsys.readouterr().err  # what MLflow's client saw depends on the moment
    assert re.search(rf"MLflow: {address}: .*(refused|reset by peer|closed|Broken pipe)", said)
    assert "Training goes on, and the next run logs this" in said
    with stack.running("mlflow", MLFLOW_PATH) as address:
        use(address, monkeypatch)
        train()
        found = mlflow.search_runs(
            filter_string="metrics.`training/loss` < 0.45", output_format="list"
        )
    assert [run.info.status for run in found] == ["FINISHED", "FINISHED"]
    assert not (project / "mlflow_unsent").exists()


def test_a_crop_that_is_sent_is_in_the_team_s_stores(stack):
    values = fields()
    with stack.running("web", "/healthz") as address:
        answer = httpx.post(
            f"{address}/collect/crops",
            files={"photo": jpeg()},
            data={"crop": json.dumps(values)},
            timeout=60,
        )
    assert answer.status_code == 201
    assert len(stack.stored("crops")) == 1


# Of what the Compose Specification lets a service have, what is used here
KEYS = {"build", "command", "depends_on", "entrypoint", "environment", "healthcheck", "image"} | {
    *("ports", "restart", "volumes"),
}


def test_all_that_compose_yaml_names_is_there():
    text = (DEPLOY / "compose.yaml").read_text()
    targets = re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    example = (DEPLOY / "secrets.env.example").read_text()
    assert set(re.findall(r"\$\{(\w+)", text)) == set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    for service in SERVICES.values():
        assert service.keys() <= KEYS
        assert ("image" in service) != ("build" in service)
        if "build" in service:
            assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
            assert service["build"]["target"] in targets
        for name, wanted in service.get("depends_on", {}).items():
            is_healthy = wanted["condition"] == "service_healthy"
            assert not is_healthy or "test" in SERVICES[name]["healthcheck"]
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            is_there = (DEPLOY / source).exists() if source.startswith(".") else source in VOLUMES
            assert is_there
    assert all(isinstance(one, str) for each in SERVICES.values() for one in each.get("ports", []))


def test_no_service_is_published_beyond_this_machine_and_no_secret_is_written_down():
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for name, value in service["environment"].items():
            is_secret = name.endswith(("PASSWORD", "SECRET_ACCESS_KEY"))
            assert not is_secret or re.fullmatch(r"\$\{\w+:\?\}", value)
