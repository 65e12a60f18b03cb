"""Sending a crop through a real browser, and withdrawing it."""

import io
from contextlib import contextmanager

import numpy as np
import pytest
from conftest import picture, save_photo
from PIL import Image
from sending_pages import choose, send, type_limits
from web_pages import axe_violations, serving

from cropperhead.collection import migrate
from cropperhead.collection.reception import Reception
from cropperhead.collection.settings import CONSENT, CollectionSettings, open_collection
from cropperhead.collection.tables import CROP, STARTED, SUGGESTED
from cropperhead.web import app, collect

ORIENTATION = 0x0112
LEVEL = {"top": 0.25, "left": 0.5, "bottom": 0.75, "right": 0.9, "angle": 0}
RED, BLUE = (255, 0, 0), (0, 0, 255)


@contextmanager
def collecting(folder, model, **changes):
    """The address of a page with a collection, and the collection."""
    opened = open_collection(str(folder / "collection"))
    migrate.prepare(opened)
    reception = Reception(opened, CollectionSettings(str(folder), **changes))
    settings = app.PageSettings(model=model, routers=[collect.make_router(reception)])
    with serving(app.create_app(settings)) as address:
        yield address, opened


def columns(row, names):
    return [row[name] for name in names]


@pytest.mark.parametrize("angle", [0, 4.5])
def test_a_turned_photo_s_crop_arrives_in_the_frame_that_was_seen(
    page, found_model, tmp_path, angle
):
    # 90 x 60 px with red at the top left, stored turned by 90 degrees: what is seen has 60 x 90 px
    # and red at the top right
    file = tmp_path / "turned.jpg"
    save_photo(file, image=picture(900, 600), exif={ORIENTATION: 6})
    with collecting(tmp_path, found_model, blind_share=0.0) as (address, opened):
        choose(page, address, file)
        type_limits(page, LEVEL | {"angle": angle})
        send(page)
        (row,) = opened.list_crops()
        stored = opened.objects.get(row["photo"])
    assert columns(row, CROP) == pytest.approx([0.25, 0.5, 0.75, 0.9, angle], abs=1e-4)
    assert (row["width"], row["height"]) == (600, 900)
    assert (row["shown"], row["started_from"], row["text"]) == ("suggestion", "suggestion", CONSENT)
    assert columns(row, STARTED) == pytest.approx(columns(row, SUGGESTED))
    assert row["suggested_by"]
    assert b"Exif" not in stored
    pixels = np.asarray(Image.open(io.BytesIO(stored)))
    assert np.abs(pixels[200, 450].astype(int) - RED).max() < 30
    assert np.abs(pixels[200, 150].astype(int) - BLUE).max() < 30


def test_half_of_the_senders_see_the_whole_photo_first(page, found_model, tmp_path):
    file = tmp_path / "photo.jpg"
    save_photo(file, image=picture(900, 600))
    with collecting(tmp_path, found_model, blind_share=1.0) as (address, opened):
        choose(page, address, file)
        assert not page.is_visible("#suggestions")
        type_limits(page, LEVEL)
        send(page)
        page.click("text=Show the suggestions")
        page.locator("#suggestions button").first.click()
        send(page)
        first, second = sorted(opened.list_crops(), key=lambda row: row["started_from"] == "whole")[
            ::-1
        ]
    assert (first["shown"], first["started_from"]) == ("whole", "whole")
    assert columns(first, STARTED) == [0, 0, 1, 1, 0]
    assert (second["shown"], second["started_from"]) == ("whole", "suggestion")
    assert first["author"] == second["author"]


def test_the_model_s_own_suggestion_is_sent_beside_a_tighter_one(page, found_model, tmp_path):
    file = tmp_path / "photo.jpg"
    save_photo(file, image=picture(900, 600))
    with collecting(tmp_path, found_model, blind_share=0.0) as (address, opened):
        choose(page, address, file)
        send(page)
        page.select_option("#size", "tighter")
        send(page)
        usual, tighter = sorted(opened.list_crops(), key=lambda row: row["started_top"])
    suggested = columns(usual, [*SUGGESTED, "confidence"])
    assert columns(tighter, [*SUGGESTED, "confidence"]) == pytest.approx(suggested)
    assert columns(tighter, STARTED) == columns(tighter, CROP) != columns(usual, STARTED)
    assert tighter["started_from"] == "suggestion"


def test_what_was_sent_can_be_withdrawn_after_coming_back(page, found_model, tmp_path):
    file = tmp_path / "photo.jpg"
    save_photo(file, image=picture(900, 600))
    with collecting(tmp_path, found_model, blind_share=0.0) as (address, opened):
        choose(page, address, file)
        send(page)
        assert opened.counts().all_crops == 1
        page.goto(address)  # without a photo
        page.click(".sent >> text=Withdraw")
        page.wait_for_selector("text=Your crop was withdrawn")
        assert page.locator(".sent li").count() == 0
        assert opened.counts().all_crops == 0
        assert list(opened.objects.names(0)) == []


def test_a_receipt_withdraws_from_another_browser(page, found_model, tmp_path):
    file = tmp_path / "photo.jpg"
    save_photo(file, image=picture(900, 600))
    with collecting(tmp_path, found_model, blind_share=0.0) as (address, opened):
        choose(page, address, file)
        send(page)
        receipt = page.locator(".sent code").text_content()
        page.evaluate("localStorage.clear()")
        page.goto(address)
        page.click("text=Withdraw by a receipt")
        page.fill("#receipt", receipt)
        page.click("#sent details button")
        page.wait_for_selector("text=Your crop was withdrawn")
        assert opened.counts().all_crops == 0


def test_the_page_tells_of_what_was_sent_only_while_there_is_some(page, found_model, tmp_path):
    file = save_photo(tmp_path / "photo.jpg", image=picture(900, 600))
    with collecting(tmp_path, found_model, blind_share=0.0) as (address, _):
        choose(page, address, file)
        assert page.is_hidden("text=Crops that you sent")
        assert page.is_visible("text=Withdraw by a receipt")
        assert axe_violations(page) == []
        send(page)
        assert page.is_visible("text=Crops that you sent")
        page.click(".sent >> text=Withdraw")
        page.wait_for_selector("text=Your crop was withdrawn")
        assert page.is_hidden("text=Crops that you sent")
        assert not page.is_visible("text=Your crop was sent")
        send(page)
        assert not page.is_visible("text=Your crop was withdrawn")


def test_a_crop_can_be_sent_where_the_model_could_first_not_be_loaded(
    direct_page, found_model, tmp_path
):
    page = direct_page
    file = save_photo(tmp_path / "photo.jpg", image=picture(900, 600))
    page.route("**/model.tflite", lambda route: route.abort(), times=1)
    page.route("**/collect/terms", lambda route: route.abort(), times=1)
    with collecting(tmp_path, found_model, blind_share=0.0) as (address, opened):
        page.goto(address)
        page.wait_for_selector("#problem:not(:empty)")
        page.wait_for_selector("html[data-ready]")
        page.set_input_files("#file", file)
        page.wait_for_selector("#work:not([hidden])")
        send(page)
        assert opened.counts().all_crops == 1


def test_nothing_is_sent_before_somebody_agrees(page, found_model, tmp_path):
    file = tmp_path / "photo.jpg"
    save_photo(file, image=picture(900, 600))
    with collecting(tmp_path, found_model, blind_share=0.0) as (address, opened):
        choose(page, address, file)
        sent = []
        page.on("request", lambda asked: sent.append(asked.url) if asked.method == "POST" else None)
        page.click("text=Send my crop…")
        assert page.locator("dialog .consent").text_content() == CONSENT
        assert page.locator("dialog .primary").is_disabled()
        assert axe_violations(page) == []
        page.click("dialog >> text=Cancel")
        assert (sent, opened.counts().all_crops) == ([], 0)


def test_a_page_without_a_collection_offers_nothing_to_send(try_page, tmp_path):
    file = tmp_path / "photo.jpg"
    save_photo(file, image=picture(900, 600))
    try_page.set_input_files("#file", file)
    try_page.wait_for_selector("#work:not([hidden])")
    assert not try_page.is_visible("#send")
    assert not try_page.is_visible("#sent")
    assert try_page.is_visible("#suggestions")
