import dataclasses
import itertools
import json
import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, label_table
from simulated_votes import simulate

from cropperhead import params
from cropperhead.dataset.inventory import Inventory, take_inventory
from cropperhead.evaluation.corrections import Corrections
from cropperhead.evaluation.findings import Agreement, JudgeScore, LearningCheck, Measure, Slice
from cropperhead.evaluation.verdict import Verdict
from cropperhead.report import cards
from cropperhead.report.cards import Datasheet, ModelCard, ModelFacts
from cropperhead.report.comparison import Comparison, CropperScores, Failure
from cropperhead.report.votes_section import VotesSection
from cropperhead.stats import Interval
from cropperhead.study import findings

GAIN = Interval(0.031, 0.012, 0.05)
CNN = CropperScores("cnn", "CNN", Interval(0.741, 0.72, 0.76), GAIN, GAIN, GAIN)
NOTHING = Interval(math.nan, math.nan, math.nan)
FACTS = ModelFacts("small", 123456, 256, 1_234_567, "a" * 64, "b" * 64)
EXTRACTED = {
    "seen": 52,
    "cropped": 40,
    "uncropped": 9,
    "suggested": 0,
    "rejected": {"outside": 1, "already_applied": 2},
    "rejected_total": 3,
    "labels": {"lightroom embedded": 40},
    "versions_left_out": {},
}
COLLECTED = {
    "photos": 9,
    "crops": 12,
    "senders": 3,
    "not_anchored": 5,
    "consents": {"You may learn from it.": 8, "You may keep it\nand learn from it.": 4},
}
VALIDATED = {
    "failures": {"crop_left < crop_right": 1, "width above 0": 0},
    "quarantined": 1,
    "rows": 41,
}


def comparison(**changes: Any) -> Comparison:
    base = Comparison(
        verdict=Verdict("learned", "The model has learned to crop", "On 6 photos."),
        evidence=["Mean overlap 0.741."],
        rows=[CNN],
        pictures=[],
        limits={"human": np.zeros((0, 5))},
        history=pd.DataFrame(),
        counts={"test": 6},
        facts=[("keras", "3.12"), ("train.seed", "7"), ("extract.tags", "{}")],
        sampler="Each limit is drawn.",
        intervals="Intervals are the middle 95 % of 2000 resamples.",
    )
    return dataclasses.replace(base, **changes)


def inventory() -> Inventory:
    table = label_table(40)
    places = ["test"] * 6 + ["validation"] * 4 + ["train"] * 30
    return take_inventory(table.assign(split=places, group=table["photo"], joined_by=""), 0.9)


def card(name: str = "small", **changes: Any) -> str:
    facts = dataclasses.replace(FACTS, name=name)
    return cards.render_model_card(ModelCard(facts, comparison(**changes), inventory()))


def sheet(
    extracted: dict = EXTRACTED, validated: dict = VALIDATED, corrections: Corrections | None = None
) -> str:
    return cards.render_datasheet(
        Datasheet(inventory(), extracted, validated, params.load(ROOT / "params.yaml"), corrections)
    )


FULL = {
    "learning_checks": [LearningCheck("Better than one crop?", "It gains 0.031.", True)],
    "slices": [Slice("Orientation", "portrait", 4, CNN.overlap, GAIN)],
    "measures": [
        Measure("Thirds", "", "lower", {"human": GAIN, "cnn": NOTHING}, "How far from thirds.")
    ],
    "judge_scores": [JudgeScore("cnn", Interval(0.6, 0.5, 0.7))],
    "agreements": [Agreement("cnn", CNN.overlap, Interval(0.8, 0.7, 0.9))],
    "shared_photos": 3,
    "failures": [Failure("x_1_.jpg", "It cuts the horizon.")],
}
CHANGED = Corrections(7, 3, Interval(0.8, 0.7, 0.9), Interval(0.04, 0.03, 0.05), GAIN)
PAGES = {
    "card": card(**FULL),
    "bare card": card(rows=[], facts=[], evidence=[], intervals=""),
    "card without learning": card(
        "fine-tuned", verdict=Verdict("no evidence", "There is no evidence", "On 6 photos.")
    ),
    "card of frozen features": card("frozen-features"),
    "card of the predecessor": card(
        "predecessor", verdict=Verdict("worse", "The model crops worse", "On 6 photos.")
    ),
    "sheet": sheet(),
    "sheet without losses": sheet(
        EXTRACTED | {"rejected": {}, "rejected_total": 0},
        {"failures": {}, "quarantined": 0, "rows": 40},
    ),
    "sheet with suggestions": sheet(EXTRACTED | {"suggested": 7}, corrections=CHANGED),
    "sheet with suggestions that all stand": sheet(EXTRACTED | {"suggested": 7}),
    "sheet with automatic crops": sheet(EXTRACTED | {"automatic": 5}),
    "sheet with crops that people sent": sheet(EXTRACTED | {"collected": COLLECTED}),
    "sheet with one crop that was sent": sheet(
        EXTRACTED | {"collected": {**COLLECTED, **dict.fromkeys(("photos", "crops", "senders"), 1)}}
    ),
}


def sections(page: str) -> list[tuple[str, str]]:
    """List the headings of a page, each with the text below it."""
    parts = re.split(r"^(#+ .+)$", page, flags=re.MULTILINE)
    assert parts[0] == ""
    return list(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_no_section_is_empty_and_no_value_is_missing(page):
    for heading, body in sections(page):
        subheading_follows = f"{heading}{body}#" in page
        assert body.strip() or subheading_follows, heading
    assert not re.search(r"\bNone\b(?! of)|\bnan\b|\{\{|\}\}|\{%|Interval\(|mappingproxy", page)
    assert page.endswith("\n")
    assert not re.search(r"\n{3,}| +\n", page)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_tables_have_as_many_cells_in_each_row_and_stand_apart(page):
    for block in page.split("\n\n"):
        lines = block.split("\n")
        if any(line.startswith("|") for line in lines):
            assert all(line.startswith("| ") and line.endswith(" |") for line in lines)
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_headings_and_lists_stand_apart_from_text(page):
    lines = page.split("\n")
    for before, line in itertools.pairwise(lines):
        if line.startswith("#"):
            assert before == ""
        if line.startswith("- "):
            assert before == "" or before.lstrip().startswith("- ")


def test_the_model_card_says_what_training_made_of_preferred_crops():
    said = "Training also used 3 crops that people preferred to the photographer's own."
    shown = cards.render_model_card(ModelCard(FACTS, comparison(), inventory(), [said]))
    assert f"{said} The datasheet has the details." in shown
    assert "preferred" not in card()


def test_a_model_card_has_the_sections_of_mitchell_et_al():
    titles = [heading for heading, _ in sections(PAGES["card"]) if heading.startswith("## ")]
    assert titles == [
        "## Model details",
        "## Intended use",
        "## Factors",
        "## Metrics",
        "## Evaluation data",
        "## Training data",
        "## Quantitative analyses",
        "## Ethical considerations",
        "## Caveats and recommendations",
    ]


def test_a_datasheet_has_the_sections_of_gebru_et_al():
    titles = [heading for heading, _ in sections(PAGES["sheet"]) if heading.startswith("## ")]
    assert titles == [
        "## Motivation",
        "## Composition",
        "## Collection",
        "## Preprocessing",
        "## Uses",
        "## Distribution",
        "## Maintenance",
    ]


def test_a_datasheet_quotes_what_people_agreed_to_who_sent_crops():
    page = PAGES["sheet with crops that people sent"]
    assert "3 people sent 12 crops of 9 photos" in page
    assert "5 of the crops are by people who were first shown the whole photo" in page
    assert "> You may keep it and learn from it.\n\n(4 crops)" in page
    assert "Crops that people sent" not in PAGES["sheet"]


def test_a_model_card_opens_with_the_verdict():
    head = "# Model card: CropperHead, small\n\n**The model has learned to crop.** On 6 photos.\n"
    assert PAGES["card"].startswith(head)


def test_a_model_card_describes_the_model_and_its_data():
    page = PAGES["card"]
    for fact in ("123,456", "256 x 256 px", "1.23 MB", "a" * 64, "b" * 64, "| train.seed | 7 |"):
        assert fact in page
    assert "6 photos in 6 groups of similar photos, with 6 crops" in page
    assert "30 photos with 30 crops for training, and 4 photos with 4 crops" in page
    assert "extract.tags" not in page


def test_a_model_card_has_every_finding():
    page = PAGES["card"]
    assert (
        "| Orientation: portrait | 4 | 0.741 (0.720 to 0.760) | +0.031 (+0.012 to +0.050) |" in page
    )
    assert "The scores below are broken down by orientation." in page
    assert "| Cropper | Thirds ↓ |" in page
    assert "| CNN | – |" in page  # what is not a number is a dash
    assert "| CNN | 0.60 (0.50 to 0.70) |" in page
    assert "On 3 photos that several people cropped." in page
    assert "- `x_1_.jpg`: It cuts the horizon." in page
    assert "Can a classifier recognise" not in PAGES["bare card"]


def test_a_model_card_says_what_people_like():
    votes = findings.summarise(simulate(12, {"human": 1.0, "cnn": 0.4, "random": -1.2}), 0.95)
    page = card(votes=VotesSection(votes, is_current=False))
    assert page.count("432 votes by 12 people: ") == 1
    assert "They saw the crops of an earlier model.\n\n- People saw no difference in " in page
    assert "Whose crop do people like?" not in card(votes=VotesSection(None))


def test_only_a_model_that_learned_is_meant_for_use():
    assert "## Intended use\n\nTo suggest crops" in PAGES["card"]
    for name in ("card without learning", "card of the predecessor"):
        assert "## Intended use\n\nFor comparison only." in PAGES[name]


def test_what_a_card_says_of_a_constant_crop_follows_from_the_outcome():
    closer, simpler = "the constant crop is closer to the photographer's", "which are simpler"
    assert closer in PAGES["card of the predecessor"]  # worse
    assert simpler not in PAGES["card of the predecessor"]
    assert simpler in PAGES["card without learning"]  # no evidence that either is closer
    assert closer not in PAGES["card without learning"]


def test_a_card_says_whether_validation_photos_were_trained_on_in_the_end():
    retrained = "The network that was kept was then trained again on both together"
    assert retrained not in PAGES["card"]
    assert retrained in card(facts=[("train.refits", "1")])
    assert retrained not in card(facts=[("train.refits", "0")])


def test_a_datasheet_does_not_claim_to_know_what_the_people_were_asked():
    assert "Nobody was asked" not in PAGES["sheet"]
    assert "Whether anybody was asked to crop for this purpose is not known" in PAGES["sheet"]


def test_a_model_card_names_the_source_of_its_features():
    assert "ImageNet" in PAGES["card without learning"]
    assert "The layers that follow them were trained on" in PAGES["card of frozen features"]
    assert "(Yang et al. 2020)" in PAGES["card of frozen features"]
    assert "ImageNet" not in PAGES["card"]


def test_a_datasheet_lists_what_was_rejected_and_why():
    page = PAGES["sheet"]
    assert "Of 52 files read, 40 had a usable crop, 9 had none, and 3 were rejected." in page
    assert r"| already\_applied | 2 | 66.7 % |" in page
    assert page.index(r"already\_applied") < page.index(
        "| outside | 1 |"
    )  # the most frequent first
    assert r"| crop\_left \< crop\_right | 1 | 100.0 % |" in page
    assert "width above 0" not in page  # held, and so no failure
    assert "None of 40 crops broke an expectation." in PAGES["sheet without losses"]


def test_a_datasheet_describes_the_splits_and_their_sizes():
    page = PAGES["sheet"]
    assert "train (70 %), validation (15 %), test (15 %)." in page
    assert "at most 6 of 64 bits, or if one camera took them within 2 seconds" in page
    assert "| test | 6 | 6 | 6 |" in page


def test_what_only_people_could_answer_is_marked_as_unknown():
    assert PAGES["sheet"].count("not known to the program.") >= 5


def test_the_shape_of_the_reports_is_that_of_the_pipeline():
    extracted, validated = (
        json.loads((ROOT / "reports" / f"{name}.json").read_text())
        for name in ("extract", "validate")
    )
    assert f"Of {extracted['seen']} files read" in sheet(extracted, validated)


def test_a_datasheet_summarises_corrected_suggestions():
    page = PAGES["sheet with suggestions"]
    assert "9 had none, 7 had only a model's suggestion, and 3 were rejected." in page
    assert (
        "| 3 | 0.800 (0.700 to 0.900) | 0.040 (0.030 to 0.050) | 0.03° (0.01° to 0.05°) |" in page
    )
    assert "suggest" not in PAGES["sheet"].partition("## Collection")[2].partition("## Pre")[0]


def test_a_datasheet_counts_the_crops_that_nobody_made():
    assert (
        "9 had none, 5 had only a crop that the camera or a preset made, and 3 were rejected."
        in PAGES["sheet with automatic crops"]
    )


def test_the_same_input_gives_the_same_text():
    assert card(**FULL) == PAGES["card"]
    assert sheet() == PAGES["sheet"]
