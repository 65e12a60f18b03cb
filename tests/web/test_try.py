"""Somebody tries the model on a photo, in a real browser."""

import io
import json
import re

import numpy as np
import pillow_heif
import pytest
from conftest import save_photo, scene, settings, xmp
from PIL import Image
from playwright.sync_api import TimeoutError as PageTimeout
from web_pages import axe_violations, serving

import cropperhead
from cropperhead import api
from cropperhead.geometry import orientation
from cropperhead.web import app

TAG = 0x0112
NAMES = ("top", "left", "bottom", "right", "angle")
# As `try.js`, without its elements: what the model says of the photo in a file input
PREDICT = """async () => {
  const decoding = await import('/decode.js');
  const { loadModel } = await import('/model.js');
  const { suggest } = await import('/suggest.js');
  const { readOrientation } = await import('/own_crop.js');
  const file = document.getElementById('probe').files[0];
  const header = await decoding.readHeader(file);
  const photo = await decoding.decode(file, header);
  const isAvif = header.kind === 'image/avif';
  const orientation = isAvif ? 1 : await readOrientation(header.exif ?? file);
  const model = await loadModel();
  const outputs = await model.predict(photo, photo.width, photo.height, orientation);
  return suggest(outputs, null, 4);
}"""
ADD_PROBE = """() => {
  const input = Object.assign(document.createElement("input"), { type: "file", id: "probe" });
  document.body.append(input);
}"""


def crop_of(page):
    """The crop in the editor, in full."""
    crop = json.loads(page.get_attribute(".editor", "data-crop"))
    return [crop[name] for name in NAMES]


def choose(page, file):
    page.set_input_files("#file", file)
    page.wait_for_selector("#work:not([hidden])")
    page.wait_for_selector("#status:empty", state="attached")


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A photo of 900 x 600 px."""
    return save_photo(tmp_path_factory.mktemp("photo") / "photo.jpg", image=scene(5, 900, 600))


@pytest.fixture
def chosen(try_page, photo):
    choose(try_page, photo)
    return try_page


def test_the_browser_predicts_as_python_does(try_page, model, tmp_path):
    names = [f"turned{shown_as}.jpg" for shown_as in orientation.ORIENTATIONS]
    names += [
        "small.png",
        "turned.png",
        "turned.webp",
        "turned.avif",
        "large.webp",
        "large.avif",
        "tall.jpg",
        "grey.jpg",
    ]
    files = []
    for seed, name in enumerate(names):
        large, tall = name.startswith("large"), name.startswith("tall")
        size = (1500, 1000) if large else (300, 900) if tall else (768, 520)
        turned = int(name[6]) if name[6:7].isdigit() else 6 if name.startswith("turned.") else 1
        image = scene(seed, *size)
        image = image.convert("L") if name == "grey.jpg" else image
        files.append(save_photo(tmp_path / name, image=image, exif={TAG: turned}))
    cropper = cropperhead.load(model)
    try_page.evaluate(ADD_PROBE)
    for file in files:
        expected = cropper.suggest(file, n=4)
        try_page.set_input_files("#probe", file)
        found = try_page.evaluate(PREDICT)
        first = [found[0]["crop"][name] for name in NAMES]
        wanted = expected[0].limits()
        # what no decoder rounds, and the browser does not have to make smaller itself, is the same
        most = 1e-5 if file.suffix == ".png" else 0.002
        assert first[:4] == pytest.approx(wanted[:4].tolist(), abs=most), file.name
        assert first[4] == pytest.approx(wanted[4], abs=0.2), file.name
        assert (first[4] == 0) == (wanted[4] == 0), file.name
        assert found[0]["confidence"] == pytest.approx(expected[0].confidence, abs=0.002)


def test_nothing_leaves_the_browser_and_the_page_works_without_a_server(page, address, photo):
    requests = []
    page.on("request", lambda request: requests.append((request.method, request.url)))
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    page.evaluate("async () => { await navigator.serviceWorker.ready; }")
    asked = len(requests)
    page.context.set_offline(True)
    sent = []
    page.on("response", lambda got: sent.append(got.url) if not got.from_service_worker else None)
    page.on("requestfailed", lambda failed: sent.append(failed.url))
    page.reload()
    page.wait_for_selector("html[data-ready]")
    choose(page, photo)
    assert "px at" in page.inner_text(".summary")
    assert len(requests) > asked  # which the service worker answers, all of them
    # what the server offers now cannot be known without it
    assert [url for url in sent if not url.startswith("blob:")] == [f"{address}/server.json"]
    assert {method for method, _ in requests} == {"GET"}
    hosts = {re.match(r"(blob:)?https?://[^/]+", url)[0] for _, url in requests}
    assert hosts == {address}


def test_a_crop_that_is_dragged_out_of_the_photo_and_back_is_what_it_was(chosen):
    chosen.fill("#angle", "3.7")
    chosen.press("#angle", "Enter")
    before = crop_of(chosen)
    stage = chosen.locator(".stage").bounding_box()
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    chosen.mouse.move(x, y)
    chosen.mouse.down()
    for to_x, to_y in [(x + 300, y), (x + 2000, y - 3000), (x - 900, y + 4)]:
        chosen.mouse.move(to_x, to_y)
    assert crop_of(chosen) != before
    chosen.mouse.move(x, y)
    assert crop_of(chosen) == before
    chosen.mouse.up()
    assert crop_of(chosen) == before


def test_a_corner_can_be_dragged_and_that_undone_and_redone(chosen):
    chosen.keyboard.press("w")
    assert crop_of(chosen) == [0, 0, 1, 1, 0]
    picture = chosen.locator(".picture").bounding_box()
    left, top = picture["x"], picture["y"]
    chosen.mouse.move(left, top)
    chosen.mouse.down()
    chosen.mouse.move(left + picture["width"] / 2, top + picture["height"] / 4, steps=3)
    chosen.mouse.up()
    dragged = crop_of(chosen)
    # pointers are at whole px, of a picture that has some 600
    assert dragged == pytest.approx([0.25, 0.5, 1, 1, 0], abs=0.003)
    chosen.keyboard.press("Control+z")
    assert crop_of(chosen) == [0, 0, 1, 1, 0]
    chosen.keyboard.press("Control+Shift+Z")
    assert crop_of(chosen) == dragged


def test_numbers_that_are_typed_are_read_back(chosen):
    chosen.keyboard.press("w")
    typed = {"left": 0.123456789012, "top": 0.2, "right": 0.876543210987, "bottom": 0.7000000001}
    for name, value in typed.items():
        chosen.fill(f"#{name}", repr(value))
        chosen.press(f"#{name}", "Tab")
    top, left, bottom, right, angle = crop_of(chosen)
    found = {"left": left, "top": top, "right": right, "bottom": bottom}
    assert found == pytest.approx(typed, abs=1e-9)
    assert angle == 0
    assert {name: float(chosen.input_value(f"#{name}")) for name in typed} == typed


def test_a_shape_is_searched_for_and_swapped(chosen, model, photo):
    expected = cropperhead.load(model).suggest(photo, aspect="4:5")[0].limits()
    chosen.select_option("#shape", "4:5")
    top, left, bottom, right, _ = crop_of(chosen)
    # JPEG decoders differ by a level here and there
    assert [top, left, bottom, right] == pytest.approx(expected[:4].tolist(), abs=0.002)
    assert (right - left) * 900 / ((bottom - top) * 600) == pytest.approx(0.8)
    chosen.locator(".stage").focus()
    chosen.keyboard.press("x")
    top, left, bottom, right, _ = crop_of(chosen)
    assert (right - left) * 900 / ((bottom - top) * 600) == pytest.approx(1.25)


def test_drawing_along_the_horizon_levels_it(chosen):
    chosen.keyboard.press("w")
    stage = chosen.locator(".stage").bounding_box()
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    chosen.keyboard.press("s")
    chosen.mouse.move(x - 200, y - 20)
    chosen.mouse.down()
    chosen.mouse.move(x + 200, y + 20)
    chosen.mouse.up()
    # atan(40 / 400) = 5.7106 degrees, clockwise
    assert crop_of(chosen)[4] == pytest.approx(5.7106, abs=1e-4)


def choose_by_enter(page, photo):
    """Opens the dialog for files from the focused input; a busy Chromium may lose the first key."""
    for _ in range(3):
        try:
            with page.expect_file_chooser(timeout=15_000) as chooser:
                page.keyboard.press("Enter")
        except PageTimeout:
            continue
        chooser.value.set_files(photo)
        return
    raise AssertionError("Enter opens no dialog")


def test_the_whole_page_can_be_used_by_keyboard_alone(try_page, photo):
    for _ in range(4):
        try_page.keyboard.press("Tab")
        if try_page.evaluate("() => document.activeElement.id") == "file":
            break
    choose_by_enter(try_page, photo)
    try_page.wait_for_selector("#work:not([hidden])")
    first = crop_of(try_page)
    try_page.keyboard.press("ArrowLeft")
    moved = crop_of(try_page)
    assert moved[1] < first[1]
    try_page.keyboard.press("]")
    assert crop_of(try_page)[4] == pytest.approx(first[4] + 0.1)
    try_page.keyboard.press("0")
    assert crop_of(try_page) == [0, 0, 1, 1, 0]
    try_page.keyboard.press("1")
    assert crop_of(try_page) == first
    for guide in ("golden", "diagonals", "triangles"):
        try_page.keyboard.press("o")
        assert try_page.input_value("#guide") == guide
    lines = try_page.get_attribute(".guides", "d")
    try_page.keyboard.press("Shift+O")
    assert try_page.input_value("#guide") == "triangles"
    assert try_page.get_attribute(".guides", "d") != lines
    try_page.keyboard.press("p")
    assert try_page.get_attribute(".stage", "data-mode") == "after"
    try_page.keyboard.press("p")
    for _ in range(60):
        try_page.keyboard.press("Tab")
        if try_page.evaluate("() => document.activeElement.id") == "save-sidecar":
            break
    with try_page.expect_download() as download:
        try_page.keyboard.press("Enter")
    assert download.value.suggested_filename == "photo.jpg.xmp"


@pytest.mark.parametrize("angle", ["0", "4"])
def test_the_saved_copy_is_what_python_cuts_out(chosen, photo, tmp_path, angle):
    for name, value in {"left": "0.2", "top": "0.25", "right": "0.7", "bottom": "0.75"}.items():
        chosen.keyboard.press("w") if name == "left" else None
        chosen.fill(f"#{name}", value)
        chosen.press(f"#{name}", "Enter")
    chosen.fill("#angle", angle)
    chosen.press("#angle", "Enter")
    assert crop_of(chosen) == pytest.approx([0.25, 0.2, 0.75, 0.7, float(angle)])
    with chosen.expect_download() as download:
        chosen.click("#save-copy")
    assert download.value.suggested_filename == "photo-cropped.jpg"
    file = tmp_path / "copy.jpg"
    download.value.save_as(file)
    expected = api.Crop(0.25, 0.2, 0.75, 0.7, float(angle), confidence=1).apply(photo)
    with Image.open(file) as copy:
        assert copy.size == expected.size == (450, 300)
        difference = np.abs(np.asarray(copy, float) - np.asarray(expected.convert("RGB"), float))
    assert difference.mean() < 4  # levels: of a JPEG's second compression, and of resampling


def test_lightroom_s_own_crop_is_shown_beside_the_suggestion(try_page, tmp_path):
    packet = xmp(settings(0.1, 0.2, 0.8, 0.9))
    choose(try_page, save_photo(tmp_path / "own.jpg", packet, scene(6), {TAG: 8}))
    assert "overlaps the suggestion by" in try_page.inner_text("#remarks")
    try_page.keyboard.press("9")
    # shown by orientation 8, (u, v) is at (v, 1 - u)
    assert crop_of(try_page) == pytest.approx([0.1, 0.1, 0.8, 0.8, 0], abs=1e-9)


def truncated(name):
    buffer = io.BytesIO()
    scene(7).save(buffer, name)
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


HUGE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (20_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jpg", b"", "The file is empty."),
        ("a.jpg", b"no photo at all", "This is not a photo"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(200), "cannot be read"),
        ("a.png", truncated("PNG"), "cannot be read"),
        ("a.png", HUGE, "400 megapixels; the page takes up to 200"),
        ("a.tif", b"II*\0" + bytes(100), "cannot show TIFF and RAW"),
        ("a.raf", b"FUJIFILMCCD-RAW 0201" + bytes(100), "cannot show TIFF and RAW"),
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "cannot show HEIC"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(try_page, tmp_path, name, content, expected):
    file = tmp_path / name
    file.write_bytes(content)
    try_page.set_input_files("#file", file)
    try_page.wait_for_selector("#problem:not(:empty)")
    assert expected in try_page.inner_text("#problem")
    assert try_page.is_hidden("#work")


@pytest.mark.parametrize("name", ["turned.tif", "turned.heic"])
def test_the_server_reads_what_no_browser_shows_if_it_may(page, found_model, model, tmp_path, name):
    pillow_heif.register_heif_opener()
    file = save_photo(tmp_path / name, image=scene(8, 600, 400), exif={TAG: 6})
    expected = cropperhead.load(model).suggest(file)[0].limits()
    settings_of_page = app.PageSettings(model=found_model, reads_photos=True)
    with serving(app.create_app(settings_of_page)) as home:
        page.goto(home)
        page.wait_for_selector("html[data-ready]")
        choose(page, file)
        # of a JPEG of it
        assert crop_of(page)[:4] == pytest.approx(expected[:4].tolist(), abs=0.004)
        assert page.is_disabled("#save-sidecar")
        with page.expect_download() as download:
            page.click("#save-copy")
        assert download.value.suggested_filename == "turned-cropped.jpg"
        file.write_bytes(file.read_bytes()[:300])
        page.set_input_files("#file", file)
        page.wait_for_selector("#problem:not(:empty)")
        assert "The photo cannot be read" in page.inner_text("#problem")


def test_a_page_that_was_kept_offers_what_its_server_now_does(page, found_model):
    offer = "async () => (await import('/server.js')).readOffer()"
    quiet = app.PageSettings(model=found_model)
    with serving(app.create_app(quiet)) as home:
        page.goto(home)
        page.wait_for_selector("html[data-ready]")
        page.evaluate("async () => { await navigator.serviceWorker.ready; }")
        assert page.is_hidden("#reads-photos")
    nothing = {"readsPhotos": False, "collects": False}
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate(offer) == nothing
    reading = app.PageSettings(model=found_model, reads_photos=True)
    with serving(app.create_app(reading), int(home.rpartition(":")[2])):
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert page.evaluate(offer) == nothing | {"readsPhotos": True}
        assert "Only HEIC, TIFF and RAW photos" in page.inner_text("#reads-photos")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(try_page, photo, scheme):
    try_page.emulate_media(color_scheme=scheme)
    assert axe_violations(try_page) == []
    choose(try_page, photo)
    try_page.click("summary")
    assert axe_violations(try_page) == []


@pytest.mark.parametrize("size", [(390, 844), (3840, 2160)])
def test_the_page_fits_a_phone_and_a_large_screen(try_page, photo, size):
    try_page.set_viewport_size({"width": size[0], "height": size[1]})
    choose(try_page, photo)
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert try_page.evaluate(wide) == 0
    picture = try_page.locator(".picture").bounding_box()
    assert picture["width"] > 0.6 * min(size[0], 1600) or picture["height"] > 0.4 * size[1]


def touch(session, kind, *points):
    places = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})


def test_one_finger_moves_the_crop_and_two_change_its_size(browser, address, photo):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    choose(page, photo)
    page.keyboard.press("w")
    page.fill("#left", "0.2")
    page.fill("#right", "0.6")
    page.press("#right", "Enter")
    session = context.new_cdp_session(page)
    page.locator(".stage").scroll_into_view_if_needed()
    outline = page.locator(".outline").bounding_box()
    x, y = outline["x"] + outline["width"] / 2, outline["y"] + outline["height"] / 2
    before = crop_of(page)
    touch(session, "touchStart", (x, y))
    touch(session, "touchMove", (x + 40, y))
    touch(session, "touchEnd")
    moved = crop_of(page)
    assert moved[1] > before[1]
    assert moved[3] - moved[1] == pytest.approx(before[3] - before[1])
    x += 40
    touch(session, "touchStart", (x - 30, y), (x + 30, y))
    touch(session, "touchMove", (x - 15, y), (x + 15, y))
    touch(session, "touchEnd")
    pinched = crop_of(page)
    # half as far apart
    assert pinched[3] - pinched[1] == pytest.approx((moved[3] - moved[1]) / 2, rel=0.02)
    context.close()
