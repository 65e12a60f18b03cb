"""What is remembered of a review: predicted crops, decisions, and what was written for them.

`FOLDER/.cropperhead/review.jsonl` has a line for each event, and the last one of a kind counts. So
a review goes on where it was left, also after its server was killed. The file may come from anybody
with the folder: only lines of our own form are read, up to limits, and nothing in it names a file
that is opened.
"""

import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

from cropperhead.library import journal_records
from cropperhead.system import regular_file

NAME = "review.jsonl"
_MOST_BYTES, _LONGEST_LINE = 64_000_000, 65_536
# Without waiting for a reader, should it be a pipe
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_APPEND |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_KINDS = frozenset({"crops", "decision", "written"})


class ReviewLog:
    """The log of one folder. Without permission to write there, it is kept in memory only."""

    def __init__(self, folder: Path) -> None:
        self._place, self._lock = folder / journal_records.FOLDER, Lock()
        self._start = b"\n"  # of the first line: the one before may be cut off
        self.problem = ""

    def read(self) -> Iterator[Mapping[str, Any]]:
        """The events so far, the earliest first; what cannot be read is passed over."""
        try:
            journal_records.require_folder(self._place)
            content = regular_file.read_bytes(self._place / NAME, _MOST_BYTES, follow_link=False)
        except OSError:
            return
        for line in BytesIO(content):
            event = _parse(line)
            if event is not None:
                yield event

    def add(self, kind: str, photo: str, **values: Any) -> None:
        """Add an event, and see it on the disk."""
        line = json.dumps({"kind": kind, "photo": photo, **values}).encode() + b"\n"
        with self._lock:
            try:
                self._append(line)
            except OSError as error:
                self.problem = f"Decisions are not kept: {error.strerror or error}."

    def _append(self, line: bytes) -> None:
        self._place.mkdir(exist_ok=True)
        journal_records.require_folder(self._place)
        descriptor = os.open(self._place / NAME, _APPEND, 0o666)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                raise OSError(errno.EINVAL, f"{NAME} is not a file of its own")
            os.write(descriptor, self._start + line)
            os.fsync(descriptor)
            self._start = b""
        finally:
            os.close(descriptor)


def _parse(line: bytes) -> Mapping[str, Any] | None:
    if len(line) > _LONGEST_LINE:
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_ours = isinstance(event, dict) and event.get("kind") in _KINDS
    return event if is_ours and isinstance(event.get("photo"), str) else None
