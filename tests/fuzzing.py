"""Libraries of mutated files, and what must hold of each: by hand for minutes, in tests seconds.

    python tests/fuzzing.py --minutes 10 --seed 1

A library follows from the seed and its number alone. They are extracted in a process of their own,
so that a crash, a hang or a memory bomb ends that process alone and is told.
"""

import argparse
import faulthandler
import hashlib
import io
import json
import math
import multiprocessing
import os
import random
import re
import shutil
import sqlite3
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pandas as pd
import pillow_heif
from catalog_files import REAL_CROP, Photo, make_catalog, packed, real_text
from conftest import darktable_xmp, extract_params, picture, save_photo, settings, xmp
from profile_files import format_profile
from raw_files import save_dng, scene

from cropperhead.dataset import extract, inspect, reading, shards
from cropperhead.dataset.ledger import Ledger
from cropperhead.dataset.outcome import CROPPED, REJECTED, SUGGESTED, UNCROPPED
from cropperhead.editors import darktable, lightroom, rawtherapee
from cropperhead.errors import ModelError, RejectedFile
from cropperhead.geometry.crops import CROP_COLUMNS, Crop
from cropperhead.inference import litert
from cropperhead.library import journal, scan
from cropperhead.library.journal_records import Record
from cropperhead.photos import image

MEGAPIXELS = 20.0  # extract.max_megapixels of these runs
# Pixels of 16 bits and four channels, and what is made of them on the way to eight: 8 + 16 bytes.
# AVIF knows no limit but libavif's own, 16384 x 16384 px, of which it keeps 1.5 bytes or more.
MOST_BYTES = 300_000_000 + int(24 * MEGAPIXELS * 1e6)
PATIENCE_S = 240.0  # for one library, on a busy machine
_PHOTOS = 12
_TAGS = {"XMP:Rating": 0, "XMP-crs:Exposure2012": 0.0, "EXIF:LensModel": "", "EXIF:ISO": 100}
_SIZE = (96, 64)
_CROP = Crop(0.2, 0.15, 0.8, 0.9, 2.5)
_FORMATS = ("jpg", "jpg", "mpo.jpg", "png", "tif", "webp", "heic", "avif", "dng", "dng")
_CONTROL = "99.jpg"  # is sound in every library, and must give its labels
_EDITORS = (lightroom, darktable, rawtherapee)

# --- sound files ------------------------------------------------------------------------------


@cache
def sound(kind: str) -> bytes:
    """A sound photo or sidecar with a crop, by its suffix."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"a.{kind}")
        return _MAKERS[kind](file) or file.read_bytes()


def _embedded(file: Path) -> None:
    packet = xmp(settings(angle=2), 6)
    save_photo(file, packet, picture(*_SIZE), {0x0112: 6, 0x010F: "Maker", 0x9003: "2024:01:02"})


def _several(file: Path) -> None:
    more = {"save_all": True, "append_images": [picture(40, 30)]}
    picture(*_SIZE).save(file, "MPO", xmp=xmp(settings()), **more)


def _heif(file: Path) -> None:
    pillow_heif.register_heif_opener()
    picture(*_SIZE).save(file, xmp=xmp(settings()))


def _raw(file: Path) -> None:
    save_dng(file, scene(240, 160), scene(240, 160))


def _history(file: Path) -> bytes:
    del file
    return darktable_xmp(darktable.encode(_CROP, *_SIZE, 6, 1))


def _profile(file: Path) -> bytes:
    del file
    return format_profile(rawtherapee.encode(_CROP, *_SIZE, 6, 1)).encode()


_MAKERS: dict[str, Callable[[Path], bytes | None]] = {
    **dict.fromkeys(("jpg", "png", "tif", "webp"), _embedded),
    **dict.fromkeys(("heic", "avif"), _heif),
    "mpo.jpg": _several,
    "dng": _raw,
    "xmp": lambda _: xmp(settings(angle=2), 6),
    "elements.xmp": lambda _: xmp(settings(), 8, elements=True),
    "darktable.xmp": _history,
    **dict.fromkeys(("pp3", "arp"), _profile),
}

# --- mutations --------------------------------------------------------------------------------

_WHOLE = (0, 1, 255, 4000, 30000, 65535, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
_WORDS = (
    *(b"NaN", b"inf", b"-inf", b"1e999", b"-1", b"", b"True", b"0x10", b"1,5", b"--1", b"\0"),
    *(b"9" * 30, b"9" * 5000, b"-0.0", b"1e-300", b"0.5" * 400, b"&a9;", b"x" * 9999, b"nil"),
)
_PIECES = (rb"-?\d+(\.\d+)?", rb'"[^"]*"', rb"<[^>]*>", rb'\s[\w:]+="[^"]*"', rb"\w+[=:]", rb"$")
_LONGEST = 200_000  # bytes of what a mutation repeats, and beyond which nothing grows
_ENDS = 2000  # bytes at the beginning and end of a file, where its headers are


def mutated(content: bytes, kind: str, chance: random.Random) -> bytes:
    """The content with one to four mutations, most of them such as its kind invites."""
    text = kind.endswith(("xmp", "pp3", "arp"))
    likely = [_in_text, _in_text, _in_text, _in_bytes] if text else [_in_bytes, _in_parts]
    for _ in range(chance.choice((1, 1, 2, 4))):
        content = chance.choice(likely)(content, chance)[: 5 * _LONGEST]
    return content


def _in_bytes(content: bytes, chance: random.Random) -> bytes:
    at, size = _place(content, chance), chance.choice((1, 2, 4, 16, 300))
    before, piece, after = content[:at], content[at : at + size], content[at + size :]
    order = chance.choice("<>")
    number = struct.pack(f"{order}I", chance.choice(_WHOLE))
    options = (
        before + bytes(byte ^ 1 << chance.randrange(8) for byte in piece) + after,
        before + number + content[at + 4 :],
        before + number[:2] + content[at + 2 :],
        before,
        before + after,
        before + piece * chance.choice((2, 50)) + after,
        before + chance.randbytes(size) + content[at:],
        before + bytes(size) + after,
    )
    return chance.choice(options)


def _place(content: bytes, chance: random.Random) -> int:
    """Anywhere, or near one of the ends."""
    size = len(content)
    near = min(size, _ENDS)
    return chance.choice((chance.randrange(size + 1), chance.randrange(near + 1)))


def _in_text(content: bytes, chance: random.Random) -> bytes:
    found = list(re.finditer(chance.choice(_PIECES), content))
    if not found:
        return _in_bytes(content, chance)
    match = chance.choice(found)
    return content[: match.start()] + _odd(match[0], chance) + content[match.end() :]


def _odd(text: bytes, chance: random.Random) -> bytes:
    """What may come in the place of a number, a value or a tag."""
    word, deep = chance.choice(_WORDS), chance.choice((3, 100))
    quoted = text[:1] + word + text[-1:] if text[:1] == b'"' else word
    options = (
        quoted,
        quoted,
        b"",
        text * 2,
        text * min(500, _LONGEST // (len(text) + 1)),
        text[: len(text) // 2],
        b"<rdf:Seq><rdf:li>" * deep + text + b"</rdf:li></rdf:Seq>" * deep,
        text + b"\n[Crop]\nEnabled=true\nX=" + word,
        text.decode("utf-8", "replace").encode("utf-16"),
        text + b"\xff\xfe\xc0\x80",
        b'<!DOCTYPE a [<!ENTITY a "b">' + b'<!ENTITY a9 "&a;&a;&a;&a;">' * 9 + b"]>" + text,
    )
    return chance.choice(options)


def _in_parts(content: bytes, chance: random.Random) -> bytes:
    """Drops, doubles, moves or changes one part of a container, whose lengths stay right."""
    splits: dict[bytes, Any] = {b"\xff\xd8": _Jpeg, b"\x89P": _Png, b"RI": _Riff, b"\0\0": _Boxes}
    container = splits.get(content[:2])
    parts = container.split(content) if container else []
    if container is None or not parts:
        return _in_bytes(content, chance)
    at = chance.randrange(len(parts))
    name, inside = parts.pop(at)
    change = chance.choice((_in_bytes, _in_bytes, _in_text))
    options: Sequence[Parts] = (
        [],
        [(name, inside)] * 2,
        [(name, change(inside, chance))],
        [(name, b"")],
    )
    there = chance.choice((at, chance.randrange(len(parts) + 1)))
    parts[there:there] = chance.choice(options)
    joined: bytes = container.join(parts)
    return joined


Parts = list[tuple[bytes, bytes]]


class _Jpeg:
    """Segments; the pixels are the last."""

    @staticmethod
    def split(content: bytes) -> Parts:
        parts, at = [], 2
        while content[at : at + 1] == b"\xff" and content[at + 1 : at + 2] not in (b"", b"\xda"):
            end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
            parts.append((content[at : at + 2], content[at + 4 : end]))
            at = max(end, at + 4)
        return [*parts, (b"", content[at:])]

    @staticmethod
    def join(parts: Parts) -> bytes:
        return b"\xff\xd8" + b"".join(
            name + (min(len(inside), 65533) + 2).to_bytes(2) + inside[:65533] if name else inside
            for name, inside in parts
        )


class _Png:
    """Chunks, whose check sums stay right too."""

    @staticmethod
    def split(content: bytes) -> Parts:
        parts, at = [], 8
        while at < len(content):
            end = at + 8 + int.from_bytes(content[at : at + 4])
            parts.append((content[at + 4 : at + 8], content[at + 8 : end]))
            at = end + 4
        return parts

    @staticmethod
    def join(parts: Parts) -> bytes:
        return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


class _Riff:
    """WebP's chunks."""

    @staticmethod
    def split(content: bytes) -> Parts:
        parts, at = [], 12
        while at < len(content):
            end = at + 8 + int.from_bytes(content[at + 4 : at + 8], "little")
            parts.append((content[at : at + 4], content[at + 8 : end]))
            at = end + end % 2
        return parts

    @staticmethod
    def join(parts: Parts) -> bytes:
        chunks = b"".join(
            name + len(inside).to_bytes(4, "little") + inside + b"\0" * (len(inside) % 2)
            for name, inside in parts
        )
        return b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks


class _Boxes:
    """The boxes of HEIC and AVIF; places that are told in them do not follow."""

    @staticmethod
    def split(content: bytes) -> Parts:
        parts, at = [], 0
        while at < len(content):
            size = max(8, int.from_bytes(content[at : at + 4]))
            parts.append((content[at + 4 : at + 8], content[at + 8 : at + size]))
            at += size
        return parts

    @staticmethod
    def join(parts: Parts) -> bytes:
        return b"".join((len(inside) + 8).to_bytes(4) + name + inside for name, inside in parts)


def png_chunk(name: bytes, inside: bytes) -> bytes:
    """A chunk of a PNG."""
    check = zlib.crc32(name + inside)
    return struct.pack(">I", len(inside)) + name + inside + struct.pack(">I", check)


# --- libraries --------------------------------------------------------------------------------


def make_library(folder: Path, seed: int, number: int) -> Path:
    """A library of a dozen photos with sidecars and now and then a catalog, nearly all mutated."""
    chance = random.Random(f"{seed} {number}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = [f"{i:02}.{chance.choice(_FORMATS)}" for i in range(_PHOTOS)]
    for name in names:
        kind = name.partition(".")[2]
        content = sound(kind)
        changed = mutated(content, kind, chance) if chance.random() < 0.7 else content
        (folder / name).write_bytes(changed)
        for sidecar, like in _sidecars(name, chance):
            (folder / sidecar).write_bytes(mutated(sound(like), like, chance))
    (folder / _CONTROL).write_bytes(sound("jpg") + b"unlike the others")
    (folder / f"{_CONTROL}.xmp").write_bytes(sound("darktable.xmp"))
    if chance.random() < 0.4:
        _mutated_catalog(folder / "a.lrcat", names, chance)
    _strange_folder(folder / "a", random.Random(f"{seed} {number} places"))
    return folder


_NAMES = (
    *(
        "-x",
        "#x",
        "@x",
        "#[CSTR]x",
        " x ",
        "x\ny",
        "x\ry",
        "%d*?[x]",
        "$x`x`",
        "ä" * 100,
        "x" * 200,
    ),
    *("\udce4lter", "x\udcff", "\u202ex", "x\x1b[1m", "x\\n", "x|", "-", 'x,"y'),
)


def _strange_folder(folder: Path, chance: random.Random) -> None:
    """Photos by odd names and in odd folders, pipes in the place of files, a forged journal."""
    for i in range(chance.choice((0, 0, 1, 2))):
        place = folder / chance.choice(_NAMES)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{chance.choice(_NAMES)}{i}.jpg").write_bytes(sound("jpg") + bytes([i]))
    for _ in range(chance.choice((0, 0, 0, 2))):
        folder.mkdir(exist_ok=True)
        name = chance.choice(("0.jpg", "0.jpg.xmp", "0.xmp", "1.jpg.pp3", "1.dng", "1.lrcat"))
        if not (folder / name).exists():
            os.mkfifo(folder / name)
    if chance.random() < 0.4:
        folder.mkdir(exist_ok=True)
        _forged_journal(folder, chance)


def _forged_journal(folder: Path, chance: random.Random) -> None:
    """A journal whose records are about photos and about files that are not there, mutated."""
    photos = [folder / f"forged{i}.jpg" for i in range(3)]
    for i, photo in enumerate(photos):
        photo.write_bytes(sound("jpg") + bytes([99, i]))
    hashes = [None, "0" * 64, *(hashlib.sha256(one.read_bytes()).hexdigest() for one in photos)]
    files = [photo.name for photo in photos] + ["x.xmp", "../a.jpg", "", ".", *_NAMES]
    notes: Sequence[Any] = ({}, {"Source": str(photos[0])}, {"Model": "1", "Editor": "darktable"})
    records = [
        Record(
            chance.choice(files),
            chance.choice(hashes),
            chance.choice(hashes[1:]) or "",
            chance.choice((0, -1, 2**70)),
            chance.choice((0, 0o644, 2**40)),
            chance.choice(notes),
        )
        for _ in range(20)
    ]
    lines = json.dumps([asdict(one) for one in records])[1:-1].replace("}, {", "}\n{").encode()
    (folder / ".cropperhead").mkdir()
    changed = mutated(lines, "xmp", chance) if chance.random() < 0.7 else lines
    (folder / ".cropperhead" / "journal.jsonl").write_bytes(changed)


def _sidecars(name: str, chance: random.Random) -> Iterator[tuple[str, str]]:
    stem, _, suffix = name.partition(".")
    rare = 0.2 if suffix != "dng" else 0.6
    for sidecar, like in (
        (f"{stem}.xmp", chance.choice(("xmp", "elements.xmp"))),
        (f"{name}.xmp", "darktable.xmp"),
        (f"{stem}_01.{suffix}.xmp", "darktable.xmp"),
        (f"{name}.pp3", "pp3"),
        (f"{name}.arp", "arp"),
    ):
        if chance.random() < rare:
            yield sidecar, like


def _mutated_catalog(file: Path, names: Sequence[str], chance: random.Random) -> None:
    texts = [real_text(REAL_CROP | {chance.choice([*REAL_CROP]): 0.5}) for _ in names]
    stored = [mutated(text.encode(), "xmp", chance) for text in texts]
    stored = [
        text if chance.random() < 0.5 else packed(text.decode("utf-8", "replace"))
        for text in stored
    ]
    place = f"{file.parent}/"
    images = [Photo(name, text, "BC", place) for name, text in zip(names, stored, strict=True)]
    make_catalog(file, [*images, Photo(names[0], texts[0], copy_of=0, copy_name="Square")])
    with closing(sqlite3.connect(file)) as database:
        for _ in range(chance.choice((0, 1, 3))):
            _change(database, chance)
        database.commit()
    if chance.random() < 0.4:
        file.write_bytes(_in_bytes(file.read_bytes(), chance))


def _change(database: sqlite3.Connection, chance: random.Random) -> None:
    """Puts something odd into one column of a table."""
    tables = ("Adobe_images", "Adobe_imageDevelopSettings", "AgLibraryFile", "AgLibraryFolder")
    table = chance.choice((*tables, "AgLibraryRootFolder"))
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    odd = chance.choice((None, -1, 2**62, 1e308, "", "x" * 99999, b"\xff\0", "a/" * 5000, "../.."))
    rows = f"WHERE id_local % {chance.choice((1, 2, 7))} = 0"
    statement = f"UPDATE OR IGNORE {table} SET {chance.choice(columns)} = ? {rows}"
    try:
        database.execute(statement, (odd,))
    except sqlite3.Error:  # a key that takes whole numbers alone
        database.execute(f"DELETE FROM {table} {rows}")


# --- what must hold ---------------------------------------------------------------------------


def faults(folder: Path, out: Path, workers: int = 1) -> tuple[Counter[str], list[str]]:
    """Extracts a library: its outcomes and kinds, counted, and what does not hold of them."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    chosen = extract_params(folder, max_megapixels=MEGAPIXELS, workers=workers, tags=_TAGS)
    found = scan.scan(folder, [], chosen.tags)
    book, manifest = Ledger.load(out / "ledger.parquet", ""), scan.manifest(found.entries)
    table = extract.update_shards(folder, manifest, out / "shards", book, chosen).to_pandas()
    missing = {entry.file for entry in found.entries} ^ set(table["file"])
    wrong = [f"{file}: no line in the ledger" for file in sorted(missing)]
    wrong += [fault for row in table.to_dict("records") for fault in _unnamed(row)]
    labels = shards.read_labels(out / "shards")
    wrong += [*_lost(labels), *_unsound(labels), *_undecodable(out / "shards")]
    return Counter(table["kind"].where(table["kind"] != "", table["outcome"])), wrong


def _unnamed(row: Mapping[Any, Any]) -> Iterator[str]:
    if row["outcome"] == REJECTED and not (re.fullmatch(r"[a-z_]+", row["kind"]) and row["reason"]):
        yield f"{row['file']}: rejected without a name"
    known = (CROPPED, UNCROPPED, SUGGESTED, REJECTED)
    if row["outcome"] not in known or row["kind"] == "crash":
        yield f"{row['file']}: {row['outcome']} {row['kind']}"
    if len(row["reason"]) > 2000:
        yield f"{row['file']}: a reason of {len(row['reason'])} characters"


def _lost(labels: pd.DataFrame) -> Iterator[str]:
    """What damaged files have done to a sound one."""
    found = labels[labels["photo"] == _CONTROL].sort_values("source")
    limits = found[[*CROP_COLUMNS]].to_numpy(float)
    # as _MAKERS have it: stored limits 0.1, 0.2, 0.8, 0.9 and 2 degrees; and _CROP
    if found["source"].tolist() != ["darktable sidecar", "lightroom embedded"]:
        yield f"{_CONTROL}: labels from {found['source'].tolist()}"
    elif abs(limits[0] - _CROP.limits()).max() > 1e-4 or limits[1][4] != 2:
        yield f"{_CONTROL}: {limits.tolist()}"


def _unsound(labels: pd.DataFrame) -> Iterator[str]:
    """Labels whose numbers are not finite, or whose crop leaves the frame by more than a pixel."""
    numbers = [*CROP_COLUMNS, "width", "height", *(tag for tag in _TAGS if _TAGS[tag] != "")]
    for row in labels.to_dict("records"):
        crop, frame = Crop(*(row[name] for name in CROP_COLUMNS)), (row["width"], row["height"])
        # a pixel, and half of one where a limit beside the frame is put on its edge
        if not (
            all(math.isfinite(row[name]) for name in numbers)
            and min(crop.bottom - crop.top, crop.right - crop.left) > 0
            and min(frame) >= 1
            and abs(crop.angle) <= 45
            and crop.in_pixels(*frame).outside(*frame) <= 1.5
        ):
            yield f"unsound: {row}"


def _undecodable(folder: Path) -> Iterator[str]:
    stated = shards.read_labels(folder).drop_duplicates("photo").set_index("photo")
    for photo, jpeg in shards.iter_images(folder):
        row = stated.loc[photo]
        if image.upright_size(jpeg) != (row["image_width"], row["image_height"]):
            yield f"{photo}: the small copy is not of its size"


def undone(folder: Path) -> Iterator[str]:
    """The photos that an undo by forged journals has changed, of which there must be none."""
    photos = [file for file in sorted(folder.glob("a/forged*.jpg")) if file.is_file()]
    before = [file.read_bytes() for file in photos]
    journal.undo(folder)
    for file, content in zip(photos, before, strict=True):
        if not file.is_file() or file.read_bytes() != content:
            yield f"{file.name}: changed by an undo"


def ask_models(chance: random.Random) -> None:
    """Reads mutated facts of an exported model; ModelError alone may come of it."""
    shape = {"shape": [1, 2, 2, 3]}
    facts = {"inputs": {"image": shape, "aspect": {"shape": [1, 1]}}, "outputs": {"limits": shape}}
    for _ in range(20):
        text = mutated(json.dumps(facts).encode(), "xmp", chance)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", chance.choice((0, 8))) as archive:
            archive.writestr("cropperhead.json", text)
        content = buffer.getvalue()
        if chance.random() < 0.5:
            content = _in_bytes(content, chance)
        try:
            litert.read_facts(content, "model")
        except ModelError as error:
            assert len(str(error)) < 500


def told(folder: Path) -> None:
    """Has everything that is understood of a library told."""
    chosen = extract_params(folder, max_megapixels=MEGAPIXELS, tags=_TAGS)
    for file, photo in inspect.read_photos([folder], chosen, [], pictures=False):
        inspect.describe(file, photo)


def ask_editors(chance: random.Random) -> None:
    """Asks each editor about settings that nobody would make; RejectedFile alone may come of it."""
    odd: Sequence[Any] = (
        None,
        True,
        -1,
        10**30,
        float("nan"),
        "",
        "1e999",
        "gz99////",
        [],
        {},
        0.5,
        "00" * 28,
    )
    for _ in range(100):
        tags = {tag: chance.choice(odd) for tag in (*lightroom.TAGS, *darktable.TAGS)}
        step = {"Operation": chance.choice(("crop", "flip", "ashift", "clipping"))}
        names = ("Enabled", "Modversion", "Params", "Num", "Multi_priority")
        history = [step | {name: chance.choice((*odd, 1, 5)) for name in names} for _ in range(3)]
        sections = {
            section: {key: str(chance.choice((*odd, 1, "true"))) for key in keys}
            for section, keys in rawtherapee.encode(_CROP, *_SIZE, 1, 1).items()
        }
        for editor in _EDITORS:
            given = sections if editor is rawtherapee else tags | {"History": history}
            _ask(editor, given, chance.choice((1, 6, 7)))


def _ask(editor: Any, given: Any, code: int) -> None:
    questions = (
        lambda: editor.state(given),
        lambda: editor.shown_as(given, code),
        lambda: editor.decode(given, 60, 40, code),
    )
    for question in questions:
        try:
            question()
        except RejectedFile as error:
            assert error.kind


# --- the hunt ---------------------------------------------------------------------------------


@dataclass
class Hunt:
    """What a run has found."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    libraries: int = 0
    slowest: tuple[float, str] = (0.0, "")  # seconds, library
    most_bytes: int = 0

    def __str__(self) -> str:
        """A few lines for a person."""
        return (
            f"{self.libraries} libraries, {self.outcomes.total()} files, {len(self.wrong)} wrong; "
            f"slowest {self.slowest[1]} {self.slowest[0]:.1f} s; {self.most_bytes / 1e6:.0f} MB\n"
            f"{dict(self.outcomes.most_common())}"
        )


def hunt(
    seed: int, folder: Path, libraries: int = sys.maxsize // 2, minutes: float = 1e9, first: int = 0
) -> Hunt:
    """So many libraries, or minutes of them. Those in which something is wrong stay in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    result, end = Hunt(), time.monotonic() + 60 * minutes
    process, answers = _process(seed, folder, first)
    for number in range(first, first + libraries):
        if time.monotonic() > end:
            break
        wrong, died = _next(result, process, answers)
        if wrong:
            result.wrong += [f"library {number}: {one}" for one in wrong]
            make_library(folder / f"{seed}-{number}", seed, number)
            print(*wrong, f"(library {number})", sep="\n", flush=True)
        if died:
            process.kill()
            process, answers = _process(seed, folder, number + 1)
    answers.close()  # at which the process ends
    process.join(PATIENCE_S)
    process.kill()
    return result


def _process(
    seed: int, folder: Path, first: int
) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    context = multiprocessing.get_context("spawn")
    answers, end = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(seed, folder, first, end))
    process.start()
    end.close()
    return process, answers


def _next(result: Hunt, process: Any, answers: Connection) -> tuple[list[str], bool]:
    """Takes in what the process says of its next library; what is wrong, and whether it is dead."""
    result.libraries += 1
    try:
        if not answers.poll(PATIENCE_S):
            return [f"hangs: no answer in {PATIENCE_S:g} s"], True
        name, outcomes, wrong, seconds, most = answers.recv()
    except EOFError:
        process.join(10)
        return [f"crashed: exit status {process.exitcode}"], True
    result.outcomes += outcomes
    result.slowest = max(result.slowest, (seconds, name))
    result.most_bytes = max(result.most_bytes, most)
    return wrong, False


def _work(seed: int, folder: Path, first: int, answers: Connection) -> None:
    """What the process does, library by library, until it is ended."""
    _quiet(folder / "said.txt")
    number = first
    while True:
        made = make_library(folder / "library", seed, number)
        start = time.monotonic()
        faulthandler.dump_traceback_later(PATIENCE_S - 5)
        outcomes, wrong = _examined(made, folder / "out", seed, number)
        seconds, most = time.monotonic() - start, _most_bytes()
        if most > MOST_BYTES:
            wrong = [*wrong, f"took {most / 1e6:.0f} MB"]
        try:
            answers.send((f"{seed}-{number}", outcomes, wrong, seconds, most))
        except BrokenPipeError:
            return
        if most > MOST_BYTES:
            return  # the next is measured in a fresh process
        number += 1


def _quiet(file: Path) -> None:
    """Puts what the libraries and the progress bars say into a file; where it crashes or hangs too.

    Decoders written in C speak past Python.
    """
    with file.open("w") as stream:
        os.dup2(stream.fileno(), 2)
    faulthandler.enable()
    warnings.simplefilter("ignore")  # Pillow's, about damaged files


def _examined(made: Path, out: Path, seed: int, number: int) -> tuple[Counter[str], list[str]]:
    try:
        ask_editors(random.Random(f"{seed} {number} editors"))
        ask_models(random.Random(f"{seed} {number} models"))
        if number % 10 == 9:
            told(made)
        outcomes, wrong = faults(made, out, workers=2 if number % 50 == 49 else 1)
        return outcomes, [*wrong, *undone(made)]
    except Exception:  # nothing may leave: the trace is the find
        return Counter(), [traceback.format_exc()]
    finally:  # what an ExifTool has learned from one library must not help with the next
        reading._tag_reader().close()
        reading._tag_reader.cache_clear()


def _most_bytes() -> int:
    """The most memory that this process has had, where the system tells."""
    status = Path("/proc/self/status")
    text = status.read_text() if status.exists() else ""
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return 1024 * int(found[1]) if found else 0


def main() -> int:
    """Hunts, and tells what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first library")
    parser.add_argument("--libraries", type=int, default=sys.maxsize // 2)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "fuzzing"))
    chosen = parser.parse_args()
    found = hunt(chosen.seed, chosen.folder, chosen.libraries, chosen.minutes, chosen.first)
    print(found)
    return bool(found.wrong)


if __name__ == "__main__":
    sys.exit(main())
