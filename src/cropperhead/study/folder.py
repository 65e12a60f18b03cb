"""A study on disk: which crops are compared, and the key that says whose crop is whose.

The folder holds `key.json`, which voters must not see, `crops/` with every crop as a JPEG, and
`votes/` with what came back, a JSON file for each session. What voters get is made from it:
`export.py` writes static files, in which nothing is named after a cropper.
"""

import hashlib
import hmac
import io
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from cropperhead.dataset import shards
from cropperhead.dataset.split_labels import TEST, TRAIN
from cropperhead.errors import DataError, disk_problem
from cropperhead.evaluation.croppers import HUMAN
from cropperhead.evaluation.scores import LIMITS
from cropperhead.geometry import crops
from cropperhead.geometry.crops import Crop
from cropperhead.params import StudyParams
from cropperhead.photos.image import cut
from cropperhead.study.ballots import Ballot, Plan, StudyPhoto, design_sessions
from cropperhead.system import atomic

HEIGHT = 360  # px of every crop: about as many as crops of the small copies have
LEAST_PHOTOS = 12  # with fewer, a session would soon show the same photos again
_KEY, _CROPS = "key.json", "crops"
VOTES = "votes"
_VERSION = 2  # of the design and of the names, too: what another one asked is not known here
_QUALITY = 88
_WIDEST = 4  # times the height
_TOKEN_DIGITS = 32
_SPLIT_NAMES = {TEST: "test", TRAIN: "training"}

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Study:
    """A study: its photos and croppers, the seed of its design, and the secret of its names.

    `model` is the hash of the network whose crops are compared. `split` is that of the photos.
    """

    id: str
    secret: str
    seed: int
    sessions: int
    model: str
    croppers: tuple[str, ...]
    photos: tuple[StudyPhoto, ...]
    split: str = TEST

    @cached_property
    def design(self) -> list[list[Ballot]]:
        """The ballots of each session."""
        return design_sessions(self.photos, self.croppers, self.sessions, Plan(), self.seed)

    @cached_property
    def by_name(self) -> dict[str, StudyPhoto]:
        """The photos by their names, with the crop of the catch trials."""
        return {photo.name: photo.with_spoiled() for photo in self.photos}

    @cached_property
    def human_overlaps(self) -> Mapping[tuple[str, str], float]:
        """The overlap of each crop with the human one, by photo and cropper."""
        pairs = [(photo, cropper) for photo in self.by_name.values() for cropper in photo.limits]
        found = crops.overlap(
            [photo.limits[HUMAN] for photo, _ in pairs],
            [photo.limits[cropper] for photo, cropper in pairs],
            [photo.aspect for photo, _ in pairs],
        )
        names = ((photo.name, cropper) for photo, cropper in pairs)
        return dict(zip(names, found.tolist(), strict=True))

    def token(self, *parts: object) -> str:
        """Return a name that says nothing to those who do not have the secret.

        It also signs: nobody else can make one that is known here.
        """
        message = json.dumps([str(part) for part in parts]).encode()
        return hmac.digest(bytes.fromhex(self.secret), message, "sha256").hex()[:_TOKEN_DIGITS]

    def ballot_token(self, session: int, place: int, rater: str = "") -> str:
        """Return the name of a ballot, by which its vote is counted; a server gives it to a rater.

        Files for people without a server are the same for all raters of a session.
        """
        return self.token("ballot", rater, session, place)

    def ballot_places(self, session: int, rater: str = "") -> dict[str, int]:
        """Return the place of each ballot of a session by its name."""
        places = range(len(self.design[session]))
        return {self.ballot_token(session, place, rater): place for place in places}

    def crop_token(self, session: int, photo: str, cropper: str) -> str:
        """Return the name of a crop in a session: in other sessions it has another one."""
        return self.token("crop", session, photo, cropper)


def create(
    folder: Path,
    scores: pd.DataFrame,
    extracted: Path,
    model: str,
    params: StudyParams,
    sessions: int,
    split: str = TEST,
) -> tuple[Study, int]:
    """Make a study of the photos that were scored, and cut all crops; count photos left out.

    `scores` is the table that an evaluation writes, with each cropper's limits; photos are read
    from the shards in `extracted`. `split` is that of the photos. A folder with another study is
    not touched: DataError.
    """
    require_none(folder)
    croppers = params.croppers
    limits = _limits(scores, croppers)
    wanted = {photo: each for photo, each in limits.items() if len(each) == len(croppers)}
    groups = dict(zip(scores["photo"], scores["group"], strict=True))
    photos = []
    for name, jpeg in shards.iter_images(extracted, set(wanted)):
        with Image.open(io.BytesIO(jpeg)) as image:
            photo = StudyPhoto(name, groups[name], image.width / image.height, wanted[name])
            for cropper, crop in photo.with_spoiled().limits.items():
                _write_crop(folder, name, cropper, crop_jpeg(image, crop))
        photos.append(photo)
    if len(photos) < LEAST_PHOTOS:
        raise DataError(
            f"{len(photos)} photos have crops of {', '.join(croppers)}; a study needs at least "
            f"{LEAST_PHOTOS}. Run `dvc repro` first, with more {_SPLIT_NAMES[split]} photos."
        )
    ordered = tuple(sorted(photos, key=lambda photo: photo.name))
    study = Study(
        id=secrets.token_hex(8),
        secret=secrets.token_hex(32),
        seed=params.seed,
        sessions=sessions,
        model=model,
        croppers=croppers,
        photos=ordered,
        split=split,
    )
    text = json.dumps({"version": _VERSION, **asdict(study)}, indent=1, sort_keys=True)
    atomic.replace(folder / _KEY, lambda file: file.write_text(text, encoding="utf-8"))
    (folder / _KEY).chmod(0o600)
    return study, scores["photo"].nunique() - len(photos)


def require_none(folder: Path) -> None:
    """Raise DataError if there is a study in the folder."""
    if exists(folder):
        raise DataError(
            f"{folder}: it already contains a study and its votes. Choose another folder with "
            "--study, or delete it."
        )


def exists(folder: Path) -> bool:
    """Whether there is a study in the folder."""
    return (folder / _KEY).exists()


def stamp(folder: Path) -> Stamp | None:
    """Return what changes when a study is replaced; None if there is none in the folder."""
    try:
        found = (folder / _KEY).stat()
    except OSError:
        return None
    # not the time of the last change of its bytes: who may read them can change without it
    return found.st_ino, found.st_size, found.st_ctime_ns


def holds(folder: Path, study: Study) -> bool:
    """Whether a folder holds this study; not if it holds another, be it of another release.

    Raises DataError where there is none, or one that cannot be read.
    """
    content = _read(folder)
    return (content["version"], content["id"]) == (_VERSION, study.id)


def load(folder: Path) -> Study:
    """Read the study in a folder.

    Raises DataError where there is none, a broken one, or one of another release, whose design
    and names this release cannot make.
    """
    content, file = _read(folder), folder / _KEY
    version = content["version"]
    if version != _VERSION:
        raise DataError(
            f"{file}: it is a study of another release (version {version}, expected {_VERSION}), "
            "which cannot be used any more. Make a new one with `cropperhead study new --study "
            "DIR`, and set study.folder in params.yaml to it."
        )
    try:
        return _parse(content)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: it is not a study: {error!r}") from error


def crop_file(folder: Path, photo: str, cropper: str) -> Path:
    """Return where a crop is; the name says neither photo nor cropper."""
    name = hashlib.sha256(f"{photo}\n{cropper}".encode()).hexdigest()[:_TOKEN_DIGITS]
    return folder / _CROPS / f"{name}.jpg"


def crop_jpeg(image: Image.Image, limits: Sequence[float]) -> bytes:
    """Cut a crop (5,) out of an upright picture: a JPEG of the common height, without metadata."""
    box = Crop(*limits).in_pixels(*image.size)
    picture = cut(image.convert("RGB"), box)
    width = round(HEIGHT * box.width / box.height)
    size = (max(1, min(width, _WIDEST * HEIGHT)), HEIGHT)
    clean = picture.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    clean.info = {}
    clean.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def session_content(study: Study, session: int) -> dict[str, Any]:
    """Return what a voter's browser is told of a session: no photo's name and no cropper's."""
    ballots = [
        {
            "ballot": study.ballot_token(session, place),
            "mode": ballot.mode,
            "crops": [study.crop_token(session, ballot.photo, side) for side in ballot.shown],
        }
        for place, ballot in enumerate(study.design[session])
    ]
    return {"study": study.id, "session": session, "ballots": ballots}


def session_crops(folder: Path, study: Study, session: int) -> Iterator[tuple[str, Path]]:
    """Yield the name of each crop of a session, and its file, sorted by names.

    Another order could show in that of the files, and tell croppers apart.
    """
    shown = {(ballot.photo, side) for ballot in study.design[session] for side in ballot.shown}
    named = {study.crop_token(session, *each): crop_file(folder, *each) for each in shown}
    yield from sorted(named.items())


def _limits(
    scores: pd.DataFrame, croppers: Sequence[str]
) -> Mapping[str, dict[str, tuple[float, ...]]]:
    """Return each photo's crops by cropper; of several people's, those of the first by name."""
    known = set(scores["cropper"].unique())
    if missing := [name for name in (HUMAN, *croppers) if name not in known]:
        raise DataError(
            f"study.croppers: the evaluation has no crops of {', '.join(missing)}, only of "
            f"{', '.join(sorted(known))}"
        )
    rows = scores[scores["cropper"].isin(croppers)].sort_values(["photo", "author"])
    rows = rows[rows["invalid"] == 0].dropna(subset=list(LIMITS))
    first = rows.drop_duplicates(["photo", "cropper"])
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    for row in first.to_dict("records"):
        limits = tuple(float(row[name]) for name in LIMITS)
        found.setdefault(str(row["photo"]), {})[str(row["cropper"])] = limits
    return found


def _write_crop(folder: Path, photo: str, cropper: str, jpeg: bytes) -> None:
    file = crop_file(folder, photo, cropper)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(jpeg)


def _read(folder: Path) -> dict[str, Any]:
    """Read a study's key, with its version and id. Raises DataError where it has none."""
    file = folder / _KEY
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{folder}: no study is there. `cropperhead study new` makes one."
        ) from None
    except OSError as error:
        raise DataError(disk_problem(error)) from error
    except ValueError as error:
        raise DataError(f"{file}: it is not a study: {error!r}") from error
    if not isinstance(content, dict) or not {"version", "id"} <= content.keys():
        raise DataError(f"{file}: it is not a study: expected an object with a version and an id")
    return content


def _parse(content: Any) -> Study:
    photos = tuple(
        StudyPhoto(
            each["name"],
            each["group"],
            float(each["aspect"]),
            {name: tuple(map(float, limits)) for name, limits in each["limits"].items()},
        )
        for each in content["photos"]
    )
    return Study(
        id=str(content["id"]),
        secret=str(content["secret"]),
        seed=int(content["seed"]),
        sessions=int(content["sessions"]),
        model=str(content["model"]),
        croppers=tuple(map(str, content["croppers"])),
        photos=photos,
        split=str(content.get("split", TEST)),  # which studies of earlier releases do not say
    )
