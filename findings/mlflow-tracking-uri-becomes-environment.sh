#!/usr/bin/env bash
# mlflow.set_tracking_uri() writes MLFLOW_TRACKING_URI into the environment of its own process.
#
# Expected: the call sets a value inside MLflow; the variable tells what the user has set.
# Seen: after the call the variable holds the program's own address, and child processes inherit it. A program
# that asks for the variable to learn whether the user has chosen a server sees its own default instead, from
# its second look on and in every process that it starts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check mlflow-skinny==3.17.2 2>/dev/null
cd "$folder"
env -u MLFLOW_TRACKING_URI "$folder/env/bin/python" - <<'PYTHON'
import os
import subprocess
import sys

import mlflow

NAME = "MLFLOW_TRACKING_URI"
ask = [sys.executable, "-c", f"import os; print(os.environ.get({NAME!r}))"]
print("MLflow", mlflow.__version__)
before = os.environ.get(NAME)
mlflow.set_tracking_uri("file:./mine")
after = os.environ.get(NAME)
child = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
print("before the call:", before)
print("after the call: ", after)
print("in a child:     ", child)
assert before is None
assert after == child and after is not None and after.endswith("mine"), "the variable stays unset now"
PYTHON
