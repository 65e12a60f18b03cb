"""The former name of `cropperhead.inference.search`, kept for one release."""

import warnings

from cropperhead.inference.search import (
    DISTINCT,
    FREE,
    ORIGINAL,
    OWN_WEIGHT,
    Suggestion,
    alternatives,
    expected_overlap,
    of_ratio,
    parse_ratio,
    straightened,
    suggest,
)

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
