"""params.yaml as frozen, checked dataclasses: its only reader.

A value that cannot be used is refused here, before any work, with the place it stands at.
"""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from cropperhead.errors import ParamsError

FILE = Path("params.yaml")

# As ExifTool writes them: the name of a tag, and of its group before it
# (without a group it could be one of ExifTool's options, some of which write files)
_EXIFTOOL_TAG = re.compile(r"([A-Za-z][\w-]*:)+[A-Za-z][\w-]*", re.ASCII)

DemoPolicy = Literal["rule", "random"]
DEMO_POLICIES: tuple[DemoPolicy, ...] = typing.get_args(DemoPolicy)


@dataclass(frozen=True)
class ExtractParams:
    """Where the photos are, and what is kept of each."""

    library: str
    catalogs: tuple[str, ...]
    long_side: int
    jpeg_quality: int
    max_megapixels: float
    batch_files: int
    workers: int
    tags: Mapping[str, str | int | float]

    @property
    def catalog_files(self) -> list[Path]:
        """The catalogs that are named, with the user's home in place of a leading ~."""
        return [Path(name).expanduser() for name in self.catalogs]

    @property
    def folder(self) -> Path:
        """The photo library, with the user's home in place of a leading ~."""
        return Path(self.library).expanduser()

    def __post_init__(self) -> None:
        _require("extract.library", self.library, bool(self.library.strip()), "a folder")
        _require("extract.long_side", self.long_side, self.long_side >= 32, "at least 32 px")
        _require("extract.jpeg_quality", self.jpeg_quality, 1 <= self.jpeg_quality <= 95, "1 to 95")
        _require("extract.max_megapixels", self.max_megapixels, self.max_megapixels > 0, "above 0")
        _require("extract.batch_files", self.batch_files, self.batch_files >= 1, "at least 1")
        _require("extract.workers", self.workers, self.workers >= 0, "0 (one a core) or more")
        for tag in self.tags:
            known = _EXIFTOOL_TAG.fullmatch(str(tag))
            expected = "ExifTool's name of a group and a tag, such as XMP:Rating"
            _require("extract.tags", tag, known is not None, expected)


@dataclass(frozen=True)
class DemoParams:
    """The library that CropperHead draws where there are no photos."""

    folder: str
    photos: int
    policy: DemoPolicy
    seed: int

    def __post_init__(self) -> None:
        _require("demo.photos", self.photos, self.photos >= 20, "at least 20")


@dataclass(frozen=True)
class ValidateParams:
    """The ranges that sound labels keep to."""

    limits: tuple[float, float]
    min_side: float
    angle_deg: tuple[float, float]
    corner_tolerance: float
    min_spread: float
    max_quarantined: float

    def __post_init__(self) -> None:
        _require_rising("validate.limits", self.limits)
        _require_rising("validate.angle_deg", self.angle_deg)
        _require("validate.min_side", self.min_side, 0 < self.min_side < 1, "between 0 and 1")
        tolerance = self.corner_tolerance
        _require("validate.corner_tolerance", tolerance, tolerance >= 0, "0 or more")
        _require("validate.min_spread", self.min_spread, self.min_spread >= 0, "0 or more")
        _require_share("validate.max_quarantined", self.max_quarantined)


@dataclass(frozen=True)
class SplitParams:
    """How groups of photos are dealt to training, validation and test."""

    fractions: Mapping[str, float]
    salt: str
    near_duplicate_bits: int
    burst_seconds: float

    def __post_init__(self) -> None:
        names, total = set(self.fractions), math.fsum(self.fractions.values())
        _require(
            "split.fractions",
            dict(self.fractions),
            names == {"train", "validation", "test"},
            "exactly train, validation and test",
        )
        if abs(total - 1) > 1e-6 or min(self.fractions.values()) <= 0:
            raise ParamsError(
                "params.yaml: split.fractions must be above 0 and sum to 1, "
                f"got {total:g} from {dict(self.fractions)}"
            )
        bits = self.near_duplicate_bits
        _require("split.near_duplicate_bits", bits, 0 <= bits <= 16, "0 to 16 of 64 bits")
        seconds = self.burst_seconds
        _require("split.burst_seconds", seconds, 0 <= seconds <= 86_400, "0 to 86400 (a day)")


@dataclass(frozen=True)
class TrainParams:
    """The network and how it is trained."""

    model: Literal["small", "predecessor"]
    seed: int
    image_size: int
    epochs: int
    patience: int
    batch_size: int
    least_steps: int
    learning_rate: float
    warm_up_epochs: int
    weight_decay: float
    dropout: float
    colour_jitter: float
    overlap_weight: float
    averaging: float
    max_angle_deg: float
    threads: int

    def __post_init__(self) -> None:
        for name in (
            "image_size",
            "epochs",
            "least_steps",
            "patience",
            "batch_size",
            "learning_rate",
            "threads",
        ):
            value = getattr(self, name)
            _require(f"train.{name}", value, value > 0, "above 0")
        for name in ("weight_decay", "colour_jitter", "overlap_weight", "warm_up_epochs"):
            value = getattr(self, name)
            _require(f"train.{name}", value, value >= 0, "0 or more")
        _require("train.image_size", self.image_size, self.image_size % 32 == 0, "a multiple of 32")
        _require("train.dropout", self.dropout, 0 <= self.dropout < 1, "in [0, 1)")
        _require("train.averaging", self.averaging, 0 <= self.averaging < 1, "in [0, 1)")
        _require("train.max_angle_deg", self.max_angle_deg, 0 < self.max_angle_deg <= 45, "0 to 45")


@dataclass(frozen=True)
class EvaluateParams:
    """How croppers are compared."""

    seed: int
    random_percentiles: tuple[float, float]
    random_draws: int
    bootstrap_samples: int
    confidence: float
    gallery_photos: int

    def __post_init__(self) -> None:
        _require_rising("evaluate.random_percentiles", self.random_percentiles)
        low, high = self.random_percentiles
        _require("evaluate.random_percentiles", [low, high], low >= 0 and high <= 100, "0 to 100")
        shown = self.gallery_photos
        _require("evaluate.gallery_photos", shown, shown >= 1, "at least 1")
        _require("evaluate.random_draws", self.random_draws, self.random_draws >= 1, "at least 1")
        samples = self.bootstrap_samples
        _require("evaluate.bootstrap_samples", samples, samples >= 100, "at least 100")
        _require("evaluate.confidence", self.confidence, 0.5 <= self.confidence < 1, "in [0.5, 1)")


@dataclass(frozen=True)
class Params:
    """All of params.yaml, a block for each stage."""

    extract: ExtractParams
    demo: DemoParams
    validate: ValidateParams
    split: SplitParams
    train: TrainParams
    evaluate: EvaluateParams


def load(file: Path = FILE) -> Params:
    """Reads and checks params.yaml. Raises ParamsError naming the value that cannot be used."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{file}: not found. Run from the project's root folder.") from None
    except yaml.YAMLError as error:
        raise ParamsError(f"{file}: not readable as YAML: {error}") from error
    blocks = typing.get_type_hints(Params)
    _refuse_unknown(file.name, content, blocks)
    return Params(**{name: _block(name, kind, content[name]) for name, kind in blocks.items()})


def load_nearest() -> Params:
    """The params of the folder one stands in, else those of the project that is installed."""
    return load(FILE if FILE.exists() else Path(__file__).resolve().parents[2] / FILE)


def _block(name: str, kind: Any, content: Any) -> Any:
    hints = typing.get_type_hints(kind)
    _refuse_unknown(f"{FILE}: {name}", content, hints)
    return kind(**{key: _cast(f"{name}.{key}", hints[key], content[key]) for key in hints})


def _refuse_unknown(where: str, content: Any, known: Mapping[str, Any]) -> None:
    if not isinstance(content, Mapping):
        raise ParamsError(f"{where}: expected the keys {', '.join(known)}, got {content!r}")
    wrong = sorted(set(known) ^ set(content))
    if wrong:
        word = "missing" if wrong[0] in known else "unknown"
        raise ParamsError(f"{where}: {word} key {wrong[0]}, expected {', '.join(known)}")


def _cast(where: str, kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        _require(where, value, value in arguments, "one of " + ", ".join(map(str, arguments)))
        return value
    if origin is types.UnionType:  # of plain kinds: what YAML made of it stands
        fits = isinstance(value, arguments) and not isinstance(value, bool)
        _require(where, value, fits, "text or a number")
        return value
    if origin is tuple and arguments[1:] == (...,):
        _require(where, value, isinstance(value, list), "a list")
        return tuple(_cast(where, arguments[0], item) for item in value)
    if origin is tuple:
        fits = isinstance(value, list) and len(value) == len(arguments)
        _require(where, value, fits, f"a list of {len(arguments)} numbers")
        return tuple(_cast(where, part, item) for part, item in zip(arguments, value, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        _require(where, value, isinstance(value, dict), "a mapping")
        cast = {k: _cast(f"{where}.{k}", arguments[1], v) for k, v in value.items()}
        return types.MappingProxyType(cast)
    return _scalar(where, kind, value)


def _scalar(where: str, kind: type, value: Any) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    _require(
        where, value, fits, {"str": "text", "int": "a whole number"}.get(kind.__name__, "a number")
    )
    _require(where, value, kind is not float or math.isfinite(value), "a finite number")
    return value


def _require(where: str, value: Any, holds: bool, expected: str) -> None:
    if not holds:
        raise ParamsError(f"params.yaml: {where} is {value!r}, expected {expected}")


def _require_rising(where: str, pair: tuple[float, float]) -> None:
    _require(where, list(pair), pair[0] < pair[1], "a smaller and a larger number")


def _require_share(where: str, value: float) -> None:
    _require(where, value, 0 <= value <= 1, "a share between 0 and 1")


def as_dict(block: Any) -> dict[str, Any]:
    """A block of params as plain values, for JSON and MLflow."""
    plain = {field.name: getattr(block, field.name) for field in dataclasses.fields(block)}
    return {
        key: dict(value)
        if isinstance(value, Mapping)
        else list(value)
        if isinstance(value, tuple)
        else value
        for key, value in plain.items()
    }


# Of TrainParams, what the predecessor has of its own
_OWN_TO_SMALL = (
    "image_size overlap_weight learning_rate warm_up_epochs weight_decay dropout max_angle_deg"
)


def effective(params: Params) -> dict[str, Any]:
    """`flat` without the values that the chosen network does not heed."""
    unheeded = _OWN_TO_SMALL.split() if params.train.model == "predecessor" else []
    values = flat(params)
    return {k: v for k, v in values.items() if k.removeprefix("train.") not in unheeded}


def flat(params: Params) -> dict[str, Any]:
    """Every value by its dotted name, as in params.yaml."""
    return {
        f"{block.name}.{key}": value
        for block in dataclasses.fields(params)
        for key, value in as_dict(getattr(params, block.name)).items()
    }
