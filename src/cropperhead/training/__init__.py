"""From labels to a trained, exported network.

Whether TensorFlow computes with oneDNN or with Eigen, and with which of oneDNN's kernels, depends
on the processor unless these settings say it. TensorFlow reads them when it is imported, which only
modules of this package do.
"""

import os

from cropperhead.training import quiet_start

# By default TensorFlow uses oneDNN only on processors that have VNNI or AMX instructions
# (tensorflow/core/util/util.cc, IsMklEnabled). Without it, sums are added in another order.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# oneDNN picks its kernels by processor. Those for AVX2 run on all x86 processors of the last ten
# years; measured at 4 % more processor time.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
# Without a GPU, TensorFlow logs at every start that its call to CUDA failed; with one, its warnings
# say why it is not used. Some lines come whatever this says: `quiet_start` leaves them out.
_GPUS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")  # the last is that of Windows' Linux
_HAS_GPU = any(map(os.path.exists, _GPUS))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1" if _HAS_GPU else "3")
if not _HAS_GPU and os.environ["TF_CPP_MIN_LOG_LEVEL"] != "0":
    quiet_start.arrange()
