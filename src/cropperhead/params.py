"""Reads params.yaml into frozen dataclasses and checks every value.

The only reader of params.yaml. A value that cannot be used raises ParamsError with its name, before
any work is done.
"""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from cropperhead.errors import ParamsError

FILE = Path("params.yaml")
_NEW_BLOCKS = frozenset({"study"})  # that an earlier release's file does not have

# A tag's name after its group's, as ExifTool writes them. Without a group it could be one of
# ExifTool's options, some of which write files
_EXIFTOOL_TAG = re.compile(r"([A-Za-z][\w-]*:)+[A-Za-z][\w-]*", re.ASCII)

# A network sees the photo squashed to a square of 256 px, or a half, a quarter or an eighth of that
INPUT_SIDE = 256
IMAGE_SIZES = (32, 64, 128, 256)


class _Yaml12(yaml.SafeLoader):
    """YAML 1.2's core schema (10.3.2), in which DVC writes: 5e-05 is a number, and `on` is text."""

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """Construct a whole number; a leading zero does not make it octal."""
        text = str(node.value).replace("_", "")
        return int(text, {"o": 8, "x": 16}.get(text.lstrip("+-")[1:2], 10))


_PLAIN_SCALARS = {
    "null": "~|null|Null|NULL|",
    "bool": "true|True|TRUE|false|False|FALSE",
    "int": "[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    "merge": "<<",
}
_Yaml12.yaml_implicit_resolvers = {}
for _name, _pattern in _PLAIN_SCALARS.items():
    _Yaml12.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), None
    )
_Yaml12.add_constructor("tag:yaml.org,2002:int", _Yaml12.construct_integer)

DemoPolicy = Literal["rule", "random"]
AutomaticCrops = Literal["leave_out", "keep"]
EngineName = Literal["local", "ray"]
Rival = Literal["smartcrop", "attention", "entropy"]
DEMO_POLICIES: tuple[DemoPolicy, ...] = typing.get_args(DemoPolicy)


@dataclass(frozen=True)
class ExtractParams:
    """The photo library, and what to extract from each photo."""

    library: str
    catalogs: tuple[str, ...]
    long_side: int
    jpeg_quality: int
    max_megapixels: float
    batch_files: int
    workers: int
    tags: Mapping[str, str | int | float]
    automatic: AutomaticCrops = "leave_out"
    collected: str = ""
    engine: EngineName = "local"
    address: str = ""
    shards: str = ""

    @property
    def catalog_files(self) -> list[Path]:
        """Return the paths of the catalogs; a leading ~ is the user's home."""
        return [Path(name).expanduser() for name in self.catalogs]

    def __post_init__(self) -> None:
        is_given = bool(self.library.strip() or self.collected.strip())
        _require("extract.library", self.library, is_given, "a folder or an s3:// URL")
        is_url = not self.shards or "://" in self.shards
        _require("extract.shards", self.shards, is_url, "an s3:// URL, or nothing")
        _require("extract.long_side", self.long_side, self.long_side >= 32, "at least 32 px")
        _require("extract.jpeg_quality", self.jpeg_quality, 1 <= self.jpeg_quality <= 95, "1 to 95")
        _require("extract.max_megapixels", self.max_megapixels, self.max_megapixels > 0, "above 0")
        _require("extract.batch_files", self.batch_files, self.batch_files >= 1, "at least 1")
        _require("extract.workers", self.workers, self.workers >= 0, "0 (one a core) or more")
        for tag in self.tags:
            matches = _EXIFTOOL_TAG.fullmatch(str(tag)) is not None
            expected = "ExifTool's name of a group and a tag, such as XMP:Rating"
            _require("extract.tags", tag, matches, expected)


@dataclass(frozen=True)
class DemoParams:
    """The library of illustrated scenes that is drawn for a first try without photos."""

    folder: str
    photos: int
    policy: DemoPolicy
    seed: int

    def __post_init__(self) -> None:
        _require("demo.photos", self.photos, self.photos >= 20, "at least 20")


@dataclass(frozen=True)
class ValidateParams:
    """The ranges of sound labels, and when the stage fails."""

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
    """How photos are grouped and assigned to the training, validation and test splits."""

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
class FeaturesParams:
    """The features of ImageNet that networks of the qualities standard and best build on."""

    source: str
    image_size: int

    def __post_init__(self) -> None:
        source = self.source
        expected = f"{PACKAGED}, {DOWNLOADED} or a file"
        _require("train.features.source", source, bool(source.strip()), expected)
        _require_image_size("train.features", self)


@dataclass(frozen=True)
class FeatureNetworkParams:
    """The values that a network on features uses instead of TrainParams' own."""

    epochs: int
    least_steps: int
    learning_rate: float
    weight_decay: float
    dropout: float
    refits: int


# `fast`, `standard` and `best` are what users choose between; the predecessor is for comparison
Quality = Literal["fast", "standard", "best", "predecessor"]
PACKAGED, DOWNLOADED = "cropperhead-base", "imagenet"  # sources of features that are no file


@dataclass(frozen=True)
class TrainParams:
    """The network and its training."""

    quality: Quality
    features: FeaturesParams
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
    refits: int
    prototypes: int
    uncropped_area: float
    least_angle_deg: float
    least_straightening: float
    max_angle_deg: float
    precision: Literal["auto", "float32", "mixed_float16"]
    threads: int
    head: FeatureNetworkParams
    fine_tuning: FeatureNetworkParams
    predecessor_loss: Literal["squared_error", "clip_penalty", "both_penalties"]
    base: str = "none"
    preferences: Literal["off", "on"] = "off"

    @property
    def uses_features(self) -> bool:
        """Return whether the network builds on ImageNet's features."""
        return self.quality in ("standard", "best")

    def for_network(self) -> "TrainParams":
        """Return the values the network uses: those of `head` or `fine_tuning` if it has features.

        Of the quality best, these are the values of the fine-tuning.
        """
        if not self.uses_features:
            return self
        own = self.head if self.quality == "standard" else self.fine_tuning
        values = dataclasses.asdict(own) | {"image_size": self.features.image_size}
        return dataclasses.replace(self, **values)

    def for_head(self) -> "TrainParams":
        """Return the values by which a head on features is trained, alone or to be fine-tuned."""
        return dataclasses.replace(self, quality="standard").for_network()

    def __post_init__(self) -> None:
        _require_image_size("train", self)
        for where, block in (
            ("train", self),
            ("train.head", self.head),
            ("train.fine_tuning", self.fine_tuning),
        ):
            _require_trainable(where, block)
        for name in ("patience", "batch_size", "threads"):
            value = getattr(self, name)
            _require(f"train.{name}", value, value > 0, "above 0")
        for name in ("colour_jitter", "overlap_weight", "warm_up_epochs", "least_angle_deg"):
            value = getattr(self, name)
            _require(f"train.{name}", value, value >= 0, "0 or more")
        _require("train.base", self.base, bool(self.base.strip()), f"{PACKAGED}, none or a folder")
        _require("train.averaging", self.averaging, 0 <= self.averaging < 1, "in [0, 1)")
        _require("train.prototypes", self.prototypes, self.prototypes >= 3, "at least 3")
        least = self.least_straightening
        _require("train.least_straightening", least, 0 <= least <= 1, "a probability, 0 to 1")
        area = self.uncropped_area
        _require("train.uncropped_area", area, 0 < area <= 1, "a share of the frame, up to 1")
        _require("train.max_angle_deg", self.max_angle_deg, 0 < self.max_angle_deg <= 12, "0 to 12")


@dataclass(frozen=True)
class EvaluateParams:
    """The comparison of croppers."""

    seed: int
    random_percentiles: tuple[float, float]
    random_draws: int
    confidence: float
    gallery_photos: int
    predecessor: str
    rivals: tuple[Rival, ...]

    def __post_init__(self) -> None:
        _require_rising("evaluate.random_percentiles", self.random_percentiles)
        low, high = self.random_percentiles
        _require("evaluate.random_percentiles", [low, high], low >= 0 and high <= 100, "0 to 100")
        photos = self.gallery_photos
        _require("evaluate.gallery_photos", photos, photos >= 1, "at least 1")
        _require("evaluate.random_draws", self.random_draws, self.random_draws >= 1, "at least 1")
        _require("evaluate.confidence", self.confidence, 0.5 <= self.confidence < 1, "in [0.5, 1)")


@dataclass(frozen=True)
class StudyParams:
    """Studies in which people vote on crops: of test photos, and of training photos."""

    folder: str = "data/study"
    training_folder: str = "data/study-training"
    croppers: tuple[str, ...] = ("human", "cnn", "random")
    seed: int = 5
    collected: str = ""

    def __post_init__(self) -> None:
        names = self.croppers
        fits = "human" in names and len(set(names)) == len(names) >= 2
        _require("study.croppers", list(names), fits, "human and at least one other, once each")


@dataclass(frozen=True)
class GateParams:
    """When results count as worse than those of another commit."""

    tolerance: float
    confidence: float

    def __post_init__(self) -> None:
        _require_share("gate.tolerance", self.tolerance)
        _require("gate.confidence", self.confidence, 0.5 <= self.confidence < 1, "in [0.5, 1)")


@dataclass(frozen=True)
class Params:
    """All of params.yaml: a block for each stage, the drawn library and the gate."""

    extract: ExtractParams
    demo: DemoParams
    validate: ValidateParams
    split: SplitParams
    train: TrainParams
    evaluate: EvaluateParams
    gate: GateParams
    study: StudyParams = field(default_factory=StudyParams)


def load(file: Path = FILE) -> Params:
    """Read and check params.yaml. Raises ParamsError with the name of an unusable value."""
    if file.exists() and not file.is_file():  # from a pipe, reading would wait
        raise ParamsError(f"{file}: it is not a file. Run from the project's root folder.")
    try:
        return parse(file.read_bytes(), file)
    except FileNotFoundError:
        raise ParamsError(f"{file}: not found. Run from the project's root folder.") from None
    except OSError as error:
        raise ParamsError(f"{file}: cannot be read: {error.strerror}") from error


def parse(text: bytes, file: Path = FILE) -> Params:
    """Check the content of `file`, UTF-8. Raises ParamsError with the name of an unusable value."""
    try:
        content = parse_yaml(text.decode("utf-8"))
    # ValueError is for what is not UTF-8, and for a date that does not exist
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ParamsError(f"{file}: not readable as YAML: {error}") from error
    blocks = typing.get_type_hints(Params)
    _require_keys(file.name, content, blocks, new=_NEW_BLOCKS)
    given = {name: kind for name, kind in blocks.items() if name in content}
    return Params(
        **{name: _block(f"{FILE}: {name}", kind, content[name]) for name, kind in given.items()}
    )


def parse_yaml(text: str) -> Any:
    """Parse YAML 1.2, as DVC does. Raises yaml.YAMLError."""
    return yaml.load(text, _Yaml12)


def nearest_extract() -> ExtractParams:
    """Return the values of `extract` of the nearest params.yaml.

    That is the working directory's, else that of the checkout this code is in. An installed package
    is in none, and uses the values that the project itself has.
    """
    checkout = Path(__file__).resolve().parents[2]
    for folder in (Path(), checkout):
        if (folder / FILE).exists():
            return load(folder / FILE).extract
    return _installed_extract()


def _installed_extract() -> ExtractParams:
    return ExtractParams(
        library=".",
        catalogs=(),
        long_side=512,
        jpeg_quality=90,
        max_megapixels=400,
        batch_files=500,
        workers=0,
        tags=types.MappingProxyType(
            {
                "EXIF:LensModel": "",
                "EXIF:FocalLength": 0.0,
                "EXIF:FNumber": 0.0,
                "EXIF:ISO": 0,
                "XMP:Rating": 0,
                "XMP-crs:Exposure2012": 0.0,
            }
        ),
    )


def _block(where: str, kind: Any, content: Any) -> Any:
    hints = typing.get_type_hints(kind)
    new = {f.name for f in dataclasses.fields(kind) if f.default is not dataclasses.MISSING}
    _require_keys(where, content, hints, new)
    given = [key for key in hints if key in content]
    return kind(**{key: cast(f"{where}.{key}", hints[key], content[key]) for key in given})


def _require_keys(
    where: str, content: Any, keys: Mapping[str, Any], new: Collection[str] = ()
) -> None:
    """Require these keys and no others; `new` ones may be absent from an earlier release's file."""
    if not isinstance(content, Mapping):
        raise ParamsError(f"{where}: expected the keys {', '.join(keys)}, got {content!r}")
    wrong = sorted((set(keys) ^ set(content)) - set(new), key=str)
    if wrong:
        word = "missing" if wrong[0] in keys else "unknown"
        raise ParamsError(f"{where}: {word} key {wrong[0]}, expected {', '.join(keys)}")


def cast(where: str, kind: Any, value: Any) -> Any:
    """Cast a value of YAML to the kind of a field. Raises ParamsError that begins with `where`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _block(where, kind, value)
    if origin is Literal:
        expect(where, value, value in arguments, "one of " + ", ".join(map(str, arguments)))
        return value
    if origin is types.UnionType:  # of plain types: YAML has chosen one of them
        fits = isinstance(value, arguments) and not isinstance(value, bool)
        expect(where, value, fits, "text or a number")
        return value
    if origin is tuple:
        return _tuple(where, arguments, value)
    if origin is not None and issubclass(origin, Mapping):
        expect(where, value, isinstance(value, dict), "a mapping")
        values = {k: cast(f"{where}.{k}", arguments[1], v) for k, v in value.items()}
        return types.MappingProxyType(values)
    return _scalar(where, kind, value)


def _tuple(where: str, parts: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if parts[1:] == (...,):
        expect(where, value, isinstance(value, list), "a list")
        return tuple(cast(where, parts[0], item) for item in value)
    fits = isinstance(value, list) and len(value) == len(parts)
    expect(where, value, fits, f"a list of {len(parts)} numbers")
    return tuple(cast(where, part, item) for part, item in zip(parts, value, strict=True))


def _scalar(where: str, kind: type, value: Any) -> Any:
    if kind is float:
        value = _as_float(value)
    elif kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)  # 1e3 is a whole number
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    expect(
        where, value, fits, {"str": "text", "int": "a whole number"}.get(kind.__name__, "a number")
    )
    expect(where, value, kind is not float or math.isfinite(value), "a finite number")
    return value


def _as_float(value: Any) -> Any:
    """The number that `float` makes of a number or a text; the value itself if it makes none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return value
    try:
        return float(value)
    except (ValueError, OverflowError):
        return value


def _require(where: str, value: Any, holds: bool, expected: str) -> None:
    expect(f"{FILE}: {where}", value, holds, expected)


def expect(where: str, value: Any, holds: bool, expected: str) -> None:
    """Raise ParamsError that a value is not what was expected, unless it holds."""
    if not holds:
        raise ParamsError(f"{where} is {value!r}, expected {expected}")


def _require_rising(where: str, pair: tuple[float, float]) -> None:
    _require(where, list(pair), pair[0] < pair[1], "a smaller and a larger number")


def _require_image_size(where: str, block: Any) -> None:
    size = block.image_size
    sizes = ", ".join(map(str, IMAGE_SIZES))
    _require(f"{where}.image_size", size, size in IMAGE_SIZES, f"one of {sizes} px")


def _require_trainable(where: str, block: Any) -> None:
    """Check the values that TrainParams and FeatureNetworkParams share."""
    for name in ("epochs", "least_steps", "learning_rate"):
        value = getattr(block, name)
        _require(f"{where}.{name}", value, value > 0, "above 0")
    decay = block.weight_decay
    _require(f"{where}.weight_decay", decay, decay >= 0, "0 or more")
    _require(f"{where}.dropout", block.dropout, 0 <= block.dropout < 1, "in [0, 1)")
    _require(f"{where}.refits", block.refits, block.refits >= 0, "0 or more")


def _require_share(where: str, value: float) -> None:
    _require(where, value, 0 <= value <= 1, "a share between 0 and 1")


def as_dict(block: Any) -> dict[str, Any]:
    """Convert a block of params to plain values, for JSON and MLflow."""
    plain = {field.name: getattr(block, field.name) for field in dataclasses.fields(block)}
    return {
        key: dict(value)
        if isinstance(value, Mapping)
        else list(value)
        if isinstance(value, tuple)
        else value
        for key, value in plain.items()
    }


# The values of TrainParams that only some networks use
_PREDECESSOR_ONLY = {"predecessor_loss"}
_NOT_FOR_PREDECESSOR = {
    *("image_size", "overlap_weight", "learning_rate", "warm_up_epochs", "weight_decay"),
    *("dropout", "prototypes", "uncropped_area", "least_angle_deg", "max_angle_deg"),
    *("least_straightening", "precision", "refits"),
}
_BLOCKS = {"features", "head", "fine_tuning"}
_BLOCKS_USED: Mapping[Quality, set[str]] = {
    **{"fast": set(), "predecessor": set()},
    **{"standard": {"features", "head"}, "best": {"features", "head", "fine_tuning"}},
}


def effective(params: Params) -> dict[str, Any]:
    """Return `flatten`'s values without those that the chosen network ignores."""
    train = params.train
    own = {field.name for field in dataclasses.fields(FeatureNetworkParams)}
    unused = _NOT_FOR_PREDECESSOR if train.quality == "predecessor" else _PREDECESSOR_ONLY
    if not train.uses_features:
        unused = unused | {"base"}
    if train.uses_features:
        unused = unused | own | {"image_size"}
    if train.quality == "standard":  # its photos' fields are computed once, of their own colours
        unused = unused | {"colour_jitter"}
    names = {f"train.{name}" for name in unused}
    blocks = tuple(f"train.{name}." for name in _BLOCKS - _BLOCKS_USED[train.quality])
    return {
        name: value
        for name, value in flatten(params).items()
        if name not in names and not name.startswith(blocks)
    }


def flatten(params: Params) -> dict[str, Any]:
    """Return every value by its dotted name, as in params.yaml."""
    return {
        name: value
        for block in dataclasses.fields(params)
        for name, value in _dotted(block.name, getattr(params, block.name))
    }


def _dotted(name: str, block: Any) -> Iterator[tuple[str, Any]]:
    for key, value in as_dict(block).items():
        if dataclasses.is_dataclass(value):
            yield from _dotted(f"{name}.{key}", value)
        else:
            yield f"{name}.{key}", value
