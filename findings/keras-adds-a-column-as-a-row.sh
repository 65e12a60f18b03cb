#!/usr/bin/env bash
# With TensorFlow, keras.ops.add(matrix, column) adds the column as if it were a row.
#
# Expected: arrays are broadcast by NumPy's rules, and a sum does not depend on the order.
# Seen: if the second array has one long axis that is as long as the first one's last axis, the backend takes it for a
# bias, removes its axes of length 1, and adds it along the last axis; there is no error. `add(column, matrix)` is
# right. Whether it happens may depend on the size of the batch: a batch of one has another axis of length 1, so that a
# model says something else of a photo alone than of the same photo among others.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1 2>/dev/null
cd "$folder"
KERAS_BACKEND=tensorflow "$folder/env/bin/python" - 2>"$folder/log" <<'PYTHON'
import keras
import numpy as np
from keras import ops

matrix, column = np.zeros((3, 3), np.float32), np.array([[1], [2], [3]], np.float32)
photos, offsets = np.zeros((2, 3, 3), np.float32), np.array([column, column])


def added(one, other):
    return ops.convert_to_numpy(ops.add(one, other)).tolist()


print("Keras", keras.__version__, "with", keras.backend.backend())
print("expected:       ", (matrix + column).tolist())
print("zeros + column: ", added(matrix, column))
print("column + zeros: ", added(column, matrix))
print("a photo alone:  ", added(photos[:1], offsets[:1])[0])
print("the same of two:", added(photos, offsets)[0])
right, turned = (matrix + column).tolist(), (matrix + column.T).tolist()
assert added(column, matrix) == added(photos, offsets)[0] == right, "what was right no longer is"
assert added(matrix, column) == added(photos[:1], offsets[:1])[0] == turned, "it is added otherwise now"
PYTHON
