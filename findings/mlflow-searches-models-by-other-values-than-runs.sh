#!/usr/bin/env bash
# mlflow.search_logged_models() takes a metric that is NaN for 0, and filters by values that no longer hold.
#
# Expected: it compares metrics as `search_runs` does, with the last value that was logged; a model whose loss is NaN is
# not below any number, and comes last in any order.
# Seen: a model with a loss of NaN is found by `metrics.loss < 0.6`, and is first in ascending order: who asks for the
# one model with the smallest loss gets the one whose training failed. The database keeps NaN as 0 beside a mark, which
# this search does not read. A filter also finds models by the loss of any earlier step, whereas the order goes by the
# last one.
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
for name, losses in (("good", [0.5]), ("bad", [0.7]), ("worse", [0.55, 0.8]), ("failed", [math.nan])):
    with mlflow.start_run(run_name=name):
        model = mlflow.create_external_model(name=name)
        for step, loss in enumerate(losses):
            mlflow.log_metric("loss", loss, step=step, model_id=model.model_id)


def runs(**how):
    return [run.info.run_name for run in mlflow.search_runs([experiment], output_format="list", **how)]


def models(**how):
    return [model.name for model in mlflow.search_logged_models([experiment], output_format="list", **how)]


print("MLflow", mlflow.__version__)
below = {"filter_string": "metrics.loss < 0.6"}
below_runs, below_models = runs(**below), sorted(models(**below))
print("loss < 0.6:     runs", below_runs, "models", below_models)
ordered_runs = runs(order_by=["metrics.loss ASC"])
ordered_models = models(order_by=[{"field_name": "metrics.loss", "ascending": True}])
print("smallest first: runs", ordered_runs, "models", ordered_models)
assert below_runs == ["good"] and ordered_runs == ["good", "bad", "worse", "failed"], "search_runs differs"
assert "failed" in below_models and ordered_models[0] == "failed", "NaN is no longer taken for 0"
assert "worse" in below_models and ordered_models[-1] == "worse", "the filter goes by the last value now"
PYTHON
