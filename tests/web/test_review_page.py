"""Somebody decides on a folder's suggested crops, in a real browser."""

import json

import pytest
from conftest import save_photo, scene, settings, xmp
from web_pages import axe_violations, serving

from cropperhead.library import journal
from cropperhead.web import app
from cropperhead.web.review import Review
from cropperhead.web.review_routes import new_token, review_path, review_router

NAMES = ["a.jpg", "b.jpg", "c.jpg", "own.jpg"]


@pytest.fixture
def folder(tmp_path):
    for seed, name in enumerate(NAMES):
        packet = xmp(settings(0.1, 0.2, 0.8, 0.9)) if name == "own.jpg" else None
        save_photo(tmp_path / "photos" / name, packet, scene(seed))
    return tmp_path / "photos"


@pytest.fixture
def address(folder, model):
    """The address of a review of three photos, and of one that a person has cropped."""
    review, token = Review(folder, "darktable", model, "model1"), new_token()
    review.start()
    settings_of_page = app.PageSettings(routers=[review_router(review, token)])
    with serving(app.create_app(settings_of_page)) as home:
        yield f"{home}{review_path(token)}"
    review.close()


@pytest.fixture
def review_page(page, address):
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector(".cell[data-state=kept]")
    page.wait_for_selector("li:nth-child(3) .cell[data-state=suggested]")
    return page


def opened(page, index):
    page.wait_for_selector(f"#single[data-index='{index}']:not([hidden])")


def test_a_review_is_done_by_keyboard_alone(review_page, folder):
    page = review_page
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.className") == "cell":
            break
    page.keyboard.press("Enter")
    opened(page, 0)
    page.keyboard.press("Enter")  # accepts
    opened(page, 1)
    page.keyboard.press("+")
    page.keyboard.press("-")
    page.keyboard.press("[")
    changed = json.loads(page.get_attribute(".editor", "data-crop"))
    page.keyboard.press("Enter")
    opened(page, 2)
    page.keyboard.press("r")
    opened(page, 3)
    assert "A person has cropped it" in page.inner_text("#state")
    assert page.is_disabled("#accept")
    page.keyboard.press("b")
    opened(page, 2)
    page.keyboard.press("u")
    page.wait_for_selector("#undecide:disabled")
    page.keyboard.press("g")
    assert "2 accepted, 0 rejected, 0 written" in page.inner_text("#counts")
    assert not list(folder.glob("*.xmp"))
    page.locator("#write").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("li:nth-child(2) .cell[data-state=written]")
    assert {file.name for file in folder.glob("*.xmp")} == {"a.jpg.xmp", "b.jpg.xmp"}
    # what was decided survives closing the page
    page.reload()
    page.wait_for_selector("li:nth-child(2) .cell[data-state=written]")
    page.click("li:nth-child(2) .cell")
    opened(page, 1)
    assert json.loads(page.get_attribute(".editor", "data-crop")) == changed
    page.keyboard.press("u")
    page.wait_for_selector("#undecide:disabled")
    assert {file.name for file in folder.glob("*.xmp")} == {"a.jpg.xmp"}
    assert journal.undo(folder).kept == {}
    assert not list(folder.glob("*.xmp"))


def test_the_grid_shows_what_the_filter_lets_through(review_page):
    names = """() =>
      [...document.querySelectorAll(".caption > :first-child")].map((one) => one.textContent)"""
    assert review_page.evaluate(names) == NAMES
    review_page.select_option("#filter", "kept")
    assert review_page.evaluate(names) == ["own.jpg"]
    review_page.select_option("#filter", "undecided")
    assert review_page.evaluate(names) == ["a.jpg", "b.jpg", "c.jpg"]
    review_page.fill("#least", "1")
    review_page.press("#least", "Enter")
    assert review_page.evaluate(names) == []
    assert review_page.is_visible("#empty")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(review_page, scheme):
    review_page.emulate_media(color_scheme=scheme)
    assert axe_violations(review_page) == []
    review_page.click(".cell >> nth=0")
    opened(review_page, 0)
    assert axe_violations(review_page) == []
