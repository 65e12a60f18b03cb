"""What TensorFlow prints when it starts."""

import os
import subprocess
import sys

import pytest

from cropperhead.training import quiet_start

START = """
from cropperhead.training import quiet_start
{}
import tensorflow as tf
print(tf.add(2, 2))
"""


@pytest.mark.parametrize(("arranged", "is_quiet"), [("quiet_start.arrange()", True), ("", False)])
def test_tensorflow_starts_without_a_line_where_that_is_arranged(arranged, is_quiet):
    level = "3" if is_quiet else "0"
    done = subprocess.run(
        [sys.executable, "-c", START.format(arranged)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TF_CPP_MIN_LOG_LEVEL": level},
    )
    assert "tf.Tensor(4," in done.stdout
    assert ("I0000" not in done.stderr) is is_quiet
    assert ("absl::InitializeLog" not in done.stderr) is is_quiet


def test_warnings_and_errors_are_printed_and_standard_error_is_as_before(capfd):
    with pytest.raises(ImportError), quiet_start.without_information():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are\n")
        os.write(2, b"I0000 00:00:1 port.cc:153] oneDNN custom operations are on.\n")
        os.write(2, b"W0000 00:00:1 gpu.cc:9] no GPU\nIt\n")
        raise ImportError
    os.write(2, b"I0000 afterwards\n")
    assert capfd.readouterr().err == "W0000 00:00:1 gpu.cc:9] no GPU\nIt\nI0000 afterwards\n"
