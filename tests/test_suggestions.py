import importlib

import pytest

from cropperhead.inference import search


def test_the_former_module_has_the_same_functions_and_warns():
    with pytest.warns(DeprecationWarning, match=r"now cropperhead\.inference\.search") as warned:
        former = importlib.import_module("cropperhead.suggestions")
    assert len(warned) == 1
    # the public names of the module as it was released
    assert sorted(former.__all__) == [
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
    assert former.suggest is search.suggest_crops
    assert former.parse_ratio("4:5", 1.5) == 0.8
