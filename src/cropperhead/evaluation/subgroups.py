"""The network's scores on parts of the test photos, and agreement between several people."""

import numpy as np
import pandas as pd

from cropperhead.dataset.columns import COLLECTED, SUGGESTED_BY
from cropperhead.evaluation import scores
from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN, orientations
from cropperhead.evaluation.evaluate import Evaluation
from cropperhead.evaluation.findings import Agreement, Slice
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS, Floats

_MOST_VALUES = 8  # of one property with a slice of their own; the rest share one
_TIGHTNESS = (("tight: less than half is kept", 0.0, 0.5), ("half to 80 % is kept", 0.5, 0.8))
_LOOSE = "loose: 80 % or more is kept"


def score_slices(evaluation: Evaluation) -> list[Slice]:
    """Score the network on parts of the test photos, by properties of their labels."""
    labels = evaluation.test.labels
    truth, aspect = labels[list(CROP_COLUMNS)].to_numpy(float), scores.aspect_ratios(labels)
    properties = {
        "Orientation": orientations(aspect),
        "Tightness of the human crop": _tightness(crops.area(truth)),
        "Tilt of the human crop": np.where(truth[:, 4] == 0, "level", "tilted"),
        "Editor": _frequent_values(labels["source"]),
        "Person": _frequent_values(labels["author"]),
    }
    sources = labels["source"].to_numpy(str)
    if COLLECTED in sources:
        properties["Where the crop comes from"] = _origin(sources, labels)
    return [
        each
        for by, values in properties.items()
        for each in _slices_by(evaluation, by, np.asarray(values))
    ]


def score_agreement(evaluation: Evaluation) -> list[Agreement]:
    """Score croppers and people on the photos that several people cropped; empty without any."""
    shared = set(evaluation.by_photo(HUMAN, "iou").index)
    if not shared:
        return []
    return [_agreement(evaluation, key, shared) for key in (HUMAN, *evaluation.cropped)]


def _agreement(evaluation: Evaluation, key: str, shared: set[str]) -> Agreement:
    columns = [evaluation.by_photo(key, name) for name in ("iou", "iou_best")]
    mean, best = (
        evaluation.mean(each[each.index.isin(shared)], scores.BOUNDS["iou"]) for each in columns
    )
    return Agreement(key, mean, best)


def _slices_by(evaluation: Evaluation, by: str, values: np.ndarray) -> list[Slice]:
    """Slice by photo: a photo with crops in several slices counts in each, with those crops."""
    table = evaluation.scores
    rows = {key: table[table["cropper"] == key] for key in (CNN, MEDIAN)}
    overlap = pd.DataFrame({key: part["iou"].to_numpy(float) for key, part in rows.items()})
    photo, slices = rows[CNN]["photo"].to_numpy(), []
    for value in pd.unique(np.sort(values)):
        chosen = values == value
        means = overlap[chosen].groupby(photo[chosen]).mean()
        own = evaluation.mean(means[CNN], scores.BOUNDS["iou"])
        gain = evaluation.mean(means[CNN] - means[MEDIAN], scores.GAIN_BOUNDS)
        slices.append(Slice(by, str(value), len(means), own, gain))
    return slices


def _tightness(area: Floats) -> np.ndarray:
    inside = [(area >= low) & (area < high) for _, low, high in _TIGHTNESS]
    return np.select(inside, [name for name, _, _ in _TIGHTNESS], _LOOSE)


def _origin(sources: np.ndarray, labels: pd.DataFrame) -> np.ndarray:
    """Tell crops that people sent from the library's, and whether they saw a suggestion first."""
    anchored = labels[SUGGESTED_BY].to_numpy(str) != ""
    names = np.where(anchored, "sent, after a suggestion", "sent, without a suggestion")
    return np.where(sources == COLLECTED, names, "photo library")


def _frequent_values(values: pd.Series) -> np.ndarray:
    """Keep the most frequent values; replace all others by one name."""
    kept = values.value_counts().index[:_MOST_VALUES]
    return values.where(values.isin(kept), "all others").to_numpy(str)
