"""From the scores of an evaluation to all that the report tells."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from cropperhead import __version__
from cropperhead.dataset import shards
from cropperhead.evaluation import learning_checks, scores, subgroups, verdict
from cropperhead.evaluation.corrections import Corrections
from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN, RANDOM, SHUFFLED
from cropperhead.evaluation.evaluate import Evaluation
from cropperhead.evaluation.number_text import format_estimate
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.params import EvaluateParams, Params, effective
from cropperhead.report import page as report
from cropperhead.report.gallery import Picture
from cropperhead.report.page import Comparison, Row
from cropperhead.stats import Interval

_IN_GALLERY = (CNN, RANDOM, MEDIAN)
_BLOCKS_SHOWN = ("extract", "split", "train", "evaluate")
_ERRORS_SHOWN = 4
_VERSIONS_SHOWN = ("tensorflow", "keras", "pillow")  # what the numbers depend on


def write_report(
    result: Evaluation,
    folder: Path,
    history_file: Path,
    page: Path,
    summary: Path,
    params: Params,
    corrections: Corrections | None = None,
) -> Comparison:
    """Writes the comparison as a page (HTML) and as a summary for a pull request (Markdown)."""
    shown = gallery(result, params.evaluate)
    images = dict(shards.iter_images(folder, shown))
    told = comparison(result, pd.read_csv(history_file), images, params, corrections)
    page.write_text(report.render(told), encoding="utf-8")
    summary.write_text(report.summary(told), encoding="utf-8")
    return told


def comparison(
    result: Evaluation,
    history: pd.DataFrame,
    images: Mapping[str, bytes],
    params: Params,
    corrections: Corrections | None = None,
) -> Comparison:
    """All that the report tells. `images` are the JPEGs of at least the gallery's photos."""
    gain, shuffled = result.gain(CNN, MEDIAN), result.gain(CNN, SHUFFLED)
    samplers = {cropper.key: cropper.sampler for cropper in result.croppers}
    photos, chosen = len(result.test.photos.names), params.evaluate
    return Comparison(
        verdict=verdict.state_verdict(gain, shuffled, photos, chosen.confidence),
        evidence=_evidence(result),
        rows=_rows(result),
        pictures=[_picture(result, name, images[name]) for name in gallery(result, chosen)],
        limits=result.limits(),
        history=history,
        counts=_counts(result, chosen),
        facts=_facts(params, result.hashes),
        sampler=samplers[RANDOM],
        intervals=_statistics(chosen),
        confidence=chosen.confidence,
        answers=learning_checks.check_learning(result),
        slices=subgroups.score_slices(result),
        measures=result.reference_free.measures(result.mean) if result.reference_free else (),
        judged=result.reference_free.judge_scores if result.reference_free else (),
        agreements=subgroups.score_agreement(result),
        photos_of_several=result.shared_photos(),
        errors=_errors(result, chosen),
        corrections=corrections,
    )


def gallery(result: Evaluation, params: EvaluateParams) -> list[str]:
    """The photos that the report shows: all test photos, or a sample drawn by their names' hash."""
    names = sorted(result.test.photos.names, key=_shuffled_place)
    return sorted(names[: params.gallery_photos])


def _statistics(params: EvaluateParams) -> str:
    return (
        f"Intervals are the middle {params.confidence * 100:g} % of {params.bootstrap_samples} "
        "bootstrap resamples of groups of like photos. p is the share of "
        f"{params.permutations:,} random exchanges of the two croppers, group by group, that part "
        "them as far as they are; Holm's correction allows for the number of croppers."
    )


def _errors(result: Evaluation, params: EvaluateParams) -> list[tuple[str, str]]:
    """The shown photos on which the network comes least close, and how it fails."""
    overlap = result.by_photo(CNN, "iou")[gallery(result, params)]
    worst = overlap.sort_values(kind="stable").index[:_ERRORS_SHOWN]
    return [(photo, _failure(result, photo)) for photo in worst]


def _failure(result: Evaluation, photo: str) -> str:
    place = result.test.photos.names.index(photo)
    label = result.test.labels.iloc[int(np.argmax(result.test.labels["photo"] == photo))]
    truth = label[list(CROP_COLUMNS)].to_numpy(float)
    predicted = result.cropped[CNN][0, place]
    kept = [f"{float(crops.area(limits)):.0%}".replace("%", " %") for limits in (truth, predicted)]
    down, across = (predicted[:2] + predicted[2:4] - truth[:2] - truth[2:4]) / 2
    far = max((abs(down), "lower" if down > 0 else "higher"), (abs(across), _side(across)))
    said = f"The photographer kept {kept[0]} of the frame, the network {kept[1]}"
    return (
        f"{said}; its middle lies {far[0]:.2f} of a side {far[1]}." if far[0] > 0.02 else f"{said}."
    )


def _side(across: float) -> str:
    return "further right" if across > 0 else "further left"


def _evidence(result: Evaluation) -> list[str]:
    cnn, over_random = result.interval(CNN, "iou"), result.gain(CNN, RANDOM)
    over_shuffled = result.gain(CNN, SHUFFLED)
    return [
        f"Mean overlap with the photographer's crop: CNN {cnn.mean:.3f}, "
        f"median crop {result.interval(MEDIAN, 'iou').mean:.3f}, "
        f"random within bounds {result.interval(RANDOM, 'iou').mean:.3f}.",
        f"Against random crops within the photographer's own bounds: {_said(over_random)}.",
        f"Against its own crops laid on other photos: {_said(over_shuffled)}. "
        "This is how much its crops depend on their photos.",
    ]


def _counts(result: Evaluation, params: EvaluateParams) -> dict[str, int]:
    return {
        **{name: result.counts.get(name, 0) for name in ("train", "validation", "test")},
        "groups": len(set(result.test.groups.values())),
        "authors": int(result.test.labels["author"].nunique()),
        "random_draws": params.random_draws,
        "bootstrap_samples": params.bootstrap_samples,
    }


def _facts(params: Params, hashes: Mapping[str, str]) -> list[tuple[str, str]]:
    """Versions, hashes and settings; nothing that differs between two runs of the same input."""
    versions = [("cropperhead", __version__)]
    versions += [(name, version(name)) for name in _VERSIONS_SHOWN]
    values = [
        (name, str(value))
        for name, value in effective(params).items()
        if name.split(".")[0] in _BLOCKS_SHOWN and name != "extract.library"
    ]
    return [*versions, *hashes.items(), *values]


def _rows(result: Evaluation) -> list[Row]:
    human = Row(HUMAN, "Human", None, None, None, None, "")
    if result.shared_photos():
        note = f"each against the others, on {result.shared_photos()} photos of several people"
        human = _row(result, HUMAN, "Human", note)
    chances = result.corrected_p_values(MEDIAN)
    rows = [_row(result, c.key, c.label, c.note, chances.get(c.key)) for c in result.croppers]
    return [human, *rows]


def _row(result: Evaluation, key: str, label: str, note: str, chance: float | None = None) -> Row:
    values = {name: result.interval(key, name) for name in scores.SCORES}
    return Row(
        cropper=key,
        label=label,
        overlap=values["iou"],
        displacement=values["bde"],
        angle_error=values["angle_error"],
        gain=None if key == MEDIAN else result.gain(key, MEDIAN),
        note=note,
        aspect_error=values["aspect_error"],
        invalid=float(result.by_photo(key, "invalid").mean()),
        chance=chance,
    )


def _picture(result: Evaluation, photo: str, jpeg: bytes) -> Picture:
    labels = result.test.labels
    label = labels[labels["photo"] == photo].iloc[0]
    place = result.test.photos.names.index(photo)
    truth, aspect = label[list(CROP_COLUMNS)].to_numpy(float), label["width"] / label["height"]
    shown = {key: result.cropped[key][0, place] for key in _IN_GALLERY}
    overlap = {key: float(crops.overlap(value, truth, aspect)) for key, value in shown.items()}
    return Picture(photo, jpeg, aspect, {HUMAN: truth, **shown}, overlap)


def _said(interval: Interval) -> str:
    return format_estimate(interval, 3, signed=True)


def _shuffled_place(photo: str) -> str:
    return hashlib.sha256(photo.encode()).hexdigest()
