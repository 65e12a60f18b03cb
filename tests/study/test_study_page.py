"""The page of a study in a real browser, from a web server and from a folder on disk."""

import functools
import http.server
import json
import threading

import pytest
from playwright.sync_api import expect
from voting_pages import DRAWN, by_click, by_key, vote
from web_pages import axe_violations

from cropperhead.study import export, folder, returned

PHONE = {"width": 390, "height": 780}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def exported(study_made, tmp_path_factory):
    target = tmp_path_factory.mktemp("exported") / "page"
    export.export(study_made[0], target)
    return target


@pytest.fixture(scope="module")
def site(exported):
    handler = functools.partial(_Quiet, directory=str(exported))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _saved(page, tmp_path):
    page.wait_for_selector("#thanks:not([hidden])")
    with page.expect_download() as download:
        page.click("#save")
    file = tmp_path / "votes.json"
    download.value.save_as(file)
    return file


def test_a_session_by_keyboard_from_a_folder_on_disk(page, exported, study_made, tmp_path):
    page.goto(f"{(exported / 'index.html').as_uri()}?session=2")
    page.click("#begin")
    total = len(study_made[1].design[1])
    vote(page, total, by_key)
    given = returned.parse(_saved(page, tmp_path).read_bytes(), study_made[1])
    assert given.session == 1
    expected = ["123" if ballot.middle else "left" for ballot in study_made[1].design[1]]
    assert [given.votes[i][0] for i in range(total)] == expected


def test_a_session_goes_on_after_a_reload_and_without_the_server(page, site, study_made, tmp_path):
    page.set_viewport_size(PHONE)
    page.goto(f"{site}/index.html?session=1")
    page.click("#begin")
    vote(page, 5, by_click)
    page.reload()
    expect(page.locator("#extent")).to_contain_text("5 times")
    page.click("#begin")
    page.wait_for_selector("html[data-loaded]")  # all crops are there
    page.context.set_offline(True)
    total = len(study_made[1].design[0])
    vote(page, total - 5, by_click)
    given = returned.parse(_saved(page, tmp_path).read_bytes(), study_made[1])
    assert len(given.votes) == total
    assert {answer for answer, _ in given.votes.values()} == {"right", "213"}


def test_who_cannot_tell_apart_says_so_only_where_that_is_an_answer(page, site, study_made):
    page.goto(f"{site}/index.html?session=3")
    page.click("#begin")
    modes = [ballot.mode for ballot in study_made[1].design[2]]
    like = modes.index("tell")
    vote(page, like, lambda each: each.keyboard.press("0"))
    page.click("#continue")
    page.wait_for_selector("#vote:not([hidden])")
    page.evaluate(DRAWN)
    page.keyboard.press("0")
    assert page.locator("#count").text_content() == f"{like + 1} of {len(modes)}"
    assert not page.locator("#neither").is_visible()


@pytest.mark.parametrize("size", [{"width": 1280, "height": 900}, PHONE])
def test_crops_are_shown_at_the_same_height(page, site, study_made, size):
    page.set_viewport_size(size)
    page.goto(f"{site}/index.html?session=4")
    page.click("#begin")
    design = study_made[1].design[3]
    three = next(i for i, ballot in enumerate(design) if ballot.middle)
    for count in (0, three):
        vote(page, count, by_key)
        page.wait_for_selector("#vote:not([hidden]) .crop img")
        shown = page.locator(".crop:visible img")
        heights = [shown.nth(i).bounding_box()["height"] for i in range(shown.count())]
        assert len(heights) == len(design[count].shown)
        assert max(heights) == pytest.approx(min(heights), abs=1.5)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_a_paused_vote_takes_no_time_and_nothing_is_voted(page, site):
    page.goto(f"{site}/index.html?session=4")
    page.click("#begin")
    page.wait_for_selector("#vote:not([hidden])")
    page.click("#pause")
    page.keyboard.press("1")
    stored = page.evaluate("Object.values(localStorage)[0]")
    assert json.loads(stored)["votes"] == []
    page.click("#resume")
    page.wait_for_selector("#vote:not([hidden])")


LOAD = """(names) => Promise.all(names.map((name) => {
  const image = Object.assign(new Image(), { src: `crops/${name}.jpg` });
  return image.decode();
}))"""


def test_a_pause_stays_when_pictures_come_that_could_not_be_loaded(page, site):
    page.clock.install()
    page.goto(f"{site}/index.html?session=4")
    first, second = page.evaluate("window.session.ballots.slice(0, 2).map((each) => each.crops)")
    page.route(
        "**/crops/*",
        lambda route: (
            route.continue_() if any(n in route.request.url for n in first) else route.abort()
        ),
    )
    page.click("#begin")
    page.wait_for_selector("#vote:not([hidden])")
    page.evaluate(DRAWN)
    by_key(page)
    expect(page.locator("#problem")).to_contain_text("could not be loaded")
    page.click("#pause")
    page.unroute("**/crops/*")
    page.clock.fast_forward(10_000)
    page.evaluate(LOAD, second)  # what the page had asked for would be there, too
    page.evaluate(DRAWN)
    assert page.locator("#paused").is_visible()
    assert page.locator("#problem").text_content() == ""
    page.click("#resume")
    page.wait_for_selector("#vote:not([hidden])")
    assert page.locator("#count").text_content().startswith("2 of ")


def test_two_tabs_share_their_votes(page, site):
    other = page.context.new_page()
    for each in (page, other):
        each.goto(f"{site}/index.html?session=1")
    page.bring_to_front()  # a page in the background draws nothing
    page.click("#begin")
    vote(page, 3, by_key)
    expect(other.locator("#extent")).to_contain_text("3 times")
    other.bring_to_front()
    other.click("#begin")
    vote(other, 2, by_click)
    expect(page.locator("#extent")).to_contain_text("5 times")
    (kept,) = page.evaluate("Object.values(localStorage)")
    assert len(json.loads(kept)["votes"]) == 5


def test_the_page_is_accessible(page, site):
    page.goto(f"{site}/index.html?session=4")
    page.wait_for_selector("#start:not([hidden])")
    assert axe_violations(page) == []


def test_nothing_else_is_requested_than_the_page_itself(page, site, study_made):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/index.html?session=1")
    page.click("#begin")
    page.wait_for_selector("html[data-loaded]")
    named = {name for name, _ in folder.session_crops(study_made[0], study_made[1], 0)}
    assert all(url.startswith(site) or url == "data:," for url in asked)
    crops = {url.rsplit("/", 1)[1].removesuffix(".jpg") for url in asked if "/crops/" in url}
    assert crops == named
