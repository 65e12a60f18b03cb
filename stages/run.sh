# Runs a stage with the Python that has the pipeline: sh stages/run.sh STAGE ARGUMENT...
#
# `python` is the right one where an environment is active (venv, conda, `uv run`, `make`). Otherwise,
# as with `.venv/bin/dvc repro`, it is the one in the project's .venv. DVC sets DVC_ROOT to the
# project's folder, also for a queued experiment, which runs in a copy without .venv.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
stage=$1
shift

has_pipeline() {
  "$1" -c 'import sys; from importlib.util import find_spec
sys.exit(not (find_spec("cropperhead") and find_spec("keras")))' 2>/dev/null
}

for python in python "${DVC_ROOT:-$root}/.venv/bin/python" python3; do
  if has_pipeline "$python"; then
    # An experiment's copy runs the copy's code, not what is installed
    export PYTHONPATH="$root/src${PYTHONPATH:+:$PYTHONPATH}"
    # On a busy machine, OpenMP threads that spin while they wait slow down the threads they wait for
    export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
    exec "$python" -P -m cropperhead.system.stage "$root/stages/$stage.py" "$@"
  fi
done

echo "No Python here has CropperHead's pipeline. Run \`make setup\`, or activate the environment" \
  "in which you ran \`pip install --editable '.[pipeline]'\`." >&2
exit 1
