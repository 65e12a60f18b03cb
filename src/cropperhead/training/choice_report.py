"""What was chosen between a base model and networks of the own crops, on disk and in words."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cropperhead.training.base_model import BaseStart

_NAMES = {
    "base": "the base model as it is",
    "personal": "the base model with a personal step",
    "tuned": "the base model, trained further on your crops",
    "own": "a network of your crops alone",
}


def describe_choice(choice: Any | None, start: BaseStart, photos: int) -> dict[str, Any]:
    """The record of a choice (`adapt.Choice`), or of why there was none, for `explain_choice`."""
    record: dict[str, Any] = {"base": start.source, "photos": photos, "known": len(start.known)}
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
    known, photos = record["known"], record["photos"]
    if record["chosen"] is None:
        return [
            f"The base model learned from {known:,} of these {photos:,} photos, and so was no "
            "candidate: the network was trained from scratch."
        ] * (known > 0)
    sentences = [f"Chosen: {_NAMES[record['chosen']]}{_scores(record)}."]
    if record["words"] and record["chosen"] in ("personal", "tuned"):
        sentences.append(f"You {record['words']}.")
    if known and record["chosen"] != "own":
        sentences.append(
            f"The base model learned from {known:,} of the {photos:,} photos, which count in no "
            "score."
        )
    return sentences


def _scores(record: Mapping[str, Any]) -> str:
    """The mean overlaps of the candidates, the best first."""
    if not record["scores"]:
        return ", as there are too few crops to compare"
    order = sorted(record["scores"].items(), key=lambda each: -each[1])
    shown = ", ".join(f"{name} {score:.3f}" for name, score in order)
    return f" (overlap on {record['scored']:,} crops that it was not fitted to: {shown})"
