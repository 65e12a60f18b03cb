"""Reads tags of many files at a time, and writes XMP into a copy of one; no file can end the run.

Nothing else uses ExifTool.
"""

import codecs
import json
import math
import os
import re
import subprocess
import tempfile
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import exiftool
from exiftool.exceptions import ExifToolException

from cropperhead.errors import RejectedFile, SetupError
from cropperhead.system import filenames
from cropperhead.system.regular_file import is_irregular, open_regular
from cropperhead.system.time_limit import TimeIsUp, processor_s, time_limit

Tags = Mapping[str, Any]  # "Group:Tag" -> value, as ExifTool's -G1 -n -struct -json gives them

_COMMON = ["-n", "-struct"]  # plain numbers; lists of records, such as darktable's, kept together
# Without groups, Orientation of XMP and of EXIF have the same name. A tag that is there several
# times comes as "Group:Copy1:Tag", too: a warning, or what is in several packets of XMP.
_GROUPED = ("-a", "-G1:4")
# -fast2 stops before a maker's own notes, which hold no crop; but in a PNG it stops at the pixels,
# and XMP may come after them.
_SPEED, _SPEED_WITH_NOTES = "-fast2", "-fast"
_NO_COMPOSITES = "-e"  # tags that ExifTool makes of others take it a fifth of its time
_BROKEN_XMP = "XMP format error"
_WARNING = "ExifTool:Warning"
# Comments and processing instructions (XML 1.0, 2.5 and 2.6), which ExifTool 12.57 leaves in an
# element's text. No `--` is in a comment, and no `<` is expected in an instruction, so that a text
# of many beginnings is searched in one pass. Before Python 3.11.5, a possessive quantifier within
# another one finds nothing here.
_MARKUP = re.compile(r"<!--[^-]*+(?:-[^-]+)*-->|<\?[^<]*?\?>")
_BLANKS = " \t\r\n"  # of XML (2.3): a no-break space belongs to a value
# The marks of wide encodings, and how XMP must begin in them; UTF-32's begin as UTF-16's do
_WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32-le", "<?xml"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "<?xml"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "<?x"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "<?x"),
)
_LONGEST_BEGINNING = 4 * len("\ufeff\ufeff<?xml")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,16})?", re.ASCII)
# A file that it never finishes must not stop the run. A slow drive may take long, but uses no
# processor: ExifTool itself needs 4 ms for a photo, 0.3 s for a sidecar of 60 MB. It takes minutes
# for some that are nested thousands deep. A batch with one of them is stopped and read one by one,
# so that it costs 10 s of the processor at most: 2 s + 0.03 s for each of 100 files, and 5 s.
_TIME_LIMIT_S, _TIME_LIMIT_PER_FILE_S = 30, 2
_PROCESSOR_LIMIT_S, _PROCESSOR_LIMIT_PER_FILE_S, _PROCESSOR_LIMIT_ALONE_S = 2.0, 0.03, 5.0
_SLOWEST_BYTES_PER_S = 2_000_000  # at which it copies a photo, on a slow network drive
# With the group; without it, ExifTool looks for XMP in Canon's recipes as well, which are in EXIF,
# and writes EXIF and the makers' notes anew.
_PACKET = "-XMP:XMP<="
# All that is in a photo but XMP, also what ExifTool does not know; not what is true of any file
_ALL_BUT_XMP = ("-a", "-u", "-G1:4", "--XMP:all", "--File:all", "--System:all", "--Composite:all")
# How the names of places in the file end: they change with its length
_PLACES = ("Offset", "Offsets", "Start")
_COPY = re.compile(r":Copy(\d+):")
_SEVERAL = "ExifTool:Several"  # the names of tags that a file has several times
# Tags without a table get their kind from the first file that a process reads: after one darktable
# sidecar with an empty history, the histories of all others would not be records, and be lost.
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
    history_basic_hash => { }, history_auto_hash => { }, history_current_hash => { },
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
# It uses 0.1 GB for sound files, but inflates what is compressed in them without any limit. Here it
# ends with an error, where the system can limit one process (Linux).
_MOST_BYTES = 1 << 30
# How groups of tags outside of makers' notes begin
_COMMON_GROUPS = ("exif", "ifd", "subifd", "gps", "xmp", "iptc", "file", "system", "icc", "jfif")
# ExifTool's families: a tag requested by one of these comes back in a group that begins so
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "exif": ("ifd", "subifd", "exififd", "gps", "interopifd"),
    "xmp": ("xmp-",),
    "file": ("system",),
}


class _Process(exiftool.ExifToolHelper):  # type: ignore[misc]  # it has no types
    """ExifTool, without arguments that it would read as two."""

    _child: subprocess.Popen[bytes] | None = None

    def execute(self, *params: Any, raw_bytes: bool = False) -> Any:
        """As PyExifTool's. Raises ValueError for a line break or a NUL, and runs nothing."""
        for param in params:
            text = os.fsdecode(param) if isinstance(param, bytes) else str(param)
            if not filenames.is_single_argument(text):
                raise ValueError(f"not an argument for ExifTool: {filenames.escape_path(text)}")
        return super().execute(*params, raw_bytes=raw_bytes)

    def run(self) -> None:
        """Starts the process."""
        super().run()
        self._child = self._process  # PyExifTool forgets one that has died, its pipes still open

    def has_died(self) -> bool:
        """Whether it ran and has ended; PyExifTool itself shows this only on the next use."""
        return self._child is not None and self._child.poll() is not None

    def processor_s(self) -> float:
        """How long it has used the processor: `time_limit.processor_s`."""
        return 0.0 if self._child is None else processor_s(self._child.pid)

    def kill(self) -> None:
        """Ends a process that hangs or may be dead already.

        PyExifTool's own `terminate` talks to it first. Between the death of a process and the news
        of it, that raises errors.
        """
        child = self._child
        if child is None:
            return
        child.kill()
        for pipe in filter(None, (child.stdin, child.stdout, child.stderr)):
            with suppress(OSError):  # input that it has not read
                pipe.close()
        child.wait()
        self._flag_running_false()


class TagReader:
    """A running ExifTool. Not thread safe: one for each worker."""

    def __init__(self) -> None:
        self._process = _running()

    def read(
        self, files: Sequence[Path], tags: Sequence[str], with_notes: bool = False
    ) -> dict[Path, Tags]:
        """The named tags of each file and ExifTool's warnings; files it cannot read are absent.

        `tags` are "Group:Tag". One bad file can spoil ExifTool's answer for a whole batch: the
        files are then read one by one. `with_notes` reads makers' notes and what ExifTool composes
        of several tags, too, which is slower.
        Absent, too, is a file whose path would be more than one argument, and what is no file: of a
        folder, ExifTool would read every file, and a pipe it would wait for.
        """
        files = [file for file in files if _is_passable(file)]
        wanted = [*tags, _WARNING, "ExifTool:Error"]
        try:
            seconds = _TIME_LIMIT_S + _TIME_LIMIT_PER_FILE_S * len(files)
            with self._limited(seconds, _processor_limit(len(files))):
                return self._ask(files, wanted, with_notes)
        except (ExifToolException, UnicodeDecodeError, RecursionError):  # records a thousand deep
            pass
        except (TimeIsUp, BrokenPipeError):
            self._restart()
        if len(files) <= 1:
            return {}
        single = (self.read([one], tags, with_notes) for one in files)
        return {file: one for answer in single for file, one in answer.items()}

    def write_xmp(self, photo: Path, packet: bytes, target: Path) -> None:
        """Writes a copy of a photo to `target`, which does not exist, with this packet of XMP.

        Raises RejectedFile with ExifTool's reason if it does not, or takes too long; a part of the
        copy may then be there. Raises OSError for what is no file.
        """
        if not (_is_passable(photo) and filenames.has_safe_absolute_path(target)):
            raise RejectedFile("unreadable", "ExifTool takes no such path")
        seconds = _TIME_LIMIT_S + photo.stat().st_size / _SLOWEST_BYTES_PER_S
        with tempfile.TemporaryDirectory(prefix="cropperhead-") as folder:
            new = Path(folder, "new.xmp")
            new.write_bytes(packet)
            names = os.path.abspath(target), os.path.abspath(photo)  # noqa: PTH100 - keeps links
            said = self._run(seconds, f"{_PACKET}{new}", "-o", *names)
        if not target.is_file():
            raise RejectedFile("unreadable", f"ExifTool did not write into it: {said}")

    def read_all_but_xmp(self, photo: Path) -> Mapping[str, Sequence[str]]:
        """The values of all tags but XMP's, and but those that tell a place in the file.

        By group and name; a tag may have several. Raises RejectedFile if ExifTool cannot read it.
        """
        seconds = _TIME_LIMIT_S + photo.stat().st_size / _SLOWEST_BYTES_PER_S
        name = os.path.abspath(photo)  # noqa: PTH100 - keeps links
        text = self._run(seconds, "-j", *_ALL_BUT_XMP, name) if _is_passable(photo) else ""
        try:
            [answer] = json.loads(text)
        except ValueError:
            raise RejectedFile("unreadable", "ExifTool cannot read all of it") from None
        values: dict[str, list[str]] = {}
        for tag, value in answer.items():
            if tag != "SourceFile" and not tag.endswith(_PLACES):
                values.setdefault(_COPY.sub(":", tag), []).append(repr(value))
        return {tag: sorted(several) for tag, several in values.items()}

    def _run(self, seconds: float, *params: str) -> str:
        """What ExifTool prints, or else what is wrong; it is ended if it takes too long."""
        try:
            with self._limited(seconds):
                printed = str(self._process.execute(*params))
                return printed or str(self._process.last_stderr).strip()
        except (ExifToolException, UnicodeDecodeError) as error:
            return str(error)
        except (TimeIsUp, BrokenPipeError):
            self._restart()
            return f"it ended, or took more than {seconds:.0f} s"

    @contextmanager
    def _limited(self, seconds: float, busy_s: float = math.inf) -> Iterator[None]:
        """A block in which a running ExifTool has so many seconds, and of the processor.

        Raises TimeIsUp.
        """
        if self._process.has_died():
            self._restart()
        process, most = self._process, self._process.processor_s() + busy_s
        # PyExifTool would wait for an answer forever, and warns of a process that has just died
        with (
            time_limit(seconds, lambda: process.has_died() or process.processor_s() > most),
            warnings.catch_warnings(action="ignore"),
        ):
            yield

    def _restart(self) -> None:
        self._process.kill()
        self._process = _running()

    def close(self) -> None:
        """Stops ExifTool."""
        if self._process.has_died():
            self._process.kill()
        else:
            self._process.terminate()

    def _ask(
        self, files: Sequence[Path], tags: Sequence[str], with_notes: bool
    ) -> dict[Path, Tags]:
        # absolute: a relative name may begin like an option or a comment of ExifTool's
        names = {file: os.path.abspath(file) for file in files}  # noqa: PTH100 - keeps links
        slow = [n for f, n in names.items() if with_notes or f.suffix.lower() == ".png"]
        quick = [name for name in names.values() if name not in set(slow)]
        # composite tags, like maker notes, are requested without a group
        less = [] if with_notes else [_NO_COMPOSITES]
        answers = self._found(quick, tags, [_SPEED, *less])
        answers |= self._found(slow, tags, [_SPEED_WITH_NOTES, *less])
        return {file: answers[name] for file, name in names.items() if name in answers}

    def _found(
        self, names: Sequence[str], tags: Sequence[str], options: Sequence[str]
    ) -> dict[str, Tags]:
        if not names:
            return {}
        # a file alone, such as one that has spoilt its batch, is asked for no more than is wanted
        whole = _whole_groups(tags) if len(names) > 1 else frozenset()
        wanted = {tag.lower() for tag in tags}
        asked = _requests(tags, whole)
        answers = self._process.get_tags(names, asked, params=[*options, *_GROUPED])
        return {
            one["SourceFile"]: _as_meant(_without_copies(_without_unwanted(one, wanted, whole)))
            for one in answers
        }


def _processor_limit(files: int) -> float:
    if files <= 1:
        return _PROCESSOR_LIMIT_ALONE_S
    return _PROCESSOR_LIMIT_S + _PROCESSOR_LIMIT_PER_FILE_S * files


def start_reader() -> TagReader:
    """Starts ExifTool. Raises SetupError if it is not installed."""
    return TagReader()


def _running() -> _Process:
    # Without it Perl shuffles its tables: of a tag that is given twice, either might count
    os.environ["PERL_HASH_SEED"] = "0"
    with tempfile.TemporaryDirectory(prefix="cropperhead-") as folder:
        tables = Path(folder, "exiftool.config")
        tables.write_text(_TABLES)
        process = require(tables)
        process.run()  # reads the tables
    try:
        from resource import RLIMIT_AS, prlimit  # noqa: PLC0415 - only Linux has it
    except ImportError:
        return process
    prlimit(process._process.pid, RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    return process


def require(tables: Path | None = None) -> _Process:
    """ExifTool, not yet running, with its own tables. Raises SetupError if it is not installed."""
    try:
        return _Process(
            auto_start=False,  # started later, so that the last one's pipes are closed
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
    """Starts ExifTool and stops it again. Raises SetupError if it is not installed."""
    reader = start_reader()
    try:
        yield reader
    finally:
        reader.close()


def is_broken_xmp(tags: Tags) -> bool:
    """Whether ExifTool could not parse all of the XMP, so that tags may be missing."""
    return str(tags.get(_WARNING, "")).startswith(_BROKEN_XMP)


def passes_over(sidecar: Path) -> bool:
    """Whether ExifTool takes a sidecar for XMP and reads nothing of it, up to 13.59 at least.

    In UTF-16 and UTF-32 it reads only what begins with a declaration, in UTF-16 a packet, too.
    Raises OSError.
    """
    with open_regular(sidecar) as stream:
        head = stream.read(_LONGEST_BEGINNING)
    for mark, encoding, beginning in _WIDE:
        if head.startswith(mark):
            text = head[len(mark) :].decode(encoding, "replace").removeprefix("\ufeff")
            return not text.startswith(beginning)
    return False


def has_several(tags: Tags, group: str) -> bool:
    """Whether a file has a tag of a group, such as `XMP-crs:`, several times."""
    return any(tag.startswith(group) for tag in tags.get(_SEVERAL, ()))


def error_message(tags: Tags) -> str | None:
    """ExifTool's error for a file that is neither a photo nor a sidecar; None for none."""
    message = tags.get("ExifTool:Error")
    return None if message is None else str(message)


def is_in_notes(tag: str) -> bool:
    """Whether a tag, "Group:Tag" or "Tag", may be only in a maker's notes."""
    group, _, _ = tag.rpartition(":")
    return not group.lower().startswith(_COMMON_GROUPS)


def find_value(tags: Tags, tag: str) -> Any:
    """The value of a tag that was requested as "Group:Tag" or "Tag", or None.

    ExifTool answers in its own spelling and with the group that has the tag: EXIF:LensModel comes
    back as ExifIFD:LensModel.
    """
    group, _, name = tag.lower().rpartition(":")
    named = [key for key in tags if key.lower().rpartition(":")[2] == name]
    for key in named:
        actual = key.lower().rpartition(":")[0]
        if not group or actual == group or actual.startswith(_FAMILIES.get(group, ("\0",))):
            return tags[key]
    # a group of another family, such as MakerNotes, with this as its only answer
    is_common = group in _FAMILIES or group.startswith(_COMMON_GROUPS)
    return tags[named[0]] if len(named) == 1 and not is_common else None


def _whole_groups(tags: Sequence[str]) -> frozenset[str]:
    """The groups, in small letters, of which several tags are wanted, and which are no families.

    They are asked for as a whole. That takes ExifTool as long as a single tag, 0.1 ms in each file.
    There are none if a tag is wanted of another kind of group, such as Author or Camera: only
    ExifTool knows which tags of a whole group are meant by that.
    """
    counts = Counter(tag.lower().rpartition(":")[0] for tag in tags)
    if any(one and (":" in one or not one.startswith(_COMMON_GROUPS)) for one in counts):
        return frozenset()
    places = (*_FAMILIES["exif"], *_FAMILIES["xmp"])
    return frozenset(one for one, count in counts.items() if count > 1 and one.startswith(places))


def _requests(tags: Sequence[str], whole: Collection[str]) -> list[str]:
    """What ExifTool is asked for, so that all of the tags are among its answers."""
    rest = [tag for tag in tags if tag.lower().rpartition(":")[0] not in whole]
    return [*(f"{group}:all" for group in sorted(whole)), *dict.fromkeys(rest)]


def _without_unwanted(answer: Tags, wanted: Collection[str], whole: Collection[str]) -> Tags:
    """An answer without what comes with whole groups and is not among the tags that are wanted.

    A tag of a whole group may be wanted by the name of its family, too. `wanted` is in small
    letters.
    """
    kept = {}
    for tag, value in answer.items():
        group, _, name = _COPY.sub(":", tag).lower().rpartition(":")
        if group not in whole or any(one + name in wanted for one in _names_of(group)):
            kept[tag] = value
    return kept


@cache
def _names_of(group: str) -> tuple[str, ...]:
    """What may be before a wanted tag of a group: nothing, the group's name, or its families'."""
    families = [name for name, places in _FAMILIES.items() if group.startswith(places)]
    return ("", *(f"{one}:" for one in (group, *families)))


def _without_copies(answer: Tags) -> Tags:
    """Each tag once, the last of several; their warning is that of broken XMP if one of them is.

    ExifTool numbers copies by the tag's name alone: where IFD0 and XMP-tiff both give an
    Orientation, one of them is a copy, and the only one of its group.
    """
    copies = [tag for tag in answer if _COPY.search(tag)]
    if not copies:
        return answer
    once = {tag: value for tag, value in answer.items() if tag not in copies}
    several = set()
    for copy in sorted(copies, key=_copy_number, reverse=True):  # what is found last comes first
        name = _COPY.sub(":", copy)
        if name in once:
            several.add(name)
        else:
            once[name] = answer[copy]
    texts = [str(value) for tag, value in answer.items() if tag.endswith(":Warning")]
    worst = min(texts, key=lambda text: not text.startswith(_BROKEN_XMP), default=None)
    return once | {_SEVERAL: sorted(several)} | ({} if worst is None else {_WARNING: worst})


def _copy_number(tag: str) -> int:
    found = _COPY.search(tag)
    return int(found[1]) if found else 0


def _as_meant(tags: Tags) -> Tags:
    return {
        name: _value_as_meant(value) if name.startswith("XMP") else value
        for name, value in tags.items()
    }


def _value_as_meant(value: Any) -> Any:
    """A value of XMP without the comments in it and the blanks around it, which ExifTool leaves."""
    if isinstance(value, Mapping):
        return {name: _value_as_meant(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_value_as_meant(one) for one in value]
    if not isinstance(value, str):
        return value
    text = _MARKUP.sub("", value).strip(_BLANKS)
    if text == value:
        return value
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    return json.loads(text) if _NUMBER.fullmatch(text) else text


def _is_passable(file: Path) -> bool:
    return filenames.has_safe_absolute_path(file) and not is_irregular(file)
