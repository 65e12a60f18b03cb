import importlib
import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from cropperhead import training

# A process of its own, because devices are fixed when TensorFlow first uses one. Without dropout,
# which is drawn on each device for itself, several must learn what one learns
SCRIPT = """
import dataclasses
import json
import numpy as np
import tensorflow as tf

half = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [half, half])

from cropperhead.training import devices, fit
from cropperhead.training.averaging import WeightAverager
from cropperhead.training.batches import CropExamples
from cropperhead.training.loop import train_epochs
from cropperhead.training.repeatable import make_repeatable
from small_networks import PARAMS, PROTOTYPES, START, photos

params = dataclasses.replace(PARAMS, epochs=2, least_steps=3, batch_size=8, dropout=0.0)
limits = np.random.default_rng(1).uniform([0, 0, 0.6, 0.6, -2], [0.4, 0.4, 1, 1, 2], (24, 5))
examples = CropExamples(photos(24), np.arange(24), limits.astype(np.float32))
make_repeatable(params)
for kind in ("GPU", "CPU"):  # one device, as there is no GPU; and both halves of the processor
    devices.KIND = kind
    averager = WeightAverager(params, params.epochs, None)
    network = fit.begin_network(params, examples, fit.Beginning(START, PROTOTYPES))
    train_epochs(network, params, examples, averager)
    print(json.dumps([devices.are_several(), *(row["loss"] for row in averager.rows[1:])]))
"""


def test_two_devices_learn_what_one_learns():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    [alone, *one], [together, *two] = map(json.loads, done.stdout.splitlines())
    assert (alone, together) == (False, True)
    assert len(one) == 2
    # sums of float32 in another order
    assert two == pytest.approx(one, rel=1e-5)


@pytest.mark.parametrize(
    ("device", "level"),
    [(None, "3"), ("/dev/nvidiactl", "1"), ("/dev/nvidia0", "1"), ("/dev/dxg", "1")],
)
def test_warnings_are_hidden_only_where_there_is_no_gpu(monkeypatch, device, level):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "")  # to be put back
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    monkeypatch.setattr(os.path, "exists", lambda path: path == device)
    importlib.reload(training)
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == level
