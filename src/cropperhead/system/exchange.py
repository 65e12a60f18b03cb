"""Exchanges two files in one step, so that what was replaced at that moment can be looked at.

Python has no function for it. Linux has renameat2(2) with RENAME_EXCHANGE, macOS renamex_np(2) with
RENAME_SWAP; both have the flag 2.
"""

import ctypes
import errno
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

_EXCHANGE = 2
_HERE = -100  # AT_FDCWD: a path is that of the current folder
# of a system or file system that cannot do it
_UNABLE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}


def exchange(one: Path, other: Path) -> bool:
    """Exchanges two files that exist; False, without a change, where that cannot be done.

    Raises OSError for what is wrong with the files.
    """
    if _library() is None:
        return False
    if _call(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNABLE:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


@cache
def _library() -> Any:
    name = {"linux": "renameat2", "darwin": "renamex_np"}.get(sys.platform, "")
    library = ctypes.CDLL(None, use_errno=True) if name else None
    return library if hasattr(library, name) else None  # older C libraries lack it


def _call(one: bytes, other: bytes) -> int:
    if sys.platform == "darwin":
        return int(_library().renamex_np(one, other, ctypes.c_uint(_EXCHANGE)))
    return int(_library().renameat2(_HERE, one, _HERE, other, ctypes.c_uint(_EXCHANGE)))
