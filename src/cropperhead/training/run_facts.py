"""What a training's run is called in MLflow, and what it notes of the code and the machine."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from cropperhead import params
from cropperhead.errors import ParamsError, SetupError
from cropperhead.system.git import run_git

_NOT_RESULTS = (":(exclude)reports", ":(exclude)dvc.lock")
_NAMED = 3  # changes in a run's name: more would not fit into a column
_CPUS = Path("/proc/cpuinfo")
# DVC sets both while it runs an experiment; it has no function that gives them
_EXPERIMENT, _BASELINE = "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"


def run_name(values: Mapping[str, Any]) -> str:
    """Return a run's name: the values that differ from the last commit's, or quality and seed.

    `values` are those of `params.effective`. An experiment of DVC is compared with the commit that
    it started from.
    """
    committed = _committed(params.effective)
    changes = [
        f"{name.removeprefix('train.')}={value}"
        for name, value in values.items()
        if name in committed and committed[name] != value
    ]
    if not changes:
        return f"{values['train.quality']} seed {values['train.seed']}"
    more = len(changes) - _NAMED
    return ", ".join(changes[:_NAMED]) + (f", {more} more" if more > 0 else "")


def warn_of_unused(settings: params.Params) -> None:
    """Print which values that differ from the last commit's the chosen network does not use."""
    committed, used = _committed(params.flatten), params.effective(settings)
    quality = settings.train.quality
    for name, value in params.flatten(settings).items():
        if name not in used and committed.get(name, value) != value:
            problem = f"{name} is {value} now, which train.quality {quality} does not use"
            text = f"{params.FILE}: {problem}{_used_instead(name, used)}."
            print(text, file=sys.stderr, flush=True)


def _used_instead(name: str, used: Collection[str]) -> str:
    """Names the values that replace an unused one, for the end of a sentence."""
    last = f".{name.rpartition('.')[2]}"
    others = [one for one in used if one.startswith("train.") and one.endswith(last)]
    return f": change {' or '.join(others)}" if others else ""


def run_tags(values: Mapping[str, Any]) -> dict[str, str]:
    """Return a run's tags: its commit, DVC's name of the experiment, the processor, the threads."""
    commit, dirty = find_commit()
    tags = {"git_commit": commit, "git_dirty": dirty}
    tags |= {"processor": processor(), "threads": str(values["train.threads"])}
    experiment = os.environ.get(_EXPERIMENT)
    return tags | ({"dvc_experiment": experiment} if experiment else {})


def find_commit() -> tuple[str, str]:
    """Return the commit's hash and whether the code differs from it; "unknown" without git."""
    try:
        commit = run_git("rev-parse", "HEAD").strip()
        # DVC removes a stage's results before it runs, so they do not show a change of the code
        changed = run_git("status", "--porcelain", "--", ".", *_NOT_RESULTS).strip()
        return commit, str(bool(changed)).lower()
    except SetupError:
        return "unknown", "unknown"


def processor() -> str:
    """Return the name of the processor that TensorFlow trains on: a GPU's, if it finds one."""
    for gpu in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpu)
        return str(details.get("device_name", gpu.name))
    return _cpu() or platform.machine()


def _cpu() -> str:
    """Return the processor's name; empty where the system has none."""
    try:
        if platform.system() == "Darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(
                command, capture_output=True, text=True, check=False
            ).stdout.strip()
        lines = _CPUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "")


def _committed(by_name: Callable[[params.Params], dict[str, Any]]) -> dict[str, Any]:
    """Return the committed params by dotted name; none without git, or of another version."""
    try:
        text = run_git("show", f"{os.environ.get(_BASELINE, 'HEAD')}:./{params.FILE}")
        return by_name(params.parse(text.encode()))
    except (SetupError, ParamsError):
        return {}
