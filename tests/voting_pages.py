"""How people vote on the page of a study."""

from web_pages import TIMEOUT_MS


def vote(page, count, how):
    """Votes that many times, whatever is asked."""
    for _ in range(count):
        if page.locator("#between").is_visible():
            page.click("#continue")
        page.wait_for_selector("#vote:not([hidden])")
        place = page.locator("#count").text_content()
        page.wait_for_timeout(30)
        how(page)
        # not wait_for_function, which evaluates text: the page's policy forbids that
        for _ in range(TIMEOUT_MS // 20):
            if not page.locator("#vote").is_visible():
                break
            if page.locator("#count").text_content() != place:
                break
            page.wait_for_timeout(20)


def by_key(page):
    page.keyboard.press("1")
    if page.locator(".crop.best").count():
        page.keyboard.press("2")  # the second best of three


def by_touch(page):
    page.locator(".crop").nth(1).click()
    if page.locator(".crop.best").count():
        page.locator(".crop").nth(0).click()
