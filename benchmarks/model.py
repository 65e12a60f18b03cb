"""How well the networks crop photos that they have not seen, by k-fold cross-validation.

python benchmarks/model.py LIBRARY [--cases CASE ...] [--features FILE] [--many-hands FOLDER]
    [--engine ray] [-S train.KEY=VALUE ...]

LIBRARY is a photo library with crops. Its photos are divided into folds, like photos together; each
fold is cropped by a network that was trained on the others, of which a tenth is its validation. So
no choice that is made by these numbers looks at the pipeline's test split as such. Every case
prints its row when all are trained; results are stored in the work folder, and not computed again.
The case "people" is that of `personal.py`. Last comes what is aimed at, and whether it is met.
With --engine ray, folds and cases are trained side by side, on machines that all see that folder.
"""

import sys
import time
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import folds
import numpy as np
import pandas as pd
import personal
import targets
from targets import Summary

from cropperhead import params
from cropperhead.dataset import extract, shards
from cropperhead.dataset import split as splits
from cropperhead.errors import RejectedFile
from cropperhead.evaluation import scores
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS, FULL_FRAME, Floats
from cropperhead.inference import search
from cropperhead.library import scan
from cropperhead.params import Params, TrainParams
from cropperhead.stats import Interval
from cropperhead.system.engine import ENGINES, LOCAL, Engine

FEW = (300, 60)  # photos that a photographer may have
OTHER_CASES = ("people", "speed")
LONGEST_TRAINING_S = 86_400
STEPS_TIMED, ROUNDS = 12, 3
PREDICTED = 512  # photos, to measure how fast
HEADER = (
    "| case | folds | overlap | above the median crop, paired | boundary error | mean angle error, "
    "of leaving alone, difference, paired | photos tilted by 1° or more: error, of leaving alone | "
    "level photos turned by 1° or more | training s | weights | float16 MB |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Case:
    """A way to train: its params, and how many photos the photographer has (None: all)."""

    train: TrainParams
    photos: int | None = None
    folds: int | None = None


# A case, its labels with their split, and where its results are kept
Training = tuple[Case, pd.DataFrame, Path]


@dataclass(frozen=True)
class Held:
    """What was predicted for held-out labels: rows of the table, and what models give by name."""

    rows: np.ndarray
    median: Floats
    outputs: dict[str, Floats]
    seconds: float
    weights: int


def main() -> None:
    """Prints the tables."""
    options = _options()
    settings = folds.override(params.load(folds.ROOT / "params.yaml"), options.set)
    work = options.work
    labels = folds.read_labels(options.library, work, settings)
    print(f"{len(labels)} crops of {labels['photo'].nunique()} photos", file=sys.stderr)
    all_cases = _cases(settings.train, options)
    cases = {name: case for name, case in all_cases.items() if name in options.cases}
    _update_fields(labels, cases)
    engine = Engine(options.engine, int(options.engine == LOCAL), options.address)
    _train_missing(engine, cases, labels, work, options.folds)
    table, details = [HEADER], []
    summaries: dict[str, Summary] = {}
    for name, case in cases.items():
        held = list(_cross_validated(name, case, labels, work, options.folds))
        summaries[name] = _summary(labels, held, settings)
        table.append(_row(name, labels, held, summaries[name], settings))
        details += _details(name, labels, held, settings)
        print(table[-1], file=sys.stderr, flush=True)
    if cases:
        print("\n".join([*table, "", *details]))
    photographers = []
    if "people" in options.cases:
        photographers = list(personal.measure(labels, work, settings.train))
        print("\n".join(["", *personal.table(photographers)]))
    if "speed" in options.cases:
        print("\n".join(["", *_speeds(all_cases)]))
    if options.many_hands:
        print("\n".join(["", *_many_hands(options.many_hands, labels, work, settings)]))
    print("\n".join(["", *targets.table(summaries, photographers)]))


def _options() -> Any:
    parser = folds.library_parser(__doc__)
    parser.add_argument("--features", help="a source of features in place of params.yaml's")
    parser.add_argument("--many-hands", type=Path, help="photos that several people cropped")
    parser.add_argument("--folds", type=int, default=5, help="%(default)s")
    names = [*typing.get_args(params.Quality), *(f"{count} photos" for count in FEW), *OTHER_CASES]
    parser.add_argument("--cases", nargs="+", default=names, choices=names, metavar="CASE")
    parser.add_argument("--best-folds", type=int, help="of the slowest but one; all by default")
    parser.add_argument("--predecessor-folds", type=int, default=1, help="%(default)s: it is slow")
    parser.add_argument("--engine", choices=ENGINES, default=LOCAL, help="%(default)s")
    parser.add_argument("--address", default="", help="of a Ray cluster; default: this machine")
    parser.add_argument("-S", dest="set", action="append", default=[], metavar="train.KEY=VALUE")
    return parser.parse_args()


def _cases(train: TrainParams, options: Any) -> dict[str, Case]:
    if options.features:
        train = replace(train, features=replace(train.features, source=options.features))
    slow = {"best": options.best_folds, "predecessor": options.predecessor_folds}
    cases = {
        quality: Case(replace(train, quality=quality), folds=slow.get(quality))
        for quality in typing.get_args(params.Quality)
    }
    few = {f"{count} photos": replace(cases["standard"], photos=count) for count in FEW}
    return cases | few


def _update_fields(labels: pd.DataFrame, cases: Mapping[str, Case]) -> None:
    """Computes what networks on features see of each photo, once for all folds and cases."""
    using = [case.train for case in cases.values() if case.train.uses_features]
    if using:
        from cropperhead.training.fields import update_fields  # noqa: PLC0415
        from cropperhead.training.repeatable import make_repeatable  # noqa: PLC0415

        make_repeatable(using[0])
        start = time.perf_counter()
        count = update_fields(Path(labels["shards"].iloc[0]), folds.fields_folder(labels), using[0])
        seconds = time.perf_counter() - start
        print(f"fields of {count} photos computed in {seconds:.0f} s", file=sys.stderr, flush=True)


def _trainings(
    name: str, case: Case, labels: pd.DataFrame, work: Path, count: int
) -> Iterator[Training]:
    """The trainings of a case, one for each fold."""
    fold = folds.assign(labels, count)
    digest = folds.digest((case, count, len(labels)))
    for held in range(count)[: case.folds]:
        kept = work.absolute() / f"{name.replace(' ', '-')}-{held}-{digest}.npz"
        yield case, folds.with_split(labels, fold, held, case.photos), kept


def _train_missing(
    engine: Engine, cases: Mapping[str, Case], labels: pd.DataFrame, work: Path, count: int
) -> None:
    """Train what was not trained before; each training is a task of the engine."""
    chunks = (
        [training]
        for name, case in cases.items()
        for training in _trainings(name, case, labels, work, count)
        if not training[-1].exists()
    )
    for errors in engine.map_chunks(_train_chunk, chunks, _failed, LONGEST_TRAINING_S):
        if any(errors):
            sys.exit("".join(errors))


def _train_chunk(trainings: Sequence[Training]) -> list[str]:
    for training in trainings:
        _train_and_predict(*training)
    return [""] * len(trainings)


def _failed(training: Training, error: RejectedFile) -> str:
    return f"{training[-1].name}: {error}"


def _cross_validated(
    name: str, case: Case, labels: pd.DataFrame, work: Path, count: int
) -> Iterator[Held]:
    for _, labels_with_split, kept in _trainings(name, case, labels, work, count):
        with np.load(kept) as archive:
            stored = {key: archive[key] for key in archive.files}
        rows = np.flatnonzero((labels_with_split["split"] == splits.TEST).to_numpy())
        seconds, weights = float(stored.pop("seconds")), int(stored.pop("weights"))
        yield Held(rows, stored.pop("median"), stored, seconds, weights)


def _train_and_predict(case: Case, labels_with_split: pd.DataFrame, kept: Path) -> None:
    from cropperhead.training import batches  # noqa: PLC0415 - TensorFlow: not for --help
    from cropperhead.training.fit import train_network  # noqa: PLC0415
    from cropperhead.training.networks import keras_model  # noqa: PLC0415
    from cropperhead.training.training_data import read_training_data  # noqa: PLC0415

    folder = Path(labels_with_split["shards"].iloc[0])
    fields = folds.fields_folder(labels_with_split)
    data = read_training_data(folder, labels_with_split, case.train, fields)
    start = time.perf_counter()
    result = train_network(case.train, data)
    seconds = time.perf_counter() - start
    test = labels_with_split[labels_with_split["split"] == splits.TEST]
    examples = batches.read_examples(folder, test, keras_model.input_size(result.model))
    outputs = keras_model.predict_outputs(result.model, examples.photos)
    median = np.median(data.training.limits.astype(float), axis=0)
    table = {name: values[examples.photo] for name, values in outputs.items()}
    if "prototypes" in table:  # the same for every photo
        table["prototypes"] = table["prototypes"][:1]
    weights = result.model.count_params()
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept, seconds=seconds, weights=weights, median=median, **table)


def _gathered(labels: pd.DataFrame, held: Sequence[Held]) -> tuple[pd.DataFrame, Floats, Floats]:
    """The held-out labels, their predicted limits, and the median crops of their folds."""
    rows = np.concatenate([each.rows for each in held])
    limits = np.concatenate([each.outputs["limits"] for each in held])
    medians = np.concatenate([np.tile(each.median, (len(each.rows), 1)) for each in held])
    return labels.iloc[rows], limits, medians


def _summary(labels: pd.DataFrame, held: Sequence[Held], settings: Params) -> Summary:
    table, limits, medians = _gathered(labels, held)
    truth, aspect = table[list(CROP_COLUMNS)].to_numpy(float), scores.aspect_ratios(table)
    overlap = crops.overlap(limits, truth, aspect)
    constant = crops.overlap(crops.inside_frame(medians, aspect), truth, aspect)
    error, alone = np.abs(limits[:, 4] - truth[:, 4]), np.abs(truth[:, 4])
    tilted, level = alone >= 1, alone == 0
    return Summary(
        folds=len(held),
        photos=len(labels) - len(held[0].rows),
        gain=folds.interval(table, overlap - constant, settings),
        angle=folds.interval(table, error - alone, settings),
        tilted=float(error[tilted].sum() / alone[tilted].sum()),
        level_turned=float(np.mean(np.abs(limits[level, 4]) >= 1)),
        fifths=_fifths(held, overlap),
        seconds=float(np.mean([each.seconds for each in held])),
        megabytes=held[0].weights * 2 / 1e6,
    )


def _row(
    name: str, labels: pd.DataFrame, held: Sequence[Held], summary: Summary, settings: Params
) -> str:
    table, limits, _ = _gathered(labels, held)
    truth, aspect = table[list(CROP_COLUMNS)].to_numpy(float), scores.aspect_ratios(table)
    overlap = crops.overlap(limits, truth, aspect)
    error = crops.boundary_displacement(limits, truth)
    cells = [
        name,
        str(len(held)),
        _shown(folds.interval(table, overlap, settings)),
        f"**{targets.signed(summary.gain)}**",
        _shown(folds.interval(table, error, settings)),
        *_angle_cells(limits[:, 4], truth[:, 4], summary),
        f"{summary.seconds:.0f}",
        f"{held[0].weights:,}",
        f"{summary.megabytes:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _angle_cells(own: Floats, truth: Floats, summary: Summary) -> list[str]:
    """How far angles are from people's, and what is done to photos that people left level."""
    error, alone = np.abs(own - truth), np.abs(truth)
    tilted = alone >= 1
    return [
        f"{error.mean():.3f}°, {alone.mean():.3f}°, {targets.signed(summary.angle, '.3f', '°')}",
        f"{error[tilted].mean():.2f}°, {alone[tilted].mean():.2f}°: {summary.tilted:.2f}",
        f"{summary.level_turned:.1%}",
    ]


def _by_confidence(held: Sequence[Held]) -> tuple[Floats, list[np.ndarray]]:
    """The confidences, and the rows of each fifth of them from the lowest on."""
    sure = np.concatenate([each.outputs["confidence"][:, 0] for each in held])
    return sure, np.array_split(np.argsort(sure, kind="stable"), 5)


def _fifths(held: Sequence[Held], overlap: Floats) -> float:
    """The overlap of the fifth with the highest confidence less that of the lowest."""
    if "confidence" not in held[0].outputs:
        return np.nan
    order = _by_confidence(held)[1]
    return float(overlap[order[-1]].mean() - overlap[order[0]].mean())


def _shown(interval: Interval) -> str:
    return f"{interval.mean:.4f} ({interval.low:.4f} to {interval.high:.4f})"


def _details(name: str, labels: pd.DataFrame, held: Sequence[Held], settings: Params) -> list[str]:
    """Results besides the crop: how true confidences are, and what the error is made of."""
    table, limits, _ = _gathered(labels, held)
    truth, aspect = table[list(CROP_COLUMNS)].to_numpy(float), scores.aspect_ratios(table)
    overlap = crops.overlap(limits, truth, aspect)
    lines = [f"**{name}**: what would be reached with, from the photographer's crop, …"]
    parts = {key: crops.overlap(each, truth, aspect) for key, each in _oracles(limits, truth)}
    lines += [f"- {key}: {values.mean():.4f}" for key, values in parts.items()]
    if "confidence" not in held[0].outputs:
        return [*lines, ""]
    sure, order = _by_confidence(held)
    fifths = ", ".join(f"{sure[part].mean():.3f} → {overlap[part].mean():.3f}" for part in order)
    error = sum(len(p) * abs(sure[p].mean() - overlap[p].mean()) for p in order) / len(sure)
    lines.append(
        f"- confidence → overlap, by fifths: {fifths}; calibration error {error:.4f}; best less "
        f"worst fifth {_fifths(held, overlap):+.4f}"
    )
    whole = crops.area(truth) >= 0.9
    chance = np.concatenate([each.outputs["uncropped"][:, 0] for each in held])
    base = np.mean((whole - whole.mean()) ** 2)
    lines.append(
        f"- left uncropped: expected {chance.mean():.3f}, real {whole.mean():.3f}; Brier score "
        f"{np.mean((whole - chance) ** 2):.4f}, of the mean alone {base:.4f}"
    )
    return [*lines, _alternatives(held, truth, aspect, table, settings), ""]


def _oracles(limits: Floats, truth: Floats) -> Iterator[tuple[str, Floats]]:
    centre, size = (limits[:, :2] + limits[:, 2:4]) / 2, limits[:, 2:4] - limits[:, :2]
    true_centre, true_size = (truth[:, :2] + truth[:, 2:4]) / 2, truth[:, 2:4] - truth[:, :2]
    yield "nothing", limits
    yield "the angle", np.concatenate([limits[:, :4], truth[:, 4:]], axis=1)
    for key, middle, sides in (
        ("size and angle", centre, true_size),
        ("place and angle", true_centre, size),
    ):
        yield key, np.concatenate([middle - sides / 2, middle + sides / 2, truth[:, 4:]], axis=1)


def _alternatives(
    held: Sequence[Held], truth: Floats, aspect: Floats, table: pd.DataFrame, settings: Params
) -> str:
    """The best of three suggestions; in the frame's own shape, searched for and cut out.

    And with the ratio of the photographer's crop given, as croppers that know it are compared.
    """
    best, shaped, cut, given, place = [], [], [], [], 0
    for each in held:
        prototypes = each.outputs["prototypes"][0]
        for limits, shares in zip(each.outputs["limits"], each.outputs["shares"], strict=True):
            real, frame = truth[place], float(aspect[place])
            suggestions = search.suggest_alternatives(limits, prototypes, shares, frame, count=3)
            best.append(max(float(crops.overlap(s.limits, real, frame)) for s in suggestions))
            one = search.best_crop_of_ratio(frame, limits, prototypes, shares, frame)
            shaped.append(float(crops.overlap(one.limits, real, frame)))
            cut.append(float(crops.overlap(_cut(limits), real, frame)))
            ratio = float((real[3] - real[1]) / (real[2] - real[0])) * frame
            one = search.best_crop_of_ratio(ratio, limits, prototypes, shares, frame)
            given.append(float(crops.overlap(one.limits, real, frame)))
            place += 1
    with_ratio = folds.interval(table, np.array(given), settings)
    return (
        f"- best of three suggestions: {np.mean(best):.4f}; in the frame's own shape, chosen: "
        f"{np.mean(shaped):.4f}, cut from the crop: {np.mean(cut):.4f}\n"
        f"- with the photographer's ratio given: {_shown(with_ratio)}"
    )


def _cut(limits: Floats) -> Floats:
    """The largest part of a crop, about its centre, that has the frame's shape."""
    centre, size = (limits[:2] + limits[2:4]) / 2, np.min(limits[2:4] - limits[:2])
    return np.concatenate([centre - size / 2, centre + size / 2, limits[4:]])


def _speeds(cases: Mapping[str, Case]) -> list[str]:
    """Photos a second: of training, on random tensors in memory, and of finished models."""
    lines = [
        "| network | training, photos/s | times the predecessor's | prediction, photos/s |",
        "|---|---|---|---|",
    ]
    trains = {name: case.train for name, case in cases.items() if case.photos is None}
    speeds = {name: _speed(train) for name, train in trains.items()}
    slowest = speeds.get("predecessor", (np.nan, np.nan))[0]
    for name, (trained, predicted) in speeds.items():
        lines.append(f"| {name} | {trained:.1f} | {trained / slowest:.1f} | {predicted:.0f} |")
    return lines


def _speed(train: TrainParams) -> tuple[float, float]:
    import keras  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    from cropperhead.training import batches  # noqa: PLC0415
    from cropperhead.training.loop import compile_network  # noqa: PLC0415
    from cropperhead.training.networks import features, keras_model  # noqa: PLC0415
    from cropperhead.training.networks.registry import (  # noqa: PLC0415
        build_network,
        recipe_for,
    )
    from cropperhead.training.prototypes import find_prototypes  # noqa: PLC0415
    from cropperhead.training.repeatable import make_repeatable  # noqa: PLC0415

    make_repeatable(train)
    recipe = recipe_for(train)
    generator = np.random.default_rng(1)
    low, high = generator.uniform(0, 0.2, (PREDICTED, 2)), generator.uniform(0.8, 1, (PREDICTED, 2))
    limits = np.concatenate([low, high, np.zeros((PREDICTED, 1))], axis=1)
    prototypes = find_prototypes(limits, train.prototypes, 1)
    network = build_network(train, np.median(limits, axis=0), prototypes)
    photos: Any = _random_photos(recipe.image_size(train))
    if recipe.on_fields:
        fields = np.random.default_rng(3).normal(
            size=(PREDICTED, 2, *features.field_shape(train.features))
        )
        photos = batches.FieldArrays(photos.names, fields.astype(np.float16), photos.aspect)
    known = batches.CropExamples(photos, np.arange(PREDICTED), limits.astype(np.float32))
    compile_network(network, train.for_network(), prototypes, known)
    size = train.batch_size
    name, first = photos.draw(np.arange(size), np.zeros(size, bool))
    inputs = {name: first.astype(np.float32), "aspect": photos.aspect[:size, None]}
    truth = dict.fromkeys(network.output, known.limits[:size])
    dataset = tf.data.Dataset.from_tensors((inputs, truth)).repeat()
    best = np.inf
    for _ in range(1 + ROUNDS):
        start = time.perf_counter()
        network.fit(dataset, steps_per_epoch=STEPS_TIMED, verbose=0)
        best = min(best, time.perf_counter() - start)
    finished = network if recipe.limits_only else _finished(network, prototypes, train)
    seen = _random_photos(keras_model.input_size(finished))
    fastest = np.inf
    for _ in range(1 + ROUNDS):
        start = time.perf_counter()
        keras_model.predict_outputs(finished, seen)
        fastest = min(fastest, time.perf_counter() - start)
    keras.utils.clear_session()
    return STEPS_TIMED * size / best, PREDICTED / fastest


def _finished(network: Any, prototypes: np.ndarray, train: TrainParams) -> Any:
    """The model of a network, and of as many more as crop as one with it."""
    from cropperhead.training import straighten  # noqa: PLC0415
    from cropperhead.training.networks.finished import (  # noqa: PLC0415
        Calibration,
        average_networks,
        finish_model,
    )
    from cropperhead.training.networks.frozen import join_features  # noqa: PLC0415
    from cropperhead.training.networks.registry import (  # noqa: PLC0415
        build_network,
        recipe_for,
    )

    median = np.array([0.1, 0.1, 0.9, 0.9, 0.0])
    further = [
        build_network(train, median, prototypes) for _ in range(train.for_network().refits - 1)
    ]
    mean = average_networks([network, *further])
    if recipe_for(train).on_fields:
        mean = join_features(mean, train)
    calibration = Calibration(1.0, 1.0, 0.0, np.zeros(len(prototypes), np.float32))
    habit, estimator = straighten.StraighteningHabit(0.15, 2.6), straighten.build_estimator()
    return finish_model(mean, estimator, prototypes, calibration, habit, train)


def _random_photos(size: int) -> Any:
    from cropperhead.training.batches import PhotoArrays  # noqa: PLC0415

    pixels = np.random.default_rng(2).integers(0, 256, (PREDICTED, size, size, 3), np.uint8)
    names = [str(number) for number in range(PREDICTED)]
    return PhotoArrays(names, pixels, np.full(PREDICTED, 1.5, np.float32))


def _many_hands(
    folder: Path, labels: pd.DataFrame, work: Path, settings: Params
) -> Iterator[str] | list[str]:
    """How much people agree on one photo, and the network of the whole library with them."""
    from cropperhead.training import batches  # noqa: PLC0415
    from cropperhead.training.fit import train_network  # noqa: PLC0415
    from cropperhead.training.networks import keras_model  # noqa: PLC0415
    from cropperhead.training.training_data import read_training_data  # noqa: PLC0415

    library = scan.scan(folder, [], settings.extract.tags)
    out = work / "many-hands"
    extract.extract_into(out, folder, library.entries, settings.extract)
    hands = shards.read_labels(out / "extracted").assign(group=lambda table: table["photo"])
    kept = work / f"many-hands-{folds.digest((settings.train, len(labels)))}.keras"
    labels_with_split = folds.with_split(labels, np.zeros(len(labels)), -1, None)
    _update_fields(labels, {"": Case(settings.train)})
    folder, fields = Path(labels["shards"].iloc[0]), folds.fields_folder(labels)
    data = read_training_data(folder, labels_with_split, settings.train, fields)
    if not kept.exists():
        keras_model.save_model(train_network(settings.train, data).model, kept)
    model = keras_model.load_model(kept)
    examples = batches.read_examples(out / "extracted", hands, keras_model.input_size(model))
    median = np.median(data.training.limits.astype(float), axis=0)
    rows = {
        "each person, by the others": scores.score_humans(hands),
        "network": _scored(
            "network", hands, keras_model.predict_limits(model, examples.photos), examples
        ),
        "median crop": _scored("median", hands, np.tile(median, (len(hands), 1)), None),
        "no crop": _scored("none", hands, np.tile(FULL_FRAME, (len(hands), 1)), None),
    }
    lines = ["| many hands | mean overlap with people | best overlap with one |", "|---|---|---|"]
    for name, table in rows.items():
        mean = table.groupby("photo")["iou"].mean().mean()
        best = (
            "" if name.startswith("each") else f"{table.groupby('photo')['iou'].max().mean():.3f}"
        )
        lines.append(f"| {name} | {mean:.3f} | {best} |")
    return lines


def _scored(name: str, hands: pd.DataFrame, limits: Floats, examples: Any) -> pd.DataFrame:
    placed = limits if examples is None else limits[examples.photo]
    return scores.score_cropper(name, hands, placed[None])


if __name__ == "__main__":
    from model import main as main_by_name  # workers find what they do by this module's name

    main_by_name()
