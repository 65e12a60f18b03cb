"""The only module that uses MLflow: it records training runs.

One run for each training. `MLFLOW_TRACKING_URI` sends runs elsewhere; without it they go to
`mlflow.db` at the project's root, where a bare `mlflow ui` finds them.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# MLflow reports its use to its makers unless this is set before it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import keras
import mlflow
import numpy as np
import pandas as pd
import yaml
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from cropperhead.errors import ModelError, SetupError
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.system.file_hash import file_sha256
from cropperhead.system.git import run_git

EXPERIMENT = "cropperhead"
REGISTERED, CHAMPION = "cropperhead", "champion"  # MLflow serves models:/cropperhead@champion
_STORE = Path("mlflow.db")
_MODEL_TAG = "model_sha256"
_INPUT_TYPES = {"image": np.uint8, "aspect": np.float32}
_NOT_RESULTS = (":(exclude)reports", ":(exclude)dvc.lock")
# `dvc exp run --temp` and `--queue` run in a copy below this folder
_EXPERIMENTS_FOLDER = "/.dvc/tmp/exps/"


class EpochLogger(keras.callbacks.Callback):  # type: ignore[misc]
    """Logs every epoch's metrics to the active run."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Called by Keras; `logs` are the epoch's metrics."""
        metrics = {name: float(value) for name, value in (logs or {}).items() if name != "epoch"}
        mlflow.log_metrics(metrics, step=epoch + 1)


def lock_hash(lock_file: Path) -> str:
    """The SHA-256 of dvc.lock's entries for all stages except `evaluate`, as sorted JSON.

    An evaluation depends on all of these. Its own entry is missing while it runs.
    """
    lock = yaml.safe_load(lock_file.read_text(encoding="utf-8")) if lock_file.exists() else {}
    stages = {name: entry for name, entry in lock.get("stages", {}).items() if name != "evaluate"}
    return hashlib.sha256(json.dumps(stages, sort_keys=True).encode()).hexdigest()


@contextmanager
def training_run(params: Mapping[str, Any], data_sha256: str) -> Iterator[str]:
    """Opens a run while a model trains, and gives its id; marks it failed if the block raises."""
    _open_store()
    commit, dirty = _commit()
    name = f"{params['train.model']} seed {params['train.seed']}"
    tags = {"git_commit": commit, "git_dirty": dirty, "data_sha256": data_sha256}
    with mlflow.start_run(run_name=name, tags=tags) as run:
        mlflow.log_params(dict(params))
        yield str(run.info.run_id)


def log_dataset(labels: pd.DataFrame, source: Path, sha256: str) -> None:
    """Logs the table that the active run trains on, by its data's hash."""
    digest = sha256[:16]  # MLflow's limit is 36 characters
    # whole numbers would make MLflow warn of missing values
    table = labels[["photo", "author", *CROP_COLUMNS]]
    with warnings.catch_warnings():
        # MLflow registers its source of local files twice, and warns that it must choose
        warnings.filterwarnings("ignore", "The specified dataset source can be interpreted")
        dataset = mlflow.data.from_pandas(table, source=str(source), name="crops", digest=digest)
    mlflow.log_input(dataset, context="training")


def log_model(model: Any, file: Path) -> None:
    """Logs a trained model and its hash, so that `mlflow.pyfunc.load_model` can serve it."""
    keras.utils.disable_interactive_logging()  # MLflow tries the example, with a progress bar
    example = {
        name: np.zeros((2, *tensor.shape[1:]), _INPUT_TYPES[name]) + 1
        for name, tensor in model.input.items()
    }
    inputs = Schema([TensorSpec(v.dtype, (-1, *v.shape[1:]), k) for k, v in example.items()])
    outputs = Schema(
        [TensorSpec(np.dtype("float32"), (-1, *v.shape[1:]), k) for k, v in model.output.items()]
    )
    # mlflow.keras would do, but writes the example into a folder that does not exist yet (3.17)
    mlflow.tensorflow.log_model(
        model,
        name="model",
        signature=ModelSignature(inputs, outputs),
        input_example=example,
        pip_requirements=[f"keras=={keras.__version__}", "tensorflow"],
    )
    mlflow.set_tag(_MODEL_TAG, file_sha256(file))


def log_evaluation(
    model_file: Path,
    lock_file: Path,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    artifacts: list[Path],
) -> None:
    """Logs test metrics, the report and the hash of dvc.lock to the run that trained a model.

    `params` are those of the evaluation, which may run again with others for the same training. A
    model that was trained elsewhere has no run here, and gets one.
    """
    _open_store()
    model_sha256 = file_sha256(model_file)
    run = next(iter(_runs_of(model_sha256)), None)
    with mlflow.start_run(run_id=run, run_name=None if run else "evaluated only"):
        mlflow.set_tags({_MODEL_TAG: model_sha256, "dvc_lock_sha256": lock_hash(lock_file)})
        commit, dirty = _commit()
        evaluated = {"commit": commit, "dirty": dirty, **params}
        mlflow.set_tags({f"evaluated.{name}": value for name, value in evaluated.items()})
        mlflow.log_metrics({f"test.{name}": value for name, value in metrics.items()})
        for file in artifacts:
            mlflow.log_artifact(str(file))


def promote(model_file: Path) -> str:
    """Makes a model the champion of MLflow's registry; returns a sentence on what was done.

    Registers the newest of the runs here that saved these bytes, unless one is registered already.
    Does nothing, and creates no store, if there is no store, no file or no such run.
    """
    if not (model_file.exists() and _has_store()):
        missing = _STORE if model_file.exists() else model_file
        return f"MLflow: nothing to register, {missing} is not here."
    _choose_store()
    version = _version_of(_runs_of(file_sha256(model_file)))
    if version is None:
        return f"MLflow: nothing to register, no run here trained {model_file}."
    mlflow.MlflowClient().set_registered_model_alias(REGISTERED, CHAMPION, version)
    return f"MLflow: version {version} of {REGISTERED} is the {CHAMPION}."


def download_model(name: str, folder: Path) -> Path:
    """Downloads a registered model (models:/name@alias) into a folder, and returns its file.

    Raises ModelError if the registry has no such model.
    """
    _choose_store()
    try:
        downloaded = Path(mlflow.artifacts.download_artifacts(name, dst_path=str(folder)))
    except MlflowException as error:
        raise ModelError(f"{name}: MLflow has no such model: {error.message}") from error
    files = sorted(downloaded.rglob("*.keras"))
    if not files:
        raise ModelError(f"{name}: expected a Keras model in it, found none")
    return files[0]


def _version_of(runs: Sequence[str]) -> str | None:
    """The registered version of one of these runs' models, which all have the same bytes."""
    client = mlflow.MlflowClient()
    for run in runs:
        for version in client.search_model_versions(f"name = '{REGISTERED}' and run_id = '{run}'"):
            return str(version.version)
    for run in runs:  # a run that was only evaluated has no model
        for logged in client.get_run(run).outputs.model_outputs:
            uri = f"models:/{logged.model_id}"
            return str(mlflow.register_model(uri, REGISTERED).version)
    return None


def _open_store() -> None:
    _choose_store()
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        _create_experiment(_root() / "mlruns")
    mlflow.set_experiment(EXPERIMENT)


def _choose_store() -> None:
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        mlflow.set_tracking_uri(f"sqlite:///{_root() / _STORE}")


def _has_store() -> bool:
    return bool(os.environ.get("MLFLOW_TRACKING_URI")) or (_root() / _STORE).exists()


def _root() -> Path:
    """The project's folder, also for an experiment in a copy below it."""
    return Path(str(Path.cwd()).split(_EXPERIMENTS_FOLDER, maxsplit=1)[0])


def _create_experiment(artifacts: Path) -> None:
    if mlflow.get_experiment_by_name(EXPERIMENT) is None:
        mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts.as_uri())


def _runs_of(model_sha256: str) -> list[str]:
    """The runs of a model, newest first."""
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    runs = mlflow.search_runs(
        experiment_ids=[experiment.experiment_id],
        filter_string=f"tags.{_MODEL_TAG} = '{model_sha256}'",
        order_by=["attributes.start_time DESC"],
        output_format="list",
    )
    return [run.info.run_id for run in runs]


def _commit() -> tuple[str, str]:
    """The commit's hash and whether the working tree differs from it; "unknown" without git."""
    try:
        commit = run_git("rev-parse", "HEAD").strip()
        # DVC removes a stage's results before it runs, so they do not show a change of the code
        changed = run_git("status", "--porcelain", "--", ".", *_NOT_RESULTS).strip()
        return commit, str(bool(changed)).lower()
    except SetupError:
        return "unknown", "unknown"
