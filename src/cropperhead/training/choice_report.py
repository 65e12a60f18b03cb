"""What was chosen between a base model and networks of the own crops, on disk and in words."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cropperhead.training.base_model import BaseStart
from cropperhead.training.preferences import Preferred
from cropperhead.words import format_count

_NAMES = {
    "base": "the base model as it is",
    "personal": "the base model with a personal step",
    "tuned": "the base model trained further on your crops",
    "own": "a network of your crops alone",
}
_LEARNS_FROM_VOTES = (None, "tuned", "own")  # None: a network that nothing was compared with


def describe_choice(
    choice: Any | None, start: BaseStart, photos: int, preferred: Preferred | None = None
) -> dict[str, Any]:
    """The record of a choice (`adapt.Choice`), or of why there was none, for `explain_choice`.

    It counts the preferred crops to learn from, and lists the photos whose ones are left out.
    """
    record: dict[str, Any] = {"base": start.source, "photos": photos, "known": len(start.known)}
    if preferred is not None:
        record["preferred_crops"] = len(preferred.table)
        record["preferred_left_out"] = preferred.left_out
    if choice is None:
        return record | {"chosen": None}
    scores = {name: round(float(score), 4) for name, score in choice.scores.items()}
    return record | {
        "chosen": choice.name,
        "words": choice.words,
        "scores": scores,
        "scored": choice.scored,
    }


def write_choice(record: Mapping[str, Any], file: Path) -> None:
    """Write a record of `describe_choice` as JSON."""
    file.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def explain_choice(record: Mapping[str, Any]) -> list[str]:
    """A record in sentences, for the report; none where no base model was asked for."""
    if record["base"] == "none":
        return []
    known, photos = record["known"], format_count(record["photos"], "photo")
    if record["chosen"] is None:
        return [
            f"The base model learned from {known:,} of these {photos}, so it was not a "
            "candidate: the network was trained from scratch."
        ] * (known > 0)
    sentences = [f"Chosen: {_NAMES[record['chosen']]}{_scores(record)}"]
    if record["words"] and record["chosen"] in ("personal", "tuned"):
        sentences.append(f"You {record['words']}.")
    if known and record["chosen"] != "own":
        sentences.append(
            f"The base model learned from {known:,} of the {photos}, which count in no score."
        )
    return sentences


def explain_preferred(record: Mapping[str, Any]) -> list[str]:
    """What training made of the crops that people preferred, in sentences; none without any."""
    preferred, left_out = record.get("preferred_crops", 0), record.get("preferred_left_out", [])
    sentences = []
    if preferred:
        crops = format_count(preferred, "crop") + " that people preferred to the photographer's own"
        if record["chosen"] in _LEARNS_FROM_VOTES:
            sentences.append(f"Training also used {crops}, weighted by the votes.")
        else:
            name = _NAMES[record["chosen"]]
            reason = f"because {name} does not learn from votes"
            sentences.append(f"Not learned from: {crops}, {reason}.")
    if left_out:
        photos = format_count(len(left_out), "photo")
        sentences.append(
            f"Preferred crops of {photos} were left out, because these photos left the training "
            "split or were cropped again after the vote."
        )
    return sentences


def _scores(record: Mapping[str, Any]) -> str:
    """The mean overlaps of the candidates, the best first."""
    if not record["scores"]:
        return ", as there are too few crops to compare."
    order = sorted(record["scores"].items(), key=lambda each: -each[1])
    shown = ", ".join(f"{score:.3f} for {_NAMES.get(name, name)}" for name, score in order)
    scored = format_count(record["scored"], "crop")
    return f". Overlap on {scored} that it was not fitted to: {shown}."
