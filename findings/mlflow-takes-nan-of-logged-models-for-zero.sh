#!/usr/bin/env bash
# mlflow.search_logged_models() takes a metric that is NaN for 0; search_runs() does not.
#
# Expected: a model whose loss is NaN has no place among those with a loss below 0.6, and comes last in any order, as its
# run does in `search_runs`.
# Seen: it is found by `metrics.loss < 0.6`, and first in ascending order: who asks for the one model with the smallest
# loss gets the one whose training failed. The database keeps NaN as 0 beside a mark, which this search does not read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2 2>/dev/null
cd "$folder"
env -u MLFLOW_TRACKING_URI "$folder/env/bin/python" 2>"$folder/log" - <<'PYTHON'
import math

import mlflow

mlflow.set_tracking_uri("sqlite:///runs.db")
experiment = mlflow.set_experiment("losses").experiment_id
for name, loss in (("good", 0.5), ("bad", 0.7), ("failed", math.nan)):
    with mlflow.start_run(run_name=name):
        model = mlflow.create_external_model(name=name)
        mlflow.log_metric("loss", loss, model_id=model.model_id)


def runs(**how):
    return [run.info.run_name for run in mlflow.search_runs([experiment], output_format="list", **how)]


def models(**how):
    return [model.name for model in mlflow.search_logged_models([experiment], output_format="list", **how)]


print("MLflow", mlflow.__version__)
below = {"filter_string": "metrics.loss < 0.6"}
below_runs, below_models = runs(**below), models(**below)
print("loss < 0.6:     runs", below_runs, "models", below_models)
ordered_runs = runs(order_by=["metrics.loss ASC"])
ordered_models = models(order_by=[{"field_name": "metrics.loss", "ascending": True}])
print("smallest first: runs", ordered_runs, "models", ordered_models)
assert below_runs == ["good"] and ordered_runs == ["good", "bad", "failed"], "search_runs differs"
assert set(below_models) == {"good", "failed"}, "the filter no longer takes NaN for 0"
assert ordered_models == ["failed", "good", "bad"], "the order no longer takes NaN for 0"
PYTHON
