"""Columns of labels that tell what a model had suggested."""

from collections.abc import Mapping
from types import MappingProxyType

from cropperhead.geometry.crops import CROP_COLUMNS

# The suggestion that a label replaced, and the version of the model that made it
SUGGESTED_COLUMNS = tuple(name.replace("crop_", "suggested_") for name in CROP_COLUMNS)
SUGGESTED_BY = "suggested_by"
COLLECTED = "collected"  # the source of crops that people sent
NO_SUGGESTION: Mapping[str, str | float] = MappingProxyType(
    {**dict.fromkeys(SUGGESTED_COLUMNS, float("nan")), SUGGESTED_BY: ""}
)
