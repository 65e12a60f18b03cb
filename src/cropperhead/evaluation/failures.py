"""The test photos with the network's worst crops, by overlap and by what its crops cut away."""

import math

import pandas as pd

from cropperhead.evaluation.croppers import CNN
from cropperhead.evaluation.evaluate import Evaluation
from cropperhead.evaluation.findings import Failure
from cropperhead.evaluation.number_text import format_number, format_percent
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.words import format_count

_MOST = 10
_LARGEST_SHARE = 0.25  # of the test photos: with few of them, the tenth worst is no failure
_NOTICEABLE = 0.02  # of a side, or of what is salient: less is not worth a sentence


def find_failures(evaluation: Evaluation) -> list[Failure]:
    """Choose up to ten photos, at most a quarter of all, and explain each.

    Half of them overlap least. The other half are those of which the network's crop cuts off most
    heads, then most of what is salient, in the human crop; where nothing worth a sentence is cut,
    or it was not measured, overlap chooses them, too. Those that overlap less come first.
    """
    overlap = evaluation.by_photo(CNN, "iou").sort_values(kind="stable", na_position="first")
    count = min(_MOST, math.ceil(len(overlap) * _LARGEST_SHARE))
    least = overlap.index[: math.ceil(count / 2)]
    cuts = _cuts(evaluation)
    noticeable = cuts[(cuts["heads"] > 0) | (cuts["salient"] > _NOTICEABLE)]
    most_cut = noticeable.sort_values(["heads", "salient"], ascending=False, kind="stable").index
    worst = list(dict.fromkeys([*least, *most_cut, *overlap.index]))[:count]
    return [
        Failure(photo, _explain_failure(evaluation, photo, cuts.loc[photo]))
        for photo in overlap.index
        if photo in worst
    ]


def _cuts(evaluation: Evaluation) -> pd.DataFrame:
    """Return what of the human crop is cut away, by photo; nothing where it was not measured.

    Columns: `heads`, how many; `salient`, the share of what is salient.
    """
    metrics, names = evaluation.reference_free, list(evaluation.test.photos.names)
    columns = {
        "heads": None if metrics is None else metrics.lost_heads,
        "salient": None if metrics is None else metrics.salient_cuts,
    }
    found = {name: 0.0 if values is None else values for name, values in columns.items()}
    return pd.DataFrame(found, index=names)


def _explain_failure(evaluation: Evaluation, photo: str, cuts: pd.Series) -> str:
    labels = evaluation.test.labels
    truth = labels.loc[labels["photo"] == photo, list(CROP_COLUMNS)].iloc[0].to_numpy(float)
    predicted = evaluation.cropped[CNN][0, evaluation.test.photos.names.index(photo)]
    kept = [format_percent(float(crops.area(limits))) for limits in (truth, predicted)]
    sentences = [
        f"The photographer kept {kept[0]} of the frame, the network {kept[1]}.",
        _explain_heads(int(cuts["heads"])),
        _explain_cut(cuts["salient"]),
        _explain_offset(truth, predicted),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _explain_heads(count: int) -> str:
    if not count:
        return ""
    return f"It cuts off {format_count(count, 'head')} that the photographer kept."


def _explain_cut(cut: float) -> str:
    if not cut > _NOTICEABLE:
        return ""
    return (
        f"The network’s crop cuts away {format_percent(cut)} of what stands out in the "
        "photographer’s."
    )


def _explain_offset(truth: Floats, predicted: Floats) -> str:
    down, across = (predicted[:2] + predicted[2:4] - truth[:2] - truth[2:4]) / 2
    distance, direction = max(
        (abs(down), "lower" if down > 0 else "higher"),
        (abs(across), "further right" if across > 0 else "further left"),
    )
    if not distance > _NOTICEABLE:
        return ""
    return f"It is centred {format_number(distance, 2)} of a side {direction}."
