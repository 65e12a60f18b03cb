"""Somebody decides on a folder's suggested crops, in a real browser."""

import json

import pytest
from conftest import save_photo, scene, settings, xmp
from web_pages import HeldRequests, axe_violations, open_page, serving

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
    open_page(page, address)
    page.wait_for_selector(".cell[data-state=kept]")
    page.wait_for_selector(".cell[data-state=waiting]", state="detached")
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
    assert "4 photos, 2 accepted, 0 rejected, 0 written" in page.inner_text("#counts")
    assert page.inner_text("#write") == "Write 2 accepted crops"
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


def test_a_photo_that_is_not_there_yet_cannot_be_decided(review_page):
    page = review_page
    picture = HeldRequests(page, "**/photos/1/picture")
    page.click("li:nth-child(1) .cell")
    opened(page, 0)
    page.keyboard.press("+")
    page.keyboard.press("Enter")
    page.wait_for_selector("#name:text('b.jpg')")
    assert page.is_hidden(".editor")  # which holds the photo before
    page.keyboard.press("Enter")
    page.keyboard.press("r")
    picture.release()
    opened(page, 1)
    assert page.is_visible(".editor")
    assert "1 accepted, 0 rejected" in page.inner_text("#counts")


def test_a_photo_whose_picture_cannot_be_loaded_can_be_rejected_but_not_accepted(review_page):
    page = review_page
    page.route("**/photos/0/picture", lambda route: route.abort())
    page.click("li:nth-child(1) .cell")
    page.wait_for_selector("#state:text('It cannot be shown.')")
    assert page.is_disabled("#accept")
    page.keyboard.press("Enter")
    assert page.inner_text("#name") == "a.jpg"
    page.keyboard.press("r")
    opened(page, 1)
    assert "0 accepted, 1 rejected" in page.inner_text("#counts")


@pytest.fixture
def waiting_page(page, address):
    """A photo that waits for its suggestion, which comes after `page.suggest()`."""
    waiting = {"state": "waiting", "crops": [], "width": 0, "height": 0}

    def hold(route):
        answer = route.fetch().json()
        for photo in answer["photos"]:
            photo.update(waiting if held and photo["index"] == 0 else {})
        # so that the next answer has all photos, until it comes; then only those that change
        route.fulfill(json=answer | ({"version": 0} if held else {}))

    held = [True]
    page.suggest = held.clear
    page.route("**/photos?since=*", hold)
    page.goto(address)
    page.wait_for_selector("li:nth-child(3) .cell[data-state=suggested]")
    page.click("li:nth-child(1) .cell")
    opened(page, 0)
    assert page.is_disabled("#accept")
    return page


def test_a_suggestion_shows_itself_on_the_photo_that_waits_for_it(waiting_page):
    page = waiting_page
    page.suggest()
    page.wait_for_selector("#suggestions .card[aria-pressed=true]")
    page.click("#accept")
    opened(page, 1)
    assert "1 accepted" in page.inner_text("#counts")
    assert page.inner_text("#problem") == ""


def test_what_was_begun_on_a_photo_that_waits_is_kept_when_its_suggestion_comes(waiting_page):
    page = waiting_page
    page.fill("#left", "0.25")  # and no Enter
    page.suggest()
    page.wait_for_selector("#suggestions .card")
    assert page.input_value("#left") == "0.25"
    page.press("#left", "Enter")
    page.click("#accept")
    opened(page, 1)
    assert "1 accepted" in page.inner_text("#counts")
    page.keyboard.press("b")
    opened(page, 0)
    assert json.loads(page.get_attribute(".editor", "data-crop"))["left"] == 0.25


def test_a_crop_that_was_made_on_a_photo_that_waits_is_kept_when_its_suggestion_comes(waiting_page):
    page = waiting_page
    page.keyboard.press("-")
    made = page.get_attribute(".editor", "data-crop")
    page.suggest()
    page.wait_for_selector("#suggestions .card[aria-pressed=false]")
    assert page.get_attribute(".editor", "data-crop") == made
    assert page.is_enabled("#accept")


def test_what_the_page_asked_before_a_decision_does_not_undo_it(review_page):
    page = review_page
    page.click("li:nth-child(1) .cell")
    opened(page, 0)
    page.keyboard.press("r")
    opened(page, 1)
    polls = HeldRequests(page, "**/photos?since=*")
    poll = polls.take()
    old = poll.fetch(url=poll.request.url.split("?")[0])  # of all photos
    page.keyboard.press("b")
    opened(page, 0)
    page.keyboard.press("Enter")
    opened(page, 1)
    poll.fulfill(response=old)
    polls.take()  # by which the page has read what it asked before
    assert page.get_attribute("li:nth-child(1) .cell", "data-state") == "accepted"
    assert "1 accepted, 0 rejected" in page.inner_text("#counts")


def test_on_a_phone_the_decision_is_in_reach_and_covers_no_footer(review_page):
    page = review_page
    page.set_viewport_size({"width": 320, "height": 568})
    page.click("li:nth-child(1) .cell")
    opened(page, 0)
    page.evaluate("() => scrollTo(0, 0)")
    top = page.locator(".decision").bounding_box()
    assert top["y"] + top["height"] == pytest.approx(568, abs=1)
    page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    footer, decision = (page.locator(one).bounding_box() for one in ("footer", ".decision"))
    assert decision["y"] >= 0
    assert decision["y"] + decision["height"] <= footer["y"]


def test_a_server_that_refuses_is_not_called_stopped(review_page):
    review_page.route("**/photos?since=*", lambda route: route.fulfill(status=503, body="busy"))
    review_page.wait_for_selector("#problem:not(:empty)")
    assert "again" not in review_page.inner_text("#problem").replace("Try again", "")


def test_a_server_that_was_stopped_is_named_until_it_answers(review_page):
    review_page.route("**/photos?since=*", lambda route: route.abort())
    review_page.wait_for_selector("#problem:text('run `cropperhead review` again')")
    review_page.unroute("**/photos?since=*")
    review_page.wait_for_selector("#problem:empty", state="attached")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(review_page, scheme):
    review_page.emulate_media(color_scheme=scheme)
    assert axe_violations(review_page) == []
    review_page.click(".cell >> nth=0")
    opened(review_page, 0)
    assert axe_violations(review_page) == []
