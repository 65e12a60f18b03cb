"""A photo's suggested crops in words, as JSON, and as a caption."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cropperhead.api import Crop
from cropperhead.suggest.predict import is_whole

_DECIMALS = 6  # of a fraction: 0.01 px of 10,000
_LIMITS = ("top", "left", "bottom", "right", "angle", "confidence")


def as_json(photo: Path, crops: Sequence[Crop], model_id: str) -> dict[str, Any]:
    """The best crop with the others as `alternatives`, in the displayed frame, as `api.Crop`."""
    first, *others = map(_numbers, crops)
    return {"photo": str(photo), **first, "alternatives": others, "model": model_id}


def told(crop: Crop) -> str:
    """One crop in some words: what it keeps of the picture, and where."""
    trust = f"confidence {crop.confidence:.2f}"
    if is_whole(crop):
        return f"the whole frame, {trust}"
    kept = (crop.bottom - crop.top) * (crop.right - crop.left)
    sides = ", ".join(f"{name} {getattr(crop, name):.1%}" for name in _LIMITS[:4])
    turned = f", turned by {crop.angle:+.1f}°" if crop.angle else ""
    return f"keeps {kept:.0%} ({sides}){turned}, {trust}"


def caption(photo: Path, crop: Crop) -> str:
    """The file's name, and what the crop does."""
    turned = f" {crop.angle:+.1f}°" if crop.angle else ""
    return f"{photo.name}  {crop.confidence:.2f}{turned}"


def _numbers(crop: Crop) -> dict[str, float]:
    return {name: round(float(getattr(crop, name)), _DECIMALS) for name in _LIMITS}
