"""Records training runs and evaluations in MLflow; with `mlflow_store`, all that uses it.

One run for each training. Where MLflow cannot be used, or no longer, training and evaluation go on:
what it has not got is kept, and sent by the next run (`unsent`).
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import yaml

from cropperhead.errors import ModelError, TrackingError
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.system.file_hash import file_sha256
from cropperhead.training import mlflow_store, run_facts, unsent
from cropperhead.training.mlflow_store import ANSWER_S, EXPERIMENT, UPLOAD_S, calls
from cropperhead.training.networks import keras_model
from cropperhead.training.unsent import EvaluationRecord, Record, TrainingRecord

import mlflow  # isort: skip - `mlflow_store` sets its environment first
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

REGISTERED, CHAMPION = "cropperhead", "champion"  # MLflow serves models:/cropperhead@champion
_NOT_FOUND = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}  # the latter for an alias
_MODEL_TAG, _TEST_SET_TAG = "model_sha256", "test_set_sha256"
_INPUT_TYPES = {"image": np.uint8, "aspect": np.float32}
_FINISHED, _FAILED = "FINISHED", "FAILED"  # MLflow's states of a run
_CONTEXT, _TRAINING, _EVALUATION = "mlflow.data.context", "training", "evaluation"
# MLflow sorts metrics by name, and makes a section of what has a slash: test scores come first
_CURVES = "training/"
_NOTE = "mlflow.note.content"  # the description of a run on its page
_NOTE_CHARACTERS = 5000  # of a tag's value, which is longer in newer versions of MLflow only
_METRICS = 1000  # MLflow's limit on those that are sent at a time
_DIGEST_CHARACTERS = 16  # MLflow's limit is 36
TEST_PHOTOS = "test photos"  # the name of the dataset that models are tested on
_PICTURES, _PICTURE_SUFFIXES = "pictures", {".png", ".jpg"}


@dataclass(frozen=True)
class Evaluated:
    """What is logged of an evaluation.

    `params` are the evaluation's, which may run again with others for the same training. `test_set`
    is the hash of the test photos and their crops, and `description` what it found, in Markdown.
    """

    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    test_set: str = ""
    description: str = ""


class EpochLogger(keras.callbacks.Callback):  # type: ignore[misc]
    """Logs every epoch's metrics to the active run."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Called by Keras; `logs` are the epoch's metrics."""
        values = {name: value for name, value in (logs or {}).items() if name != "epoch"}
        metrics = {_CURVES + name: float(value) for name, value in values.items()}
        _current().log_epoch(epoch + 1, metrics)


class _Training:
    """A training's record, and its run as long as MLflow can be used."""

    def __init__(self, record: TrainingRecord) -> None:
        self.record = record
        self.error: TrackingError | None = None

    def attempt(self, call: Callable[[], object], seconds: int = ANSWER_S) -> None:
        """Call MLflow, unless it has failed before: each failure may take many seconds."""
        if self.error is None:
            try:
                with calls(seconds):
                    call()
            except TrackingError as error:
                self.fail(error)

    def fail(self, error: TrackingError) -> None:
        """Go on without MLflow."""
        self.error = error
        unsent.report(f"{error}. Training goes on, and the next run logs this one, too.")

    def start(self) -> None:
        """Open a run, once what earlier runs have kept is sent."""
        try:
            mlflow_store.open_experiment()
        except TrackingError as error:
            self.fail(error)
            return
        unsent.send_all(_send)
        self.attempt(self._start_run)

    def _start_run(self) -> None:
        run = mlflow.start_run(run_name=self.record.name, tags=self.record.tags)
        self.record.run = str(run.info.run_id)
        mlflow.log_params(self.record.params)

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log an epoch's metrics."""
        now = unsent.now_ms()
        self.record.metrics.append((epoch, now, dict(metrics)))
        self.attempt(lambda: mlflow.log_metrics(metrics, step=epoch, timestamp=now))

    def end(self, status: str) -> None:
        """End the run, and keep what could not be logged of a training that has finished."""
        self.record.ended = unsent.now_ms()
        if self.error is None:
            self.attempt(lambda: mlflow.end_run(status))
        else:
            _forget_run()
        if self.error is not None and status == _FINISHED:
            unsent.keep(self.record)


_trainings: list[_Training] = []  # the one that goes on, if any


def _current() -> _Training:
    return _trainings[-1]


def _forget_run() -> None:
    """End the active run here, whether MLflow gets to know of it or not."""
    with suppress(TrackingError), calls(seconds=1):
        mlflow.end_run(_FAILED)


def lock_hash(lock_file: Path) -> str:
    """The SHA-256 of dvc.lock's entries for all stages except `evaluate`, as sorted JSON.

    An evaluation depends on all of these. Its own entry is missing while it runs.
    """
    lock = yaml.safe_load(lock_file.read_text(encoding="utf-8")) if lock_file.exists() else {}
    stages = {name: entry for name, entry in lock.get("stages", {}).items() if name != "evaluate"}
    return hashlib.sha256(json.dumps(stages, sort_keys=True).encode()).hexdigest()


@contextmanager
def training_run(params: Mapping[str, Any], data_sha256: str) -> Iterator[str]:
    """Opens a run while a model trains, and gives its id; marks it failed if the block raises.

    Where MLflow cannot be used, the id is another, and the next run sends what is logged.
    """
    tags = run_facts.run_tags(params) | {"data_sha256": data_sha256}
    training = _Training(TrainingRecord(run_facts.run_name(params), tags, dict(params)))
    training.start()
    _trainings.append(training)
    status = _FAILED
    try:
        yield training.record.run or f"unsent-{training.record.started}"
        status = _FINISHED
    finally:
        _trainings.remove(training)
        training.end(status)


def log_dataset(labels: pd.DataFrame, source: Path, sha256: str) -> None:
    """Logs the table that the active run trains on, by its data's hash."""
    digest = sha256[:_DIGEST_CHARACTERS]
    # whole numbers would make MLflow warn of missing values
    table = labels[["photo", "author", *CROP_COLUMNS]]
    with warnings.catch_warnings():
        # MLflow registers its source of local files twice, and warns that it must choose
        warnings.filterwarnings("ignore", "The specified dataset source can be interpreted")
        dataset = mlflow.data.from_pandas(table, source=str(source), name="crops", digest=digest)
    training = _current()
    training.record.dataset = dataset.to_dict()
    training.attempt(lambda: mlflow.log_input(dataset, context=_TRAINING))


def log_model(model: Any, file: Path) -> None:
    """Logs a trained model and its hash, so that `mlflow.pyfunc.load_model` can serve it."""
    training, sha256 = _current(), file_sha256(file)
    training.record.model_file, training.record.model_sha256 = str(file.resolve()), sha256
    training.attempt(lambda: _log_model(model, sha256), UPLOAD_S)


def log_evaluation(
    model_file: Path, lock_file: Path, evaluated: Evaluated, artifacts: list[Path]
) -> None:
    """Logs test metrics, the report and the hash of dvc.lock to the run that trained a model.

    A model that was trained elsewhere has no run here, and gets one. Where MLflow cannot be used,
    the next run sends all of this. How many models have been tested on these test photos is printed
    on standard error, if it is more than one.
    """
    commit, dirty = run_facts.find_commit()
    settings = {"commit": commit, "dirty": dirty, **evaluated.params}
    tags = {f"evaluated.{name}": str(value) for name, value in settings.items()}
    tags |= {"dvc_lock_sha256": lock_hash(lock_file), _TEST_SET_TAG: evaluated.test_set}
    tags |= {_NOTE: evaluated.description[:_NOTE_CHARACTERS]} if evaluated.description else {}
    record = EvaluationRecord(file_sha256(model_file), tags, dict(evaluated.metrics))
    try:
        mlflow_store.open_experiment()
        unsent.send_all(_send)
        _send(record, artifacts)
        _report_tries(evaluated.test_set)
    except TrackingError as error:
        unsent.report(f"{error}. The next run logs this evaluation, too.")
        unsent.keep(record, artifacts)


def _log_model(model: Any, sha256: str) -> None:
    inputs = Schema(
        [
            TensorSpec(np.dtype(_INPUT_TYPES[name]), (-1, *tensor.shape[1:]), name)
            for name, tensor in model.input.items()
        ]
    )
    outputs = Schema(
        [TensorSpec(np.dtype("float32"), (-1, *v.shape[1:]), k) for k, v in model.output.items()]
    )
    # Without an example, for which MLflow would load the model again: a seventh of a short training
    mlflow.tensorflow.log_model(
        model,
        name="model",
        signature=ModelSignature(inputs, outputs),
        pip_requirements=[f"keras=={keras.__version__}", "tensorflow"],
    )
    mlflow.set_tag(_MODEL_TAG, sha256)


def _send(record: Record, files: list[Path]) -> None:
    """Log a record, and files with it. Raises TrackingError."""
    with calls(UPLOAD_S):
        if isinstance(record, TrainingRecord):
            _send_training(record)
        else:
            _send_evaluation(record, files)


def _send_training(record: TrainingRecord) -> None:
    """Log a training to its run, or to a new one if this store has none."""
    client, run = mlflow.MlflowClient(), _run_of(record)
    metrics = [
        Metric(name, value, timestamp, epoch)
        for epoch, timestamp, values in record.metrics
        for name, value in values.items()
    ]
    params = [Param(name, str(value)) for name, value in record.params.items()]
    tags = [RunTag(_MODEL_TAG, record.model_sha256)] * bool(record.model_sha256)
    client.log_batch(run, params=params, tags=tags)
    for start in range(0, len(metrics), _METRICS):
        client.log_batch(run, metrics[start : start + _METRICS])
    if record.dataset is not None:
        dataset = Dataset(**{key: str(value) for key, value in record.dataset.items()})
        client.log_inputs(run, [DatasetInput(dataset, [InputTag(_CONTEXT, _TRAINING)])])
    _send_model(record, run)
    client.set_terminated(run, _FINISHED, record.ended)


def _send_model(record: TrainingRecord, run: str) -> None:
    """Log the model of a training, unless another has replaced it."""
    file = Path(record.model_file)
    if not file.is_file() or file_sha256(file) != record.model_sha256:
        return
    try:
        model = keras_model.load_model(file)
    except ModelError as error:  # another version of CropperHead made it
        unsent.report(f"{error}. Its run is logged without it.")
        return
    with mlflow.start_run(run_id=run):
        _log_model(model, record.model_sha256)


def _run_of(record: TrainingRecord) -> str:
    client, experiment = mlflow.MlflowClient(), mlflow.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None  # it was opened
    if record.run is not None:
        try:
            return str(client.get_run(record.run).info.run_id)
        except MlflowException:  # it began in another store
            pass
    run = client.create_run(experiment.experiment_id, record.started, record.tags, record.name)
    return str(run.info.run_id)


def _send_evaluation(record: EvaluationRecord, files: list[Path]) -> None:
    run = next(iter(_runs_of(record.model_sha256)), None)
    with mlflow.start_run(run_id=run, run_name=None if run else "evaluated only") as active:
        mlflow.set_tags({_MODEL_TAG: record.model_sha256, **record.tags})
        _send_scores(active.info.run_id, record)
        for file in files:
            folder = _PICTURES if file.suffix in _PICTURE_SUFFIXES else None
            mlflow.log_artifact(str(file), folder)


def _send_scores(run: str, record: EvaluationRecord) -> None:
    """Log the metrics to a run and to its model, as those of these test photos.

    So `mlflow.search_logged_models` can order models by what they reached on the same photos.
    """
    client = mlflow.MlflowClient()
    digest = record.tags.get(_TEST_SET_TAG, "")[:_DIGEST_CHARACTERS]
    models = _models_of(run) or [None]
    if digest:
        source = json.dumps({"sha256": record.tags[_TEST_SET_TAG]})
        dataset = Dataset(TEST_PHOTOS, digest, source_type="local", source=source)
        client.log_inputs(run, [DatasetInput(dataset, [InputTag(_CONTEXT, _EVALUATION)])])
    tied = {"dataset_name": TEST_PHOTOS, "dataset_digest": digest} if digest else {}
    now = unsent.now_ms()
    metrics = [
        Metric(name, value, now, 0, model_id=model, run_id=run, **tied)
        for name, value in record.metrics.items()
        for model in models
    ]
    client.log_batch(run, metrics)


def _models_of(run: str) -> list[str | None]:
    """The ids of the models that a run logged."""
    outputs = mlflow.MlflowClient().get_run(run).outputs
    return [logged.model_id for logged in outputs.model_outputs] if outputs else []


def promote(model_file: Path) -> str:
    """Makes a model the champion of MLflow's registry; returns a sentence on what was done.

    Registers the newest of the runs here that saved these bytes, unless one is registered already.
    Does nothing, and creates no store, if there is no store, no file or no such run, or if MLflow
    cannot be used.
    """
    if not (model_file.exists() and mlflow_store.exists()):
        missing = "mlflow.db" if model_file.exists() else model_file
        return f"MLflow: nothing to register, {missing} is not here."
    try:
        mlflow_store.choose()
        with calls(UPLOAD_S):
            version = _version_of(_runs_of(file_sha256(model_file)))
            if version is None:
                return f"MLflow: nothing to register, no run here trained {model_file}."
            mlflow.MlflowClient().set_registered_model_alias(REGISTERED, CHAMPION, version)
    except TrackingError as error:
        return f"MLflow: {model_file} was not registered, {error}."
    return f"MLflow: version {version} of {REGISTERED} is the {CHAMPION}."


def download_model(name: str, folder: Path) -> Path:
    """Downloads a registered model (models:/name@alias) into a folder, and returns its file.

    Raises ModelError if the registry has no such model or cannot be used. Creates no store.
    """
    if not mlflow_store.exists():
        raise ModelError(f"{name}: MLflow has no such model: mlflow.db is not here")
    try:
        mlflow_store.choose()
        with calls(UPLOAD_S):
            downloaded = Path(mlflow.artifacts.download_artifacts(name, dst_path=str(folder)))
    except TrackingError as error:
        raise ModelError(f"{name}: MLflow has no such model: {error}") from error
    files = sorted(downloaded.rglob("*.keras"))
    if not files:
        raise ModelError(f"{name}: expected a Keras model in it, found none")
    return files[0]


def load_evaluation(name: str, file: str) -> tuple[str, str | None]:
    """What an evaluation of a registered model logged under the name `file`, newest first.

    `name` is models:/NAME@ALIAS or models:/NAME/VERSION. Gives it with the version, and the file's
    text; if there is no champion yet, a sentence that says so, and None. Raises TrackingError for
    any other model that is not there, for one without the file, and if MLflow cannot be used.
    """
    if not mlflow_store.exists():
        return _missing(name, "mlflow.db is not here"), None
    mlflow_store.choose()
    with calls(UPLOAD_S):
        version = _find_version(name)
        if version is None:
            return _missing(name, "MLflow has no such model"), None
        found = f"{name} (version {version.version})"
        client = mlflow.MlflowClient()
        model = client.get_run(version.run_id).data.tags.get(_MODEL_TAG, "")
        for run in _runs_of(model):
            if file in {one.path for one in client.list_artifacts(run)}:
                return found, str(mlflow.artifacts.load_text(f"runs:/{run}/{file}"))
    raise TrackingError(
        f"{found} was registered without {file}. Evaluate it with `dvc repro`, or compare with "
        "another version or a git revision."
    )


def _missing(name: str, problem: str) -> str:
    """Says that there is no champion yet; raises TrackingError if the name is of another model."""
    champion = f"models:/{REGISTERED}@{CHAMPION}"
    if name != champion:
        raise TrackingError(f"{name}: {problem}. The model that passed last is {champion}.")
    return f"{name}: {problem}"


def _find_version(name: str) -> ModelVersion | None:
    """The version of models:/NAME@ALIAS or models:/NAME/VERSION; None if there is none."""
    client, rest = mlflow.MlflowClient(), name.partition(":/")[2]
    model, _, alias = rest.partition("@")
    try:
        if alias:
            return client.get_model_version_by_alias(model, alias)
        return client.get_model_version(*rest.rpartition("/")[::2])
    except MlflowException as error:
        if error.error_code in _NOT_FOUND:
            return None
        raise


def _version_of(runs: Sequence[str]) -> str | None:
    """The registered version of one of these runs' models, which all have the same bytes."""
    client = mlflow.MlflowClient()
    for run in runs:
        for version in client.search_model_versions(f"name = '{REGISTERED}' and run_id = '{run}'"):
            return str(version.version)
    for run in runs:  # a run that was only evaluated has no model
        for model in _models_of(run):
            return str(mlflow.register_model(f"models:/{model}", REGISTERED).version)
    return None


def _report_tries(test_set: str) -> None:
    """Print how many models have been tested on these photos, if several have."""
    if not test_set:
        return
    with suppress(TrackingError), calls():
        runs = _runs_with(_TEST_SET_TAG, test_set)
        models = {run.data.tags.get(_MODEL_TAG) for run in runs}
        if len(models) > 1:
            unsent.report(
                f"{len(models)} models have been tested on these test photos. The best of many "
                "looks better than it is: compare settings on validation photos."
            )


def _runs_of(model_sha256: str) -> list[str]:
    """The runs of a model, newest first."""
    return [run.info.run_id for run in _runs_with(_MODEL_TAG, model_sha256)]


def _runs_with(tag: str, value: str) -> list[Run]:
    """The runs with a tag, newest first."""
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    runs = mlflow.search_runs(
        experiment_ids=[experiment.experiment_id],
        filter_string=f"tags.{tag} = '{value}'",
        order_by=["attributes.start_time DESC"],
        output_format="list",
    )
    return list(runs)
