import dataclasses
import math
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from sample_comparison import (
    CNN,
    FINDINGS,
    REFERENCE,
    comparison,
    jpeg,
    picture,
)

from cropperhead.evaluation.corrections import Corrections
from cropperhead.evaluation.findings import Failure, LearningCheck
from cropperhead.evaluation.verdict import Verdict
from cropperhead.report.page import render_page, render_summary
from cropperhead.stats import Interval

VOID = {"meta", "input", "img", "br", "wbr"}
TITLES = {
    "learning_checks": "Has it learned?",
    "failures": "Where the network fails",
    "slices": "Scores by kind of photo",
    "measures": "Composition",
    "judge_scores": "Can a classifier recognise human crops?",
    "agreements": "Photos that several people cropped",
    "corrections": "Corrected suggestions",
}


class Page(HTMLParser):
    """A parsed page: start tags with attributes, and text; fails if tags are not balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another tag, at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def html() -> str:
    return render_page(comparison())


@pytest.fixture(scope="module")
def full() -> Page:
    return Page(render_page(comparison(**FINDINGS)))


def titles(html: str) -> list[str]:
    return re.findall("<h2[^>]*>(.*?)</h2>", html)


def test_the_page_opens_with_the_verdict(html):
    text = Page(html).text
    assert (
        text.index("The model learned to crop")
        < text.index("It gains 0.031.")
        < text.index("Which cropper")
    )


@pytest.mark.parametrize(
    "changes", [{}, FINDINGS, {"pictures": []}, {"limits": {}}, {"facts": [], "rows": []}]
)
def test_tags_are_balanced_whatever_is_missing(changes):
    assert Page(render_page(comparison(**changes))).open == []


def test_the_page_requests_nothing_from_the_network(html):
    without_photos = re.sub(r"data:image/webp;base64,[\w+/=]+", "", html)
    assert re.findall(r"https?:|//\w|@import|url\(", without_photos) == []
    for tag, attributes in Page(html).tags:
        assert (attributes.get("src") or "data:image/webp").startswith("data:image/webp"), tag
        assert (attributes.get("href") or "#").startswith("#"), tag


def test_links_within_the_page_lead_somewhere(html):
    page = Page(html)
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    targets = [str(attributes["href"])[1:] for attributes in page.all("a")]
    labels = [
        name
        for _, attributes in page.tags
        for name in str(attributes.get("aria-labelledby") or "").split()
    ]
    assert targets
    assert {*targets, *labels} <= ids


def test_ids_are_unique(html):
    ids = [attributes["id"] for _, attributes in Page(html).tags if "id" in attributes]
    assert sorted(ids) == sorted(set(ids))


def test_scores_are_shown_with_their_intervals(html):
    for text in ("0.741", "0.722 to 0.760", "+0.031", "+0.012 to +0.050", "0.063", "1.23°"):
        assert text in Page(html).text


def test_every_photo_has_an_alternative_text_with_its_name_and_score(html):
    texts = [attributes["alt"] for attributes in Page(html).all("img")]
    assert len(texts) == 3  # two photos, one of them again next to the verdict
    assert all("/roll/" in str(text) and "by 0.81" in str(text) for text in texts)


def test_every_chart_is_described_for_screen_readers(html):
    charts = [svg for svg in Page(html).all("svg") if svg.get("role") == "img"]
    # two rows of the forest, five limits, one curve
    assert len(charts) == 8
    assert all(svg.get("aria-label") or svg.get("aria-labelledby") for svg in charts)


def test_outlines_are_drawn_for_each_cropper_and_can_be_hidden(html):
    page = Page(html)
    boxes = [box["id"] for box in page.all("input") if box["type"] == "checkbox"]
    assert boxes == ["show-human", "show-cnn", "show-random", "show-median"]
    classes = [polygon["class"] for polygon in page.all("polygon")]
    # two photos with four crops and one with three, the one next to the verdict
    assert classes.count("line cnn") == 3
    assert classes.count("line median") == 2


def test_photos_can_be_sorted_without_script(html):
    assert "#sort-worst:checked) .photos > li { order: var(--worst); }" in html
    assert "--name:0;--best:0;--worst:0;--disagreement:0;" in html


def test_a_photo_name_cannot_break_the_page():
    name = "<b>&\"'.jpg"
    html = render_page(comparison(pictures=[picture(name)]))
    page = Page(html)
    assert "<b>&" not in html
    assert name in page.text
    assert name in str(page.all("img")[-1]["alt"])


def test_texts_are_escaped():
    text = "<script>alert(1)</script>"
    html = render_page(
        comparison(
            verdict=Verdict("learned", text, text),
            facts=[(text, text)],
            sampler=text,
            evidence=[text],
        )
    )
    assert text not in html
    # the headline as title and heading, the sentence, a line of evidence, a fact's name and value;
    # only croppers in the table are described, and random is not one of them
    assert Page(html).text.count(text) == 6


@pytest.mark.parametrize("missing", [None, Interval(math.nan, math.nan, math.nan)])
def test_a_score_that_does_not_apply_is_a_dash(missing):
    row = dataclasses.replace(CNN, overlap=missing, gain=missing, angle_error=missing)
    page = Page(render_page(comparison(rows=[row])))
    assert page.text.count("–") == 4  # the three, and the aspect error that the row lacks
    assert "nan" not in page.text


def test_a_mean_without_interval_is_shown_by_itself():
    row = dataclasses.replace(CNN, overlap=Interval(0.5, math.nan, math.nan))
    html = render_page(comparison(rows=[row], history=pd.DataFrame()))
    assert "0.500" in Page(html).text
    assert "nan" not in re.sub(r"data:image/webp;base64,[\w+/=]+", "", html)


def test_one_human_crop_for_each_photo_is_called_the_reference(html):
    assert "The reference: all others are scored against it" in Page(html).text


def test_a_human_scored_against_others_has_numbers():
    human = dataclasses.replace(CNN, cropper="human", label="Human", note="Eight people each.")
    text = Page(render_page(comparison(rows=[human, CNN]))).text
    assert "The reference: all others" not in text
    assert "Eight people each." in text


def test_the_title_of_the_page_is_the_headline():
    verdict = dataclasses.replace(comparison().verdict, headline="No evidence of anything")
    html = render_page(comparison(verdict=verdict))
    assert "<title>No evidence of anything · " in html


def test_the_headline_is_a_heading_and_its_sentence_a_paragraph():
    html = render_page(comparison(verdict=Verdict("learned", "It learned", "By 0.03: really.")))
    assert "<h1>It learned</h1>" in html
    assert '<p class="rest">By 0.03: really.</p>' in html


def test_the_method_is_described(html):
    text = Page(html).text
    assert "The median of each limit over the training photos" in text
    assert "1,234" in text
    assert "odd ones" in text
    assert "The weights of epoch 2" in text  # the smaller validation loss, 1.5


@pytest.mark.parametrize("name", ["train.refits", "train.fine_tuning.refits"])
def test_a_network_that_was_trained_again_is_not_said_to_have_the_weights_of_an_epoch(name):
    for refits, kept in (("2", "was then trained again"), ("0", "The weights of epoch 2")):
        text = Page(render_page(comparison(facts=[(name, refits)]))).text
        assert kept in text
    assert "The weights of epoch 2" not in Page(render_page(comparison(facts=[(name, "1")]))).text


def test_only_croppers_of_the_table_are_described(html):
    sampler = comparison().sampler
    random = dataclasses.replace(CNN, cropper="random", label="Random within bounds")
    assert sampler not in Page(html).text
    assert sampler in Page(render_page(comparison(rows=[random]))).text


def test_a_missing_history_is_mentioned():
    html = render_page(comparison(history=pd.DataFrame()))
    assert "There is no record of the training." in Page(html).text


def test_the_confidence_of_the_intervals_is_named():
    text = Page(render_page(comparison(confidence=0.9))).text
    assert "90 % interval" in text
    assert "95 %" not in text


def test_the_same_comparison_gives_the_same_page_in_any_order():
    first = comparison()
    other = comparison(
        pictures=first.pictures[::-1],
        counts=dict(reversed(first.counts.items())),
        limits=dict(reversed(first.limits.items())),
    )
    assert render_page(other) == render_page(first)


def test_the_page_counts_the_crops_that_nobody_made():
    assert "nobody made" not in render_page(comparison())
    text = Page(render_page(comparison(automatic=1))).text
    assert "1 photo of the library has only a crop that nobody made" in text
    assert "2 photos of the library have only" in Page(render_page(comparison(automatic=2))).text


def test_two_hundred_photos_stay_below_five_megabytes_even_if_they_are_noise():
    noise = jpeg(noise=1)
    pictures = [picture(f"{number:03}.jpg", noise) for number in range(200)]
    assert len(render_page(comparison(pictures=pictures)).encode()) < 5_000_000


@pytest.mark.parametrize(("finding", "title"), TITLES.items())
def test_a_section_without_content_is_left_out(html, finding, title):
    assert title in titles(render_page(comparison(**FINDINGS)))
    assert title not in titles(html)
    assert title not in titles(render_page(comparison(**{**FINDINGS, finding: []})))


def test_links_and_labels_lead_somewhere_with_all_sections(full):
    ids = [attributes["id"] for _, attributes in full.tags if "id" in attributes]
    targets = {str(attributes["href"])[1:] for attributes in full.all("a")}
    assert {"slices", "composition", "judge", "people", "failures"} <= targets <= set(ids)
    assert len(ids) == len(set(ids))


def test_the_checks_follow_the_verdict_with_words_next_to_their_marks(full):
    text = " ".join(full.text.split())
    assert "Does it beat a constant crop? Yes. By 0.062." in text
    assert "Does it beat memory? No. By 0.002" in text
    assert "Does it crop as people do? Unknown. One person" in text
    assert (
        text.index("learned to crop") < text.index("Has it learned?") < text.index("Which cropper")
    )


def test_p_values_and_intervals_of_a_check_are_small_print():
    check = LearningCheck("Does it?", "By 0.1.", True, "p = 0.031.")
    html = render_page(comparison(learning_checks=[check]))
    assert '<p class="soft">p = 0.031.</p>' in html
    summary = render_summary(comparison(learning_checks=[check]))
    assert "- Does it? **Yes.** By 0.1. <small>p = 0.031.</small>" in summary.splitlines()


def test_each_part_of_the_photos_has_its_gain_drawn(full):
    texts = [str(svg.get("aria-label")) for svg in full.all("svg") if svg.get("role") == "img"]
    assert "Orientation, landscape: gain 0.050, 95 % interval 0.030 to 0.070" in texts
    assert "1,200" in full.text
    assert "−0.050" in full.text


def test_a_failure_is_shown_with_its_explanation(full):
    assert "Keeps the sky that the photographer cut off." in full.text
    # two photos, the one next to the verdict, and b.jpg again
    assert len(full.all("img")) == 4
    assert "2012/roll/b.jpg" in str(full.all("img")[-1]["alt"])


def test_a_failure_that_is_not_in_the_gallery_is_shown_all_the_same():
    failure = Failure("2012/roll/z.jpg", "Cuts off a head.")
    page = Page(
        render_page(comparison(failures=[failure], failure_pictures=[picture("2012/roll/z.jpg")]))
    )
    # two photos of the gallery, the one next to the verdict, and z.jpg
    assert len(page.all("img")) == 4
    assert sum("z.jpg" in str(image["alt"]) for image in page.all("img")) == 1
    assert "The crops on 2 test photos" in page.text


def test_failures_follow_the_verdict_and_say_how_they_were_chosen(full):
    text = " ".join(full.text.split())
    assert text.index("Has it learned?") < text.index("Where the network fails")
    assert text.index("Where the network fails") < text.index("Which cropper")
    assert "cuts off most heads, or cuts away most of what stands out, in the human one" in text


def test_a_measure_names_its_unit_its_better_side_and_its_meaning(full):
    text = " ".join(full.text.split())
    assert "Horizon °\u00a0↓" in full.text
    assert "The tilt that remains." in text


def test_the_judge_and_the_people_are_described_in_words(full):
    text = " ".join(full.text.split())
    assert "CNN The blind judge can distinguish these crops from a person’s." in text
    assert "These are 42 test photos." in text


def test_corrected_suggestions_are_counted_and_measured(full):
    text = " ".join(full.text.split())
    # 86 of 1,300
    assert "1,214 photos still have the crop that a model suggested" in text
    assert "and a person has corrected 86: 7 % of both together" in text
    for number in ("0.600", "0.550 to 0.650", "0.041", "0.62°", "0.00° to 1.00°"):
        assert number in text


def test_without_corrections_there_is_nothing_to_average():
    nothing = Interval(math.nan, math.nan, math.nan)
    corrections = Corrections(1, 0, nothing, nothing, nothing)
    text = " ".join(Page(render_page(comparison(corrections=corrections))).text.split())
    assert "1 photo still has the crop that a model suggested" in text
    assert "and a person has corrected 0: 0 % of both together" in text
    assert "How far corrections are" not in text


def test_a_cropper_has_its_p_value_aspect_error_and_invalid_crops():
    row = dataclasses.replace(
        CNN, p_value=0.0004, invalid=0.0425, aspect_error=Interval(0.083, 0.071, 0.0952)
    )
    text = Page(render_page(comparison(rows=[row]))).text
    for part in ("p < 0.001", "4.25 %", "8.3 %", "7.1 % to 9.5 %", "Holm’s correction"):
        assert part in text


def test_without_p_values_none_are_explained(html):
    assert "Holm" not in Page(html).text


def test_the_network_s_habit_is_described_next_to_the_limits(html):
    assert "Does the network share the photographer’s habits?" in Page(html).text
    assert "CNN less human" in Page(html).text


def test_only_the_first_of_many_photos_are_shown_until_all_are_requested():
    pictures = [picture(f"{number:02}.jpg") for number in range(25)]
    page = Page(render_page(comparison(pictures=pictures)))
    assert "Show all 25 photos" in page.text
    assert len(page.all("button")) == 1
    assert not Page(render_page(comparison(pictures=pictures[:24]))).all("button")


def test_a_summary_has_the_verdict_the_checks_and_the_table():
    row = dataclasses.replace(CNN, p_value=0.0312, aspect_error=Interval(0.083, 0.07, 0.09))
    lines = render_summary(comparison(rows=[REFERENCE, row], **FINDINGS)).splitlines()
    assert lines[0] == "**The model learned to crop.** It gains 0.031."
    assert "- Does it beat memory? **No.** By 0.002, which chance can explain." in lines
    assert "| Human | reference | – | – | – | – | – |" in lines
    assert (
        "| CNN | 0.741 (0.722 to 0.760) | +0.031 (+0.012 to +0.050), p = 0.031 "
        "| 0.063 | 1.23° | 8.3 % | 0 % |" in lines
    )


def test_a_label_cannot_break_the_table_of_a_summary():
    row = dataclasses.replace(CNN, label="a|b <i>")
    assert "| a\\|b \\<i\\> |" in render_summary(comparison(rows=[row]))


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_the_page_is_not_wider_than_its_window(browser, tmp_path, width):
    file = tmp_path / "comparison.html"
    scored = dataclasses.replace(CNN, p_value=0.0321, aspect_error=CNN.displacement)
    rows = [REFERENCE, scored, dataclasses.replace(scored, cropper="shape", label="By frame shape")]
    file.write_text(render_page(comparison(**FINDINGS, rows=rows)), encoding="utf-8")
    opened = browser.new_page(viewport={"width": width, "height": 900})
    opened.goto(file.as_uri())
    needed = opened.evaluate("document.documentElement.scrollWidth")
    opened.close()
    assert needed == width
