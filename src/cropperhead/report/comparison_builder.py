"""From the scores of an evaluation to everything that the report shows."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version

import pandas as pd

from cropperhead import __version__
from cropperhead.evaluation import (
    failures,
    learning_checks,
    resemblance,
    scores,
    subgroups,
    verdict,
)
from cropperhead.evaluation.corrections import Corrections
from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN, RANDOM
from cropperhead.evaluation.evaluate import Evaluation
from cropperhead.evaluation.number_text import format_confidence, format_number
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.params import EvaluateParams, Params, effective
from cropperhead.report.comparison import Comparison, CropperScores
from cropperhead.report.gallery import Picture
from cropperhead.report.tables import explain_judges
from cropperhead.report.votes_section import VotesSection
from cropperhead.words import format_count

_GALLERY_CROPPERS = (CNN, RANDOM, MEDIAN)
_BLOCKS = ("extract", "split", "train", "evaluate")  # of params.yaml, listed in the report
_PACKAGES = ("tensorflow", "keras", "pillow")  # whose versions the numbers depend on


def build_comparison(
    evaluation: Evaluation,
    history: pd.DataFrame,
    images: Mapping[str, bytes],
    params: Params,
    corrections: Corrections | None = None,
    votes: VotesSection | None = None,
) -> Comparison:
    """Collect everything that the report shows.

    `images` are the JPEGs of at least the photos in `gallery_photos`. The pictures of `votes` are
    added here.
    """
    photos, settings = len(evaluation.test.photos.names), params.evaluate
    sample, worst = _sample_photos(evaluation, settings), failures.find_failures(evaluation)
    metrics, checks = evaluation.reference_free, learning_checks.check_learning(evaluation)
    return Comparison(
        verdict=verdict.state_verdict(evaluation.gains(), photos, settings.confidence, checks),
        evidence=_evidence(evaluation),
        rows=_cropper_scores(evaluation),
        pictures=[_picture(evaluation, name, images[name]) for name in sample],
        limits=evaluation.limits(),
        history=history,
        counts=_counts(evaluation, settings),
        facts=_facts(params, evaluation.hashes),
        sampler=next(method.sampler for method in evaluation.croppers if method.key == RANDOM),
        intervals=_describe_intervals(settings),
        confidence=settings.confidence,
        learning_checks=checks,
        slices=subgroups.score_slices(evaluation),
        measures=metrics.measures(evaluation.mean) if metrics else (),
        judge_scores=metrics.judge_scores if metrics else (),
        agreements=subgroups.score_agreement(evaluation),
        shared_photos=evaluation.shared_photos(),
        failures=worst,
        failure_pictures=[
            _picture(evaluation, each.photo, images[each.photo])
            for each in worst
            if each.photo not in sample
        ],
        corrections=corrections,
        votes=votes
        and replace(
            votes,
            pictures=[
                _picture(evaluation, name, images[name]) for name in voted_photos(evaluation, votes)
            ],
        ),
    )


def gallery_photos(
    evaluation: Evaluation, params: EvaluateParams, votes: VotesSection | None = None
) -> list[str]:
    """List the photos that are shown: of the gallery, where the network fails, and of the votes."""
    worst = {each.photo for each in failures.find_failures(evaluation)}
    voted = voted_photos(evaluation, votes) if votes else []
    return sorted({*_sample_photos(evaluation, params), *worst, *voted})


def voted_photos(evaluation: Evaluation, votes: VotesSection) -> list[str]:
    """List the photos on which people liked this model's crop most and least."""
    found = votes.findings
    if found is None or not (found.says_something and votes.is_current):
        return []
    return [
        each.photo
        for each in (*found.preferred, *found.despised)
        if each.photo in evaluation.test.groups
    ]


def _sample_photos(evaluation: Evaluation, params: EvaluateParams) -> list[str]:
    """List the photos in the gallery: all test photos, or a sample drawn by the names' hashes."""
    names = sorted(evaluation.test.photos.names, key=_sample_order)
    return sorted(names[: params.gallery_photos])


def _sample_order(photo: str) -> str:
    return hashlib.sha256(photo.encode()).hexdigest()


def _describe_intervals(params: EvaluateParams) -> str:
    return (
        f"Intervals of {format_confidence(params.confidence)} are those of Student's t, with the "
        "standard error that results from leaving out one group of similar photos after another. "
        "They are wider where a few groups differ from the others by much. p is of the same t; "
        "Holm's correction adjusts it for the number of croppers."
    )


def _evidence(evaluation: Evaluation) -> list[str]:
    cnn, median, random = (
        format_number(evaluation.interval(key, "iou").mean, 3) for key in (CNN, MEDIAN, RANDOM)
    )
    return [
        f"Mean overlap with the photographer's crop: CNN {cnn}, median crop {median}, random "
        f"within bounds {random}.",
        *resemblance.describe_resemblance(evaluation),
        *_judge_evidence(evaluation),
    ]


def _judge_evidence(evaluation: Evaluation) -> list[str]:
    """Say whether a classifier can recognise the network's crops, if that was measured."""
    metrics = evaluation.reference_free
    return [
        f"Can a classifier distinguish human crops from the network's? {explain_judges(each)}"
        for each in (metrics.judge_scores if metrics else ())
        if each.cropper == CNN
    ]


def _human_limits(evaluation: Evaluation, photo: str) -> Floats:
    """Return the first human crop of a photo, (5,)."""
    labels = evaluation.test.labels
    label = labels[labels["photo"] == photo].iloc[0]
    return label[list(CROP_COLUMNS)].to_numpy(float)


def _counts(evaluation: Evaluation, params: EvaluateParams) -> dict[str, int]:
    return {
        **{name: evaluation.counts.get(name, 0) for name in ("train", "validation", "test")},
        "groups": evaluation.group_count,
        "authors": int(evaluation.test.labels["author"].nunique()),
        "random_draws": params.random_draws,
    }


def _facts(params: Params, hashes: Mapping[str, str]) -> list[tuple[str, str]]:
    """List versions, hashes and settings; nothing that differs between runs on the same input."""
    versions = [("cropperhead", __version__), *((name, version(name)) for name in _PACKAGES)]
    settings = [
        (name, str(value))
        for name, value in effective(params).items()
        if name.split(".")[0] in _BLOCKS and name != "extract.library"
    ]
    return [*versions, *hashes.items(), *settings]


def _cropper_scores(evaluation: Evaluation) -> list[CropperScores]:
    human = CropperScores(HUMAN, "Human", None, None, None, None)
    if shared := evaluation.shared_photos():
        photos = format_count(shared, "photo")
        note = f"each scored against the others, on {photos} that several people cropped"
        human = _scores_of(evaluation, HUMAN, "Human", note)
    p_values = evaluation.corrected_p_values(MEDIAN)
    others = [
        _scores_of(evaluation, each.key, each.label, each.note, p_values.get(each.key))
        for each in evaluation.croppers
    ]
    return [human, *others]


def _scores_of(
    evaluation: Evaluation, key: str, label: str, note: str, p_value: float | None = None
) -> CropperScores:
    values = {name: evaluation.interval(key, name) for name in scores.SCORES}
    return CropperScores(
        cropper=key,
        label=label,
        overlap=values["iou"],
        displacement=values["bde"],
        angle_error=values["angle_error"],
        gain=None if key == MEDIAN else evaluation.gain(key, MEDIAN),
        note=note,
        aspect_error=values["aspect_error"],
        invalid=float(evaluation.by_photo(key, "invalid").mean()),
        p_value=p_value,
    )


def _picture(evaluation: Evaluation, photo: str, jpeg: bytes) -> Picture:
    labels = evaluation.test.labels
    label = labels[labels["photo"] == photo].iloc[0]
    truth, aspect = _human_limits(evaluation, photo), label["width"] / label["height"]
    place = evaluation.test.photos.names.index(photo)
    cropped = {key: evaluation.cropped[key][0, place] for key in _GALLERY_CROPPERS}
    overlap = {key: float(crops.overlap(value, truth, aspect)) for key, value in cropped.items()}
    return Picture(photo, jpeg, aspect, {HUMAN: truth, **cropped}, overlap)
