"""The only door to ExifTool: tags of many files at a time, none of which can end the run."""

import os
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import exiftool
from exiftool.exceptions import ExifToolException

from cropperhead.errors import SetupError
from cropperhead.system import filenames

Tags = Mapping[str, Any]  # "Group:Tag" -> value, as ExifTool's -G1 -n -struct -json gives them

_COMMON = ["-n", "-struct"]  # plain numbers; lists of records, such as darktable's, kept together
_GROUPED = "-G1"  # without it, Orientation of XMP and of EXIF cannot be told apart
_EVERY_WARNING = ("-a", "-G1:4")  # without it, ExifTool tells the first alone
# -fast2 stops before a maker's own notes, which hold no crop; but in a PNG already at the pixels,
# and XMP may come after them.
_SPEED, _SPEED_WITH_NOTES = "-fast2", "-fast"
_BROKEN_XMP = "XMP format error"
_WARNING = "ExifTool:Warning"
# ExifTool answers in milliseconds; a file that it never ends with must not stop the run.
_PATIENCE_S, _PATIENCE_PER_FILE_S = 30, 2
_LOOK_EVERY_S = 0.5
# What ExifTool has no table for it learns from the first file that it meets in its life: after one
# darktable sidecar with an empty history, those of all others would be no records, and lost.
_TABLES = """
%Image::ExifTool::UserDefined = (
    'Image::ExifTool::XMP::Main' => {
        darktable => { SubDirectory => { TagTable => 'Image::ExifTool::UserDefined::darktable' } },
    },
);
%Image::ExifTool::UserDefined::darktable = (
    GROUPS => { 0 => 'XMP', 1 => 'XMP-darktable', 2 => 'Image' },
    NAMESPACE => { darktable => 'http://darktable.sf.net/' },
    WRITABLE => 'string',
    xmp_version => { }, history_end => { }, iop_order_list => { }, raw_params => { },
    history => {
        List => 'Seq',
        Struct => {
            NAMESPACE => { darktable => 'http://darktable.sf.net/' },
            num => { }, operation => { }, enabled => { }, modversion => { }, params => { },
            multi_name => { }, multi_priority => { },
        },
    },
    history_operation => { List => 'Seq' },
    history_enabled => { List => 'Seq' },
    history_modversion => { List => 'Seq' },
    history_params => { List => 'Seq' },
);
1;
"""
# It takes 0.1 GB for sound files, but inflates what is compressed in them without any limit. Here
# it ends with an error, where the system can limit one process (Linux).
_MOST_BYTES = 2 << 30
# Tags outside of makers' notes, by the beginnings of their groups' names
_COMMON_GROUPS = ("exif", "ifd", "subifd", "gps", "xmp", "iptc", "file", "system", "icc", "jfif")
# ExifTool's families: a tag asked for by one of these comes back by a group that begins so
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "exif": ("ifd", "subifd", "exififd", "gps", "interopifd"),
    "xmp": ("xmp-",),
    "file": ("system",),
}


class _Process(exiftool.ExifToolHelper):  # type: ignore[misc]  # it has no types
    """ExifTool, which takes no argument that it would read as two."""

    def execute(self, *params: Any, raw_bytes: bool = False) -> Any:
        """As PyExifTool's. Raises ValueError, and asks nothing, for a line break or a NUL."""
        for param in params:
            text = os.fsdecode(param) if isinstance(param, bytes) else str(param)
            if not filenames.is_single_argument(text):
                raise ValueError(f"no argument of ExifTool's: {filenames.escape_path(text)}")
        return super().execute(*params, raw_bytes=raw_bytes)


class TagReader:
    """A running ExifTool. Not thread safe: one for each worker."""

    def __init__(self) -> None:
        self._process = _running()

    def read(
        self, files: Sequence[Path], tags: Sequence[str], with_notes: bool = False
    ) -> dict[Path, Tags]:
        """The named tags of each file and ExifTool's warnings; files it cannot read are absent.

        `tags` are "Group:Tag". One bad file can spoil ExifTool's answer for a whole batch: the
        files are then asked for one by one. `with_notes` reads makers' notes too, which is slower.
        A file whose path would be more than one argument is not asked for, and so is absent.
        """
        files = [file for file in files if filenames.has_safe_absolute_path(file)]
        wanted = [*tags, _WARNING, "ExifTool:Error"]
        if self._has_died():
            self._start_anew()
        try:
            seconds = _PATIENCE_S + _PATIENCE_PER_FILE_S * len(files)
            # PyExifTool warns of one that has just died
            with _patience(seconds, self._has_died), warnings.catch_warnings(action="ignore"):
                return self._ask(files, wanted, with_notes)
        except (ExifToolException, UnicodeDecodeError, RecursionError):  # records a thousand deep
            pass
        except (_TooSlow, BrokenPipeError):
            self._start_anew()
        if len(files) <= 1:
            return {}
        single = (self.read([one], tags, with_notes) for one in files)
        return {file: found for answer in single for file, found in answer.items()}

    def _has_died(self) -> bool:
        """PyExifTool itself keeps this from its callers until the next question."""
        process = self._process._process
        return process is not None and process.poll() is not None

    def _start_anew(self) -> None:
        last = self._process._process
        with warnings.catch_warnings(action="ignore"):  # that it does not run any more
            self._process.terminate(timeout=1)
        for pipe in (last.stdin, last.stdout, last.stderr):
            with suppress(OSError):  # what it was yet to be told
                pipe.close()
        self._process = _running()

    def close(self) -> None:
        """Stops ExifTool."""
        self._process.terminate()

    def _ask(
        self, files: Sequence[Path], tags: Sequence[str], with_notes: bool
    ) -> dict[Path, Tags]:
        # absolute: a relative name may begin like an option or a comment of ExifTool's
        names = {file: os.path.abspath(file) for file in files}  # noqa: PTH100 - keeps links
        slow = [n for f, n in names.items() if with_notes or f.suffix.lower() == ".png"]
        quick = [name for name in names.values() if name not in set(slow)]
        answers = self._found(quick, tags, _SPEED) | self._found(slow, tags, _SPEED_WITH_NOTES)
        return {file: answers[name] for file, name in names.items() if name in answers}

    def _found(self, names: Sequence[str], tags: Sequence[str], speed: str) -> dict[str, Tags]:
        if not names:
            return {}
        answers = self._process.get_tags(names, tags, params=[speed, _GROUPED])
        found = {answer["SourceFile"]: answer for answer in answers}
        warned = [name for name, answer in found.items() if _WARNING in answer]
        return found | self._with_worst_warning({name: found[name] for name in warned}, speed)

    def _with_worst_warning(self, warned: dict[str, Tags], speed: str) -> dict[str, Tags]:
        """The same answers, their warning that of broken XMP where there is one among others."""
        if not warned:
            return {}
        params = [speed, *_EVERY_WARNING]
        for answer in self._process.get_tags(list(warned), [_WARNING], params=params):
            first = warned[answer["SourceFile"]]  # ExifTool tells some but once in its life
            texts = [first[_WARNING], *(t for tag, t in answer.items() if tag.endswith(":Warning"))]
            worst = min(map(str, texts), key=lambda text: not text.startswith(_BROKEN_XMP))
            warned[answer["SourceFile"]] = {**first, _WARNING: worst}
        return warned


def start_reader() -> TagReader:
    """Starts ExifTool. Raises SetupError where it is not installed."""
    return TagReader()


def _running() -> _Process:
    # Perl else shuffles its tables, and of a tag that is given twice now one counts, now another
    os.environ["PERL_HASH_SEED"] = "0"
    with tempfile.TemporaryDirectory(prefix="cropperhead-") as folder:
        tables = Path(folder, "exiftool.config")
        tables.write_text(_TABLES)
        process = require(tables)
        process.run()  # after which they are read
    try:
        from resource import RLIMIT_AS, prlimit  # noqa: PLC0415 - Linux alone has it
    except ImportError:
        return process
    prlimit(process._process.pid, RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    return process


def require(tables: Path | None = None) -> _Process:
    """ExifTool, not yet running, with tables of its own. Raises SetupError where it is missing."""
    try:
        return _Process(
            auto_start=False,  # here, so that the last one's pipes are closed
            config_file=None if tables is None else str(tables),
            common_args=_COMMON,
            check_execute=False,
            check_tag_names=False,
            encoding="utf-8",
        )
    except FileNotFoundError:
        raise SetupError(
            "ExifTool is not installed, and crops cannot be read without it. Install it with "
            "`sudo apt install libimage-exiftool-perl` (Debian, Ubuntu) or `brew install exiftool` "
            "(macOS)."
        ) from None


@contextmanager
def tag_reader() -> Iterator[TagReader]:
    """Starts ExifTool and stops it again. Raises SetupError where it is not installed."""
    reader = start_reader()
    try:
        yield reader
    finally:
        reader.close()


def is_broken_xmp(tags: Tags) -> bool:
    """Whether ExifTool could not parse the XMP, so that what it found may be half of it."""
    return str(tags.get(_WARNING, "")).startswith(_BROKEN_XMP)


def error_message(tags: Tags) -> str | None:
    """What ExifTool says of a file that is no photo or sidecar at all."""
    said = tags.get("ExifTool:Error")
    return None if said is None else str(said)


def is_in_notes(tag: str) -> bool:
    """Whether a tag, "Group:Tag" or "Tag", may stand in a maker's notes alone."""
    group, _, _ = tag.rpartition(":")
    return not group.lower().startswith(_COMMON_GROUPS)


def find_value(tags: Tags, tag: str) -> Any:
    """The value of a tag that was asked for as "Group:Tag" or "Tag", or None.

    ExifTool answers by its own spelling and by the group in which it found the tag: EXIF:LensModel
    comes back as ExifIFD:LensModel.
    """
    group, _, name = tag.lower().rpartition(":")
    named = [key for key in tags if key.lower().rpartition(":")[2] == name]
    for key in named:
        found = key.lower().rpartition(":")[0]
        if not group or found == group or found.startswith(_FAMILIES.get(group, ("\0",))):
            return tags[key]
    # a group of another family, such as MakerNotes, of which this is the only answer
    known = group in _FAMILIES or group.startswith(_COMMON_GROUPS)
    return tags[named[0]] if len(named) == 1 and not known else None


class _TooSlow(Exception):
    pass


@contextmanager
def _patience(seconds: float, has_died: Callable[[], bool]) -> Iterator[None]:
    """Raises _TooSlow in the block after so many seconds, or when ExifTool has died.

    Without, PyExifTool would wait for its answer for ever. Does nothing where the system cannot.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    end = time.monotonic() + seconds

    def look(*_: object) -> None:
        if has_died() or time.monotonic() > end:
            raise _TooSlow

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_EVERY_S, _LOOK_EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
