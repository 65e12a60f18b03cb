"""How people vote on the page of a study."""

from web_pages import TIMEOUT_MS

_PAUSE_MS = 20
# What is shown: the screen, the number of the ballot, and whether it waits for the second best crop
_STATE = """() => ({
  screen: document.querySelector("section:not([hidden])")?.id ?? "",
  count: document.getElementById("count").textContent,
  hasBest: document.querySelector(".crop.best") !== null,
})"""
# Takes no vote before: the page asks for this frame, too, and earlier
DRAWN = "() => new Promise(requestAnimationFrame)"


def vote(page, count, how):
    """Votes that many times, whatever is asked."""
    for _ in range(count):
        if page.evaluate(_STATE)["screen"] == "between":
            page.click("#continue")
        place = _wait(page, lambda now: now["screen"] == "vote")["count"]
        page.evaluate(DRAWN)
        how(page)
        _wait(page, lambda now, place=place: now["screen"] != "vote" or now["count"] != place)


def by_key(page):
    page.keyboard.press("1")
    if page.evaluate(_STATE)["hasBest"]:
        page.keyboard.press("2")  # the second best of three


def by_click(page):
    page.locator(".crop").nth(1).click()
    if page.evaluate(_STATE)["hasBest"]:
        page.locator(".crop").nth(0).click()


def by_touch(page):
    page.locator(".crop").nth(1).tap()
    if page.evaluate(_STATE)["hasBest"]:
        page.locator(".crop").nth(0).tap()


def _wait(page, is_there):
    # not wait_for_function, which evaluates text: the page's policy forbids that
    for _ in range(TIMEOUT_MS // _PAUSE_MS):
        shown = page.evaluate(_STATE)
        if is_there(shown):
            return shown
        page.wait_for_timeout(_PAUSE_MS)
    raise AssertionError(f"the page stays at {shown}")
