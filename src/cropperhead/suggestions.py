"""The former name of `cropperhead.inference.search`, kept for one release."""

import warnings

from cropperhead.inference.aspect_ratio import FREE, ORIGINAL, parse_ratio
from cropperhead.inference.search import DISTINCT, OWN_WEIGHT, Suggestion, expected_overlap
from cropperhead.inference.search import best_crop_of_ratio as of_ratio
from cropperhead.inference.search import straighten_only as straightened
from cropperhead.inference.search import suggest_alternatives as alternatives
from cropperhead.inference.search import suggest_crops as suggest

__all__ = [
    "DISTINCT",
    "FREE",
    "ORIGINAL",
    "OWN_WEIGHT",
    "Suggestion",
    "alternatives",
    "expected_overlap",
    "of_ratio",
    "parse_ratio",
    "straightened",
    "suggest",
]

warnings.warn(
    "cropperhead.suggestions is now cropperhead.inference.search, and will be removed after the "
    "next release. Most programs need only cropperhead.load.",
    DeprecationWarning,
    stacklevel=2,
)
