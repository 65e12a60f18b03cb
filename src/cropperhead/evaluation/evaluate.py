"""Every way to crop, run on the test photos and scored."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead.dataset import split_labels
from cropperhead.errors import DataError
from cropperhead.evaluation import croppers, reference_free, scores
from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN, SHAPE, SHUFFLED, CropMethod
from cropperhead.evaluation.reference_free import JudgeTraining, ReferenceFreeScores
from cropperhead.evaluation.third_party import rival_croppers
from cropperhead.evaluation.verdict import Gains
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.params import INPUT_SIDE, EvaluateParams, Params
from cropperhead.stats import UNBOUNDED, Interval, Jackknife, holm_correction
from cropperhead.system.file_hash import file_sha256
from cropperhead.training import batches
from cropperhead.training.base_model import without_known
from cropperhead.training.batches import PhotoArrays
from cropperhead.training.networks import keras_model

_SCORE_COLUMNS = [
    *("photo", "author", "group", "cropper", *scores.LIMITS, *scores.SCORES),
    *("iou_best", "area", "invalid", "reference"),
]
_OVERLAP_DIGITS = 9  # further ones are rounding, which must not look like a gain on every photo
_STUDIED = 1000  # training photos: more than 20 people see in a session each
_COMPARED_SIDE = 32  # px of the training photos that are searched for the most similar one


@dataclass(frozen=True)
class TestPhotos:
    """The test photos: their labels in order, their pictures, and each photo's group."""

    labels: pd.DataFrame
    photos: PhotoArrays
    groups: Mapping[str, str]

    def positions(self) -> NDArray[np.int64]:
        """Return the place in `photos` of each label's photo, (n,)."""
        return np.asarray(pd.Index(self.photos.names).get_indexer(pd.Index(self.labels["photo"])))

    def sha256(self) -> str:
        """Hash the photos' names and human crops, in any order."""
        columns = ["photo", "author", *CROP_COLUMNS]
        rows = self.labels[columns].sort_values(columns).to_csv(index=False)
        return hashlib.sha256(rows.encode()).hexdigest()


@dataclass(frozen=True)
class Evaluation:
    """Scores of every cropper on every label, and the crops themselves.

    `cropped`: by cropper's key, (draws, photos, 5). `counts`: photos by split. `hashes`: of data
    and model, for the record. `reference_free`: metrics that need no human crop, where measured.
    """

    test: TestPhotos
    croppers: Sequence[CropMethod]
    cropped: Mapping[str, Floats]
    scores: pd.DataFrame
    params: EvaluateParams
    counts: Mapping[str, int]
    hashes: Mapping[str, str] = field(default_factory=dict)
    reference_free: ReferenceFreeScores | None = None

    def interval(self, cropper: str, column: str) -> Interval:
        """Average a score over photos, with its interval."""
        return self.mean(self.by_photo(cropper, column), scores.BOUNDS[column])

    def gain(self, cropper: str, over: str) -> Interval:
        """Average the paired difference in overlap to another cropper, with its interval."""
        return self.mean(self.differences(cropper, over), scores.GAIN_BOUNDS)

    def gains(self) -> Gains:
        """Return the network's gains on which the verdict is based."""
        over_median, over_shape, over_shuffled = (
            self.gain(CNN, key) for key in (MEDIAN, SHAPE, SHUFFLED)
        )
        return Gains(over_median, over_shape, over_shuffled, self.group_count)

    @property
    def group_count(self) -> int:
        """The number of groups of test photos."""
        return len(set(self.test.groups.values()))

    def p_value(self, cropper: str, over: str) -> float:
        """Return the p-value of a gain, for one planned comparison."""
        differences = self.differences(cropper, over)
        return self.jackknife(differences.index).p_value(differences.to_numpy(float))

    def corrected_p_values(self, over: str) -> dict[str, float]:
        """Return the p-values of all other croppers' gains, corrected for their number."""
        others = [key for key in self.cropped if key != over]
        return holm_correction({key: self.p_value(key, over) for key in others})

    def detectable_gain(self, cropper: str, over: str) -> float:
        """Return the smallest true gain that this many photos detect with a power of 80 %."""
        differences = self.differences(cropper, over)
        values = differences.to_numpy(float)
        return self.jackknife(differences.index).detectable_difference(values)

    def differences(self, cropper: str, over: str) -> pd.Series:
        """Return the difference in overlap of one cropper to another, by photo."""
        differences = self.by_photo(cropper, "iou") - self.by_photo(over, "iou")
        return differences.dropna().round(_OVERLAP_DIGITS)

    def mean(self, values: pd.Series, bounds: tuple[float, float] = UNBOUNDED) -> Interval:
        """Average values by photo, ignoring NaN, with the interval of the mean.

        `bounds` are as in `Jackknife.interval`.
        """
        finite = values.dropna()
        return self.jackknife(finite.index).interval(finite.to_numpy(float), bounds)

    def statistic(
        self, compute: Callable[[Floats], Floats], bounds: tuple[float, float]
    ) -> Interval:
        """Return a statistic of the test labels that is no mean, with its interval.

        `compute` takes weights of the labels, (r, n), and gives the statistic of each row, (r,);
        `bounds` are as in `Jackknife.statistic_interval`.
        """
        jackknife = self.jackknife(pd.Index(self.test.labels["photo"]))
        value = compute(np.ones((1, len(self.test.labels))))[0]
        return jackknife.statistic_interval(float(value), compute(jackknife.weights()), bounds)

    def jackknife(self, photos: "pd.Index[str]") -> Jackknife:
        """Return what computes intervals of values of these photos, by their groups."""
        return Jackknife(self._groups(photos), self.params.confidence)

    def limits(self) -> dict[str, Floats]:
        """Return the human's and the network's limits for every test label, (n, 5)."""
        truth = self.test.labels[list(CROP_COLUMNS)].to_numpy(float)
        return {HUMAN: truth, CNN: self.cropped[CNN][0][self.test.positions()]}

    def shared_photos(self) -> int:
        """Count the test photos that several people cropped: only on these do people score."""
        return len(self.by_photo(HUMAN, "iou"))

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        columns = [*scores.SCORES, "iou_best", "invalid"]
        keys = self.scores["cropper"].unique()
        return {key: scores.scores_by_photo(self.scores, key, columns) for key in keys}

    def by_photo(self, cropper: str, column: str) -> pd.Series:
        """Return a score of one cropper, as `scores.score_by_photo` does."""
        return self._tables[cropper][column]

    def _groups(self, photos: "pd.Index[str]") -> list[str]:
        return [self.test.groups[photo] for photo in photos]


def evaluate_pipeline(
    folder: Path, labels_file: Path, splits_file: Path, model_file: Path, params: Params
) -> Evaluation:
    """Evaluate the pipeline's model on its test photos, and hash the input files."""
    labels = split_labels.read_labels_with_splits(labels_file, splits_file)
    evaluation = evaluate_model(labels, folder, model_file, params)
    files = {"labels": labels_file, "splits": splits_file, "model": model_file}
    hashes = {name: f"sha256 {file_sha256(file)}" for name, file in files.items()}
    return replace(evaluation, hashes=hashes)


def evaluate_model(
    labels: pd.DataFrame,
    folder: Path,
    model_file: Path,
    params: Params,
    training_folder: Path | None = None,
) -> Evaluation:
    """Evaluate a trained network and simpler croppers on the test photos of split labels.

    Photos are read from the shards in `folder`, training photos from those in `training_folder`
    where it is given. Photos that a base model has seen are left out where the model took something
    from it, see `base_model.without_known`.
    """
    model, settings = keras_model.load_model(model_file), params.evaluate
    labels = without_known(labels, model.name, params)
    test_labels, training_labels = (
        labels[labels["split"] == name] for name in (split_labels.TEST, split_labels.TRAIN)
    )
    photos = labels.groupby("split")["photo"].nunique()
    counts = {str(name): int(count) for name, count in photos.items()}
    training_folder = training_folder or folder
    test = _read_test_photos(folder, test_labels, keras_model.input_size(model))
    predict = partial(keras_model.predict_limits, model)
    methods = _croppers(predict, model.name, training_labels, settings)
    methods.append(_similar_cropper(training_folder, training_labels))
    if settings.predecessor:
        methods.insert(1, _predecessor_cropper(folder, test_labels, settings.predecessor))
    evaluation = compare_croppers(test, methods, counts, settings)
    training = _judge_training(training_folder, training_labels, settings.seed)
    metrics = _score_without_reference(evaluation, predict, training)
    return replace(evaluation, reference_free=metrics)


def score_training_photos(
    labels: pd.DataFrame, folder: Path, model_file: Path, params: Params
) -> pd.DataFrame:
    """Crop at most 1,000 training photos of split labels with the croppers of `params.study`.

    The table is `Evaluation.scores`. It tells nothing of how well the network crops, which has
    learned from these photos: it is for a study whose preferred crops are to be learned from.
    Raises DataError for a cropper that there is none of.
    """
    model, settings = keras_model.load_model(model_file), params.evaluate
    training = labels[labels["split"] == split_labels.TRAIN]
    shown = training[training["photo"].isin(_sample(training["photo"], _STUDIED))]
    photos = _read_test_photos(folder, shown, keras_model.input_size(model))
    predict = partial(keras_model.predict_limits, model)
    methods = _croppers(predict, model.name, training, settings)
    if settings.predecessor:
        methods.append(_predecessor_cropper(folder, shown, settings.predecessor))
    known = {HUMAN, *(method.key for method in methods)}
    if missing := set(params.study.croppers) - known:
        raise DataError(
            f"study.croppers: on training photos there are {', '.join(sorted(known))}, got "
            f"{', '.join(sorted(missing))}. The most similar training photo would be the photo "
            "itself; predecessor needs evaluate.predecessor, and other libraries' croppers "
            "evaluate.rivals."
        )
    wanted = [method for method in methods if method.key in params.study.croppers]
    return compare_croppers(photos, wanted, {}, settings).scores


def compare_croppers(
    test: TestPhotos,
    methods: Sequence[CropMethod],
    counts: Mapping[str, int],
    params: EvaluateParams,
) -> Evaluation:
    """Crop the test photos with every method and score each crop against every author's."""
    positions = test.positions()
    cropped = {method.key: method.crop(test.photos) for method in methods}
    tables = [scores.score_humans(test.labels)]
    tables += [scores.score_cropper(k, test.labels, v[:, positions]) for k, v in cropped.items()]
    table = pd.concat(tables, ignore_index=True)
    table = table.assign(group=table["photo"].map(dict(test.groups)))[_SCORE_COLUMNS]
    return Evaluation(test, methods, cropped, table, params, counts)


def _read_test_photos(folder: Path, labels: pd.DataFrame, size: int) -> TestPhotos:
    labels = labels.sort_values(["number", "author", "source"], ignore_index=True)
    names = list(dict.fromkeys(labels["photo"]))
    # the small copy's sides are rounded: the photo's own decide whether a crop is inside it
    aspect = scores.aspect_ratios(labels.drop_duplicates("photo")).astype(np.float32)
    photos = replace(batches.read_photos(folder, names, size), aspect=aspect)
    return TestPhotos(labels, photos, dict(zip(labels["photo"], labels["group"], strict=True)))


def _sample(names: "pd.Series[str]", most: int) -> set[str]:
    """At most so many of the names, by their hashes: new names replace few of them."""
    return set(sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())[:most])


def _croppers(
    predict: Callable[[PhotoArrays], Floats],
    name: str,
    training_labels: pd.DataFrame,
    params: EvaluateParams,
) -> list[CropMethod]:
    training = training_labels[list(CROP_COLUMNS)].to_numpy(float)
    draws, seed = params.random_draws, params.seed
    return [
        croppers.trained_network(predict, name),
        croppers.random_within_bounds(training, params.random_percentiles, draws, seed),
        croppers.other_crop(training, draws, seed),
        croppers.no_crop(),
        croppers.median_crop(training),
        croppers.shape_crop(training, scores.aspect_ratios(training_labels)),
        croppers.centred_crop(training),
        croppers.shuffled_network(predict, draws, seed),
        *rival_croppers(params.rivals, training),
    ]


def _similar_cropper(folder: Path, training_labels: pd.DataFrame) -> CropMethod:
    """Copy the crop of the most similar training photo; of several crops of it, the first."""
    first = training_labels.drop_duplicates("photo")
    photos = batches.read_photos(folder, first["photo"].tolist(), _COMPARED_SIDE)
    return croppers.similar_crop(photos, first[list(CROP_COLUMNS)].to_numpy(float))


def _predecessor_cropper(folder: Path, test_labels: pd.DataFrame, file: str) -> CropMethod:
    """Crop with the predecessor's network, which has an input size of its own."""
    model = keras_model.load_model(Path(file).expanduser())
    photos = _read_test_photos(folder, test_labels, keras_model.input_size(model)).photos
    return croppers.predecessor_network(lambda _: keras_model.predict_limits(model, photos))


def _judge_training(folder: Path, training_labels: pd.DataFrame, seed: int) -> JudgeTraining:
    """Read the training photos that the blind judge learns from."""
    sample = reference_free.sample_for_judge(training_labels)
    photos = batches.read_photos(folder, sample["photo"].tolist(), INPUT_SIDE)
    return JudgeTraining(photos, sample[list(CROP_COLUMNS)].to_numpy(float), seed)


def _score_without_reference(
    evaluation: Evaluation, predict: Callable[[PhotoArrays], Floats], training: JudgeTraining
) -> ReferenceFreeScores:
    photos = evaluation.test.photos
    first = evaluation.test.labels.drop_duplicates("photo")[list(CROP_COLUMNS)].to_numpy(float)
    cropped = {HUMAN: first[None], **evaluation.cropped}
    jackknife = evaluation.jackknife(pd.Index(photos.names))
    groups = [evaluation.test.groups[name] for name in photos.names]
    return reference_free.score_without_reference(
        photos, cropped, predict, training, groups, jackknife
    )
