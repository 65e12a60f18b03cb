"""Opens files of folders that anybody may have filled: regular files, and nothing else.

A pipe in the place of a photo, a sidecar or a model would block whoever opens it until somebody
writes into it, a device may never end, and opening one may set something off. They are told from
files before they are opened, and once more afterwards, in case they were exchanged meanwhile.
"""

import errno
import io
import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}
# Where a system lacks one of them, it has no pipes, terminals or links among its files, or its
# files are binary
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY", "O_NOINHERIT")
)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class NotRegularError(OSError):
    """What has the name of a file and is none, or is larger than its reader allows.

    As for every OSError, `strerror` is the problem and `filename` the path.
    """


def open_regular(
    file: Path, buffering: int = io.DEFAULT_BUFFER_SIZE, follow_link: bool = True
) -> io.BufferedReader:
    """Opens a file for reading, in binary. Raises OSError.

    That is NotRegularError for a folder, a pipe, a socket or a device, or a link to one; without
    `follow_link` for every link. `buffering` is in bytes.
    """
    _refuse_others(file.stat(follow_symlinks=follow_link), file)
    descriptor = os.open(file, _FLAGS | (0 if follow_link else _NO_LINK))
    try:
        _refuse_others(os.fstat(descriptor), file)
    except NotRegularError:
        os.close(descriptor)
        raise
    return io.BufferedReader(io.FileIO(descriptor), buffering)


def read_bytes(file: Path, most_bytes: int, follow_link: bool = True) -> bytes:
    """The content of a file of at most `most_bytes`. Raises OSError as `open_regular` does.

    That is NotRegularError, too, for a larger file, of which no more is read.
    """
    with open_regular(file, follow_link=follow_link) as stream:
        size = os.fstat(stream.fileno()).st_size
        content = stream.read(min(size, most_bytes) + 1)
        if len(content) > size:  # it has grown meanwhile
            content += stream.read(most_bytes + 1 - len(content))
    if len(content) > most_bytes:
        raise NotRegularError(errno.EFBIG, f"it has more than {most_bytes:,} bytes", str(file))
    return content


def require_regular(file: Path) -> None:
    """Raises OSError as `open_regular` does, as far as that can be told without opening a file."""
    _refuse_others(file.stat(), file)


def is_irregular(file: Path) -> bool:
    """Whether something is there that `open_regular` refuses as no file; False for nothing."""
    try:
        require_regular(file)
    except NotRegularError:
        return True
    except (OSError, ValueError):  # ValueError is for a NUL in its name
        return False
    return False


def _refuse_others(status: os.stat_result, file: Path) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
    raise NotRegularError(errno.EINVAL, f"it is {kind}, expected a file", str(file))
