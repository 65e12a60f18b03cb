"""Locks on folders, so that two runs do not change the same files at one time.

The system locks the open folder itself (`flock`). So no file is left behind, the lock of a killed
process is released, a read-only folder can be locked, and all paths to a folder lead to one lock.
File servers do not pass on a lock of a folder: it holds on one computer. Where a system cannot lock
folders, runs are not kept apart.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from cropperhead.errors import BusyError

try:
    import fcntl
except ModuleNotFoundError:  # on Windows
    fcntl = None  # type: ignore[assignment]

PATIENCE_S = 5.0
_PAUSE_S = 0.1
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_HELD_LOCKS = Path("/proc/locks")  # of Linux: proc_locks(5)


@contextmanager
def hold_trees(folders: Iterable[Path]) -> Iterator[None]:
    """Keeps other callers out of some folders, all that is in them, and the folders around them.

    Callers whose folders lie side by side do not wait for each other. Folders that cannot be opened
    are passed over. Raises BusyError where another run holds one of them for PATIENCE_S more.
    """
    wanted = _wanted(folders)
    deadline = None
    while True:
        with ExitStack() as held:
            busy = _lock_all(wanted, held)
            if busy is None:
                yield
                return
        if deadline is None:
            from tqdm import tqdm  # noqa: PLC0415 - which workers do without

            tqdm.write(f"{busy} Waiting for up to {PATIENCE_S:g} s.", file=sys.stderr)
            deadline = time.monotonic() + PATIENCE_S
        elif time.monotonic() > deadline:
            raise BusyError(f"{busy} Wait until it is done, or end it, and try again.")
        time.sleep(_PAUSE_S)


@contextmanager
def hold_folder(folder: Path, exclusive: bool, create: bool = False) -> Iterator[None]:
    """Waits for the lock on one folder, and holds it. Raises OSError, also where it is a link.

    Callers that are not `exclusive` hold it together. A folder that is removed while its lock is
    awaited is gone, or with `create` made anew.
    """
    while True:
        if create:
            folder.mkdir(exist_ok=True)
        descriptor = os.open(folder, _FOLDER | _NO_LINK)
        try:
            with suppress(OSError):  # of a system that cannot lock it
                _flock(descriptor, exclusive, wait=True)
            if _is_open(descriptor, folder):
                yield
                return
        finally:
            os.close(descriptor)


def _wanted(folders: Iterable[Path]) -> Mapping[Path, bool]:
    """The folders to lock, and whether exclusively: those around the folders are shared."""
    real = {Path(os.path.realpath(folder)) for folder in folders}
    roots = {one for one in real if real.isdisjoint(one.parents)}
    around = {parent for root in roots for parent in root.parents}
    return dict.fromkeys(sorted(roots), True) | dict.fromkeys(sorted(around), False)


def _lock_all(wanted: Mapping[Path, bool], held: ExitStack) -> str | None:
    """Locks folders until the stack is closed; or says which of them is held by whom."""
    locked = set()
    for folder, exclusive in wanted.items():
        try:
            descriptor = os.open(folder, _FOLDER)
        except OSError:  # gone, or not to be read
            continue
        held.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) in locked:  # one folder by two paths
            continue
        locked.add((status.st_dev, status.st_ino))
        try:
            _flock(descriptor, exclusive, wait=False)
        except BlockingIOError:
            process = _holder(status)
            return f"{folder}: another run of CropperHead{process} is working in it."
        except OSError:  # the system cannot lock it
            continue
    return None


def _flock(descriptor: int, exclusive: bool, wait: bool) -> None:
    if fcntl is not None:
        how = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        fcntl.flock(descriptor, how if wait else how | fcntl.LOCK_NB)


def _is_open(descriptor: int, folder: Path) -> bool:
    """Whether an open folder still is the one at its path."""
    try:
        return os.path.samestat(os.fstat(descriptor), folder.lstat())
    except FileNotFoundError:
        return False


def _holder(status: os.stat_result) -> str:
    """Which process has locked a folder, if the system tells."""
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        lines = [line.split() for line in _HELD_LOCKS.read_text().splitlines()]
    except OSError:
        return ""
    holders = [one[4] for one in lines if one[1] == "FLOCK" and one[5] == place and one[4] != "0"]
    return f" (process {holders[0]})" if holders else ""
