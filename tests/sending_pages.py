"""How people send crops on the page, withdraw them there, and accept them as moderators."""

import os
from contextlib import contextmanager
from functools import partial
from unittest import mock

from PIL import Image
from web_pages import serving

from cropperhead.collection.settings import PASSWORD_VARIABLE, load_settings
from cropperhead.web import app, service

PASSWORD = "a password of the tests"


@contextmanager
def collecting(place, model):
    """The address of the page with a collection as `serve --collect` runs it, where people see the
    suggestion first, and a function that accepts all crops on the moderators' page.
    """
    settings = load_settings({"place": str(place), "blind_share": "0"}, environment={})
    with mock.patch.dict(os.environ, {PASSWORD_VARIABLE: PASSWORD}):
        routers = service.collection_routers(settings, is_local=True)
    with serving(app.create_app(app.PageSettings(model=model, routers=routers))) as address:
        yield address, partial(accept_all, address=address)


def tilted_photo(file):
    """A grey photo of 900 x 600 px with a red rectangle in its middle, 400 x 220 px, turned by 10
    degrees clockwise (Pillow counts the other way).
    """
    mask = Image.new("L", (900, 600))
    mask.paste(255, (250, 190, 650, 410))
    grey = Image.new("RGB", (900, 600), (90, 90, 90))
    grey.paste((255, 0, 0), mask=mask.rotate(-10, Image.Resampling.BICUBIC))
    grey.save(file, quality=95)
    return file


def choose(page, address, photo):
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    page.set_input_files("#file", photo)
    page.wait_for_selector("#work:not([hidden])")


def type_limits(page, limits):
    for name, value in limits.items():
        field = page.locator(f"#{name}")
        field.fill(str(value))
        field.dispatch_event("change")


def send(page):
    before = page.locator(".sent li").count()
    page.click("text=Send my crop…")
    page.check("#agree")
    page.click("dialog >> text=Send >> nth=-1")
    page.wait_for_selector(f".sent li:nth-child({before + 1})")
    page.wait_for_selector("text=Your crop was sent")


def withdraw_last(page, address):
    """Withdraws the crop that was sent last, after coming back to the page."""
    page.goto(address)
    page.wait_for_selector(".sent li")
    left = page.locator(".sent li").count() - 1
    page.locator(".sent >> text=Withdraw").last.click()
    page.wait_for_selector("text=Your crop was withdrawn")
    assert page.locator(".sent li").count() == left


def accept_all(page, address):
    """Logs in as a moderator, and accepts every crop that waits."""
    page.goto(f"{address}/moderate")
    page.fill("#password", PASSWORD)
    page.click("text=Log in >> nth=-1")
    page.click("text=Accept the chosen ones")
    page.wait_for_selector("text=There are none.")
