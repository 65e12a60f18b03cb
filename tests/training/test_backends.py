"""The network's training on another of Keras's backends than TensorFlow, where that is installed.

What makes its batches is TensorFlow's on any backend.
"""

import importlib.util
import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed: `pip install jax`"
)

# Each backend draws other weights from a seed, and other dropout: so JAX begins with TensorFlow's,
# and both do without
SCRIPT = """
import dataclasses
import json
import sys
from pathlib import Path
import keras
import numpy as np

from cropperhead.training import fit
from cropperhead.training.averaging import WeightAverager
from cropperhead.training.batches import CropExamples
from cropperhead.training.loop import train_epochs
from cropperhead.training.repeatable import make_repeatable
from small_networks import PARAMS, PROTOTYPES, START, photos

params = dataclasses.replace(PARAMS, epochs=3, least_steps=3, batch_size=8, dropout=0.0)
limits = np.random.default_rng(1).uniform([0, 0, 0.6, 0.6, -2], [0.4, 0.4, 1, 1, 2], (24, 5))
examples = CropExamples(photos(24), np.arange(24), limits.astype(np.float32))
make_repeatable(params)
network = fit.begin_network(params, examples, fit.Beginning(START, PROTOTYPES))
begun = Path(sys.argv[1])
if begun.exists():
    network.set_weights([value for _, value in sorted(np.load(begun).items())])
else:
    weights = network.get_weights()
    np.savez(begun, **{f"{number:03d}": value for number, value in enumerate(weights)})
averager = WeightAverager(params, params.epochs, None)
train_epochs(network, params, examples, averager)
losses = [row["loss"] for row in averager.rows[1:]]
ends = [float(np.abs(value).mean()) for value in network.get_weights()]
print(json.dumps([keras.backend.backend(), losses, ends]))
"""


def train_on(backend, begun):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(begun)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
    )
    assert done.returncode == 0, done.stderr
    used, losses, ends = json.loads(done.stdout.splitlines()[-1])
    assert used == backend
    return losses, ends


def test_jax_trains_the_same_network(tmp_path):
    losses, ends = train_on("tensorflow", tmp_path / "begun.npz")
    assert len(set(losses)) == 3  # it learns something, if only noise
    theirs = train_on("jax", tmp_path / "begun.npz")
    # sums of float32 in another order, over nine steps
    assert theirs[0] == pytest.approx(losses, rel=1e-3)
    assert theirs[1] == pytest.approx(ends, rel=1e-3, abs=1e-6)
