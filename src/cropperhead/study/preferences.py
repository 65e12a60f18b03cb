"""Votes as something to learn from: crops that people like better than the photographer's own.

Only a study on training photos gives any: a network that had learned from votes on test photos
would be scored on photos that it has seen.
"""

from pathlib import Path

import pandas as pd

from cropperhead.dataset.split_labels import TRAIN
from cropperhead.errors import DataError
from cropperhead.evaluation.croppers import HUMAN
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.params import Params
from cropperhead.study import collect
from cropperhead.study import folder as folders
from cropperhead.study.attention import HASTY_MS, chosen, rater_weights
from cropperhead.study.folder import Study
from cropperhead.study.votes import LIKE, NEITHER, PLAIN
from cropperhead.training import preferences

# Votes without a majority that each crop begins with: one vote alone shows little
_PRIOR_VOTES = 2.0


def write_preferred(params: Params, file: Path, counts_file: Path) -> None:
    """Write the crops that a study of training photos prefers (CSV), and count them (JSON).

    Unless `train.preferences` is on, the table is empty and nothing is read. If it is, and
    `study.training_folder` has no such study, a DataError is raised: the network would silently
    learn nothing from people.
    """
    collected, crops = collect.NO_VOTES, pd.DataFrame(columns=preferences.COLUMNS)
    if params.train.preferences == "on":
        folder = Path(params.study.training_folder)
        study = _training_study(folder)
        collected = collect.read_table(folder, params.study.collected)
        crops = preferred_crops(study, collected.table)
    preferences.write(crops, file)
    counts = collect.count_votes(collected) | {"preferred_crops": len(crops)}
    collect.write_counts(counts, counts_file)


def _training_study(folder: Path) -> Study:
    if folders.exists(folder) and (study := folders.load(folder)).split == TRAIN:
        return study
    raise DataError(
        f"study.training_folder: expected a study of training photos in {folder}, because "
        "train.preferences is on, got "
        f"{'one of test photos' if folders.exists(folder) else 'none'}. Copy the study's folder "
        'there, which neither git nor DVC does, or set train.preferences to "off".'
    )


def preferred_crops(study: Study, votes: pd.DataFrame) -> pd.DataFrame:
    """Return the crops that people like better than the human one, with `preferences.COLUMNS`.

    A weight is (won - lost) / (all + 2) over the votes on this crop and the human one, each vote
    counted by the probability that the person looked. There is none where that is 0 or less.
    """
    counted = (votes["mode"] == LIKE) & (votes["kind"] == PLAIN) & (votes["ms"] >= HASTY_MS)
    against_human = (votes["left"] == HUMAN) != (votes["right"] == HUMAN)
    liked = votes[counted & against_human]
    if study.split != TRAIN or liked.empty:
        return pd.DataFrame(columns=preferences.COLUMNS)
    picked, looked = chosen(liked), rater_weights(votes).reindex(liked["rater"]).to_numpy()
    sign = pd.Series(picked).map({HUMAN: -1.0, NEITHER: 0.0}).fillna(1.0).to_numpy()
    rows = pd.DataFrame(
        {
            "photo": liked["photo"].to_numpy(),
            "cropper": liked["left"].where(liked["left"] != HUMAN, liked["right"]).to_numpy(),
            "ahead": sign * looked,
            "all": looked,
        }
    )
    sums = rows.groupby(["photo", "cropper"], as_index=False).sum()
    sums[preferences.WEIGHT] = (sums["ahead"] / (sums["all"] + _PRIOR_VOTES)).round(6)
    better = sums[sums[preferences.WEIGHT] > 0]
    shown = [study.by_name[photo].limits for photo in better["photo"]]
    limits = [
        [*each[cropper], *each[HUMAN]]
        for each, cropper in zip(shown, better["cropper"], strict=True)
    ]
    columns = [*CROP_COLUMNS, *preferences.BEATEN]
    crops = pd.DataFrame(limits, columns=columns, index=better.index)
    return better.join(crops)[preferences.COLUMNS]
