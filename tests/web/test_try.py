"""Somebody tries the model on a photo, in a real browser."""

import hashlib
import io
import json
import re
import struct

import numpy as np
import pillow_heif
import pytest
from conftest import save_photo, scene, settings, xmp
from PIL import Image
from web_pages import HeldRequests, axe_violations, open_page, serving, wait_until, window

import cropperhead
from cropperhead import api
from cropperhead.geometry import orientation
from cropperhead.photos import image as pictures
from cropperhead.web import app

TAG = 0x0112
NAMES = ("top", "left", "bottom", "right", "angle")
# As `try.js`, without its elements: what the model says of the photo in a file input
PREDICT = """async (enough) => {
  const decoding = await import('/decode.js');
  const { loadModel } = await import('/model.js');
  const { suggest } = await import('/suggest.js');
  const { readOrientation } = await import('/own_crop.js');
  const file = document.getElementById('probe').files[0];
  const header = await decoding.readHeader(file);
  const photo = await decoding.decodeSmall(file, header, enough);
  const isAvif = header.kind === 'image/avif';
  const orientation = isAvif ? 1 : await readOrientation(header.exif ?? file);
  const model = await loadModel();
  const outputs = await model.predict(photo, orientation);
  return suggest(outputs, null, 4);
}"""
SCREEN = 1440  # px that are enough for one of 1,920
CAMERA, TURNED = (4003, 2667), ("turned.", "camera.")
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


def test_each_control_has_a_name_of_its_own_and_each_number_one_name(try_page, photo):
    assert try_page.get_by_text("Choose a photo", exact=True).count() == 1
    choose(try_page, photo)
    labels = try_page.locator("label:visible").all_inner_texts()
    names = [text.strip().split("\n")[0] for text in labels]
    assert {"Straighten", "Turn", "Size"} <= set(names)
    assert sorted(set(names)) == sorted(names)
    assert "confidence 0." in try_page.inner_text("#suggestions")
    assert "overlap" not in try_page.inner_text("#suggestions")


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
        "camera.jpg",
    ]
    files = []
    for seed, name in enumerate(names):
        large, tall = name.startswith("large"), name.startswith("tall")
        size = (1500, 1000) if large else (300, 900) if tall else (768, 520)
        size = CAMERA if name == "camera.jpg" else size
        turned = int(name[6]) if name[6:7].isdigit() else 6 if name.startswith(TURNED) else 1
        image = scene(seed, *size)
        image = image.convert("L") if name == "grey.jpg" else image
        files.append(save_photo(tmp_path / name, image=image, exif={TAG: turned}))
    cropper = cropperhead.load(model)
    try_page.evaluate(ADD_PROBE)
    for file in files:
        expected = cropper.suggest(file, n=4)
        try_page.set_input_files("#probe", file)
        found = try_page.evaluate(PREDICT, SCREEN)
        first = [found[0]["crop"][name] for name in NAMES]
        wanted = expected[0].limits()
        # what no decoder rounds, and the browser does not have to make smaller itself, is the same
        most = 1e-5 if file.suffix == ".png" or file.name == "camera.jpg" else 0.002
        assert first[:4] == pytest.approx(wanted[:4].tolist(), abs=most), file.name
        assert first[4] == pytest.approx(wanted[4], abs=0.2), file.name
        assert (first[4] == 0) == (wanted[4] == 0), file.name
        assert found[0]["confidence"] == pytest.approx(expected[0].confidence, abs=0.002)


DECODE = """async (enough) => {
  const { decodeSmall, readHeader } = await import('/decode.js');
  const file = document.getElementById('probe').files[0];
  const header = await readHeader(file);
  const { width, height, draft, ...other } = await decodeSmall(file, header, enough);
  const picture = await other.picture;
  return [picture.width, picture.height, width, height, draft?.width, draft?.height];
}"""


DISPLAYED = """async () => {
  const { width, height } = await createImageBitmap(document.getElementById('probe').files[0]);
  return [width, height];
}"""


def test_of_a_camera_s_jpeg_no_more_is_decoded_than_is_needed(try_page, tmp_path):
    file = save_photo(tmp_path / "camera.jpg", image=scene(1, *CAMERA), exif={TAG: 6})
    try_page.evaluate(ADD_PROBE)
    try_page.set_input_files("#probe", file)
    # Pillow decodes a quarter, 1,001 x 667 px as it is stored; half of 4,003 px are 2,001.5
    whole, draft = [2667, 4003], [1001, 667]
    assert try_page.evaluate(DECODE, 2000) == [1334, 2002, *whole, *draft]
    # crops of it are looked at, too: never less than twice what Pillow decodes
    assert try_page.evaluate(DECODE, 300) == [1334, 2002, *whole, *draft]
    assert try_page.evaluate(DECODE, 2002) == [*whole, *whole, *draft]


def test_a_browser_without_a_decoder_of_parts_makes_them_itself(page, address, tmp_path):
    file = save_photo(tmp_path / "camera.jpg", image=scene(1, *CAMERA), exif={TAG: 6})
    page.add_init_script("delete window.ImageDecoder;")
    page.goto(address)
    page.evaluate(ADD_PROBE)
    page.set_input_files("#probe", file)
    assert page.evaluate(DECODE, 2000) == [2667, 4003, 2667, 4003, 1001, 667]


# As a browser that decodes in full whatever part is wished for, which WebCodecs allows
IGNORE_WISHES = """() => {
  const Decoder = ImageDecoder;
  window.ImageDecoder = function ({ type, data }) { return new Decoder({ type, data }); };
}"""


def test_a_part_of_a_jpeg_is_taken_only_if_it_has_the_sides_that_were_asked_for(try_page, tmp_path):
    try_page.evaluate(ADD_PROBE)
    for shown_as in orientation.ORIENTATIONS:
        file = tmp_path / f"camera{shown_as}.jpg"
        save_photo(file, image=scene(1, *CAMERA), exif={TAG: shown_as})
        try_page.set_input_files("#probe", file)
        sides = [1334, 2002, 2667, 4003] if shown_as >= 5 else [2002, 1334, 4003, 2667]
        assert try_page.evaluate(DECODE, 2000) == [*sides, 1001, 667]
    try_page.evaluate(IGNORE_WISHES)
    assert try_page.evaluate(DECODE, 2000) == [2667, 4003, 2667, 4003, 1001, 667]


# In a part: decoded without EXIF, and turned by the page. In full: turned by the browser
@pytest.mark.parametrize(("enough", "sides"), [(2000, [1334, 2002]), (2002, [2667, 4003])])
def test_an_orientation_that_the_browser_overlooks_turns_the_photo(
    try_page, tmp_path, enough, sides
):
    # Orientation 6 in 32 bits (type 4) in place of 16, which exifr and Pillow read
    exif = b"Exif\0\0" + struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, TAG, 4, 1, 6, 0)
    file = tmp_path / "camera.jpg"
    scene(1, *CAMERA).save(file, exif=exif)
    with Image.open(file) as stored:
        assert stored.getexif()[TAG] == 6
    try_page.evaluate(ADD_PROBE)
    try_page.set_input_files("#probe", file)
    assert try_page.evaluate(DECODE, enough) == [*sides, 2667, 4003, 1001, 667]
    assert try_page.evaluate(DISPLAYED) == [4003, 2667]


# As a browser that has no memory for a canvas, or for a copy of what it has decoded
FAIL = """async ([isCanvas, hasDecoder]) => {
  const { close, decodeSmall, readHeader } = await import('/decode.js');
  const { PhotoError } = await import('/canvas.js');
  const { decodesParts } = await import('/jpeg.js');
  const file = document.getElementById('probe').files[0];
  const header = await readHeader(file);
  await decodesParts();
  if (!hasDecoder) delete window.ImageDecoder;
  const [bitmaps, frames, make] = [[], [], createImageBitmap];
  window.createImageBitmap = async (source, ...options) => {
    if (source instanceof VideoFrame) frames.push(source);
    if (source instanceof VideoFrame && !isCanvas) throw new DOMException('no memory');
    const bitmap = await make(source, ...options);
    bitmaps.push(bitmap);
    return bitmap;
  };
  HTMLCanvasElement.prototype.getContext = () => null;
  const found = await decodeSmall(file, header, 2000).catch((error) => error);
  const problem = await Promise.resolve(found.picture ?? found).catch((error) => error);
  if (found.picture) await close(found);
  const sides = [...bitmaps, ...frames].map(({ width, codedWidth }) => width ?? codedWidth);
  return [problem instanceof PhotoError && problem.message, sides];
}"""


@pytest.mark.parametrize(
    ("is_canvas", "has_decoder", "count"),  # of bitmaps and decoded frames
    [(True, True, 2 + 2), (False, True, 1 + 1), (True, False, 1)],
)
def test_pixels_are_let_go_of_where_the_browser_has_no_memory(
    try_page, tmp_path, is_canvas, has_decoder, count
):
    file = save_photo(tmp_path / "camera.jpg", image=scene(1, *CAMERA), exif={TAG: 6})
    try_page.evaluate(ADD_PROBE)
    try_page.set_input_files("#probe", file)
    problem = "The browser has no memory for the photo."
    found = try_page.evaluate(FAIL, [is_canvas, has_decoder])
    assert found == [problem, [0] * count]


DRAFT = """async () => {
  const { decodeSmall, readHeader } = await import('/decode.js');
  const file = document.getElementById('probe').files[0];
  const { draft } = await decodeSmall(file, await readHeader(file), 2000);
  const copy = new OffscreenCanvas(draft.width, draft.height).getContext('2d');
  copy.drawImage(draft, 0, 0);
  const { data } = copy.getImageData(0, 0, draft.width, draft.height);
  return new Uint8Array(await crypto.subtle.digest('SHA-256', data)).toHex();
}"""


@pytest.mark.parametrize("long_side", [1500, 3000, 6000])  # a half, a quarter, an eighth
def test_the_model_sees_the_pixels_that_pillow_decodes(try_page, tmp_path, long_side):
    image = scene(2, long_side, long_side * 2 // 3)
    file = save_photo(tmp_path / "camera.jpg", image=image, exif={TAG: 8})
    with Image.open(file) as stored:
        pictures.draft(stored, 512)
        expected = hashlib.sha256(stored.convert("RGBA").tobytes()).hexdigest()
    try_page.evaluate(ADD_PROBE)
    try_page.set_input_files("#probe", file)
    assert try_page.evaluate(DRAFT) == expected


# The larger decoding, which is for people, does not end before the model has looked
LOOK = """async () => {
  const { close, decodeSmall, readHeader } = await import('/decode.js');
  const { loadModel } = await import('/model.js');
  const file = document.getElementById('probe').files[0];
  const { decode } = ImageDecoder.prototype;
  await decodeSmall(file, await readHeader(file), 2000).then(close); // the browser is probed once
  let release;
  const looked = new Promise((resolve) => { release = resolve; });
  let calls = 0;
  ImageDecoder.prototype.decode = async function () {
    calls += 1;
    if (calls === 2) await looked;
    return decode.call(this);
  };
  const photo = decodeSmall(file, await readHeader(file), 2000);
  const isFirst = await Promise.race([
    photo.then(() => true),
    new Promise((resolve) => setTimeout(() => resolve(false), 60_000)),
  ]);
  if (isFirst) await (await loadModel()).predict(await photo);
  release();
  const picture = await (await photo).picture;
  return [isFirst, calls, picture.width, picture.height];
}"""


def test_the_model_looks_while_the_picture_is_still_decoded(try_page, tmp_path):
    file = save_photo(tmp_path / "camera.jpg", image=scene(1, *CAMERA), exif={TAG: 6})
    try_page.evaluate(ADD_PROBE)
    try_page.set_input_files("#probe", file)
    assert try_page.evaluate(LOOK) == [True, 2, 1334, 2002]


def test_a_first_visit_says_that_the_model_is_loading(direct_page, address, photo):
    page = direct_page
    model_file = HeldRequests(page, "**/model.tflite")
    page.goto(address)
    page.set_input_files("#file", photo)
    page.wait_for_selector("#status:text('Loading the model…')")
    model_file.release()
    page.wait_for_selector("#work:not([hidden])")
    assert page.inner_text("#status") == ""


KEEP_BITMAPS = """() => {
  const make = createImageBitmap;
  window.bitmaps = [];
  window.createImageBitmap = async (...source) => {
    const bitmap = await make(...source);
    bitmaps.push(bitmap);
    return bitmap;
  };
}"""


def test_the_decoded_photo_is_let_go_of_where_no_model_can_be_loaded(direct_page, address, photo):
    page = direct_page
    page.route("**/model.tflite", lambda route: route.abort())
    open_page(page, address)  # what follows is said of the photo
    page.evaluate(KEEP_BITMAPS)
    page.set_input_files("#file", photo)
    page.wait_for_selector("#problem:not(:empty)")
    # a bitmap has no sides once it is closed
    sides = "() => bitmaps.map(({ width, height }) => [width, height])"
    wait_until(page, lambda: page.evaluate(sides) == [[0, 0]])


def test_a_model_that_could_not_be_loaded_is_asked_for_again_with_the_next_photo(
    direct_page, address, photo
):
    page = direct_page
    page.route("**/model.tflite", lambda route: route.abort(), times=1)
    page.goto(address)
    page.wait_for_selector("#problem:not(:empty)")
    choose(page, photo)
    assert page.is_visible("#work")
    assert page.inner_text("#problem") == ""
    assert page.inner_text("#model").startswith("Model ")


SHOWN = """() => {
  const picture = document.querySelector('.picture');
  const copy = Object.assign(document.createElement('canvas'), { width: 4, height: 4 });
  const context = copy.getContext('2d');
  context.drawImage(picture, 0, 0, 4, 4);
  return [picture.width, picture.height, ...context.getImageData(3, 3, 1, 1).data.slice(0, 3)];
}"""


def test_the_editor_has_as_many_pixels_of_a_photo_as_are_enough(try_page, tmp_path):
    # half of the photo, which is turned: stored at the right is shown at the bottom
    image = Image.new("RGB", CAMERA, "blue")
    image.paste("white", (0, 0, CAMERA[0] // 2, CAMERA[1]))
    choose(try_page, save_photo(tmp_path / "camera.jpg", image=image, exif={TAG: 6}))
    *size, red, green, blue = try_page.evaluate(SHOWN)
    assert size == [1333, 2000]  # half of each side, and made a little smaller
    assert [red, green, blue] == pytest.approx([0, 0, 255], abs=3)
    # of other kinds, and smaller photos, all pixels up to 2,000
    choose(try_page, save_photo(tmp_path / "small.png", image=scene(1, 900, 600)))
    assert try_page.evaluate(SHOWN)[:2] == [900, 600]
    choose(try_page, save_photo(tmp_path / "large.png", image=scene(1, 2500, 1000)))
    assert try_page.evaluate(SHOWN)[:2] == [2000, 800]


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
    assert {url for url in sent if not url.startswith("blob:")} == {f"{address}/server.json"}
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


def drag_to(page, by):
    """Presses the mouse in the middle of the crop, and moves it by some px."""
    outline = page.locator(".outline").bounding_box()
    x, y = outline["x"] + outline["width"] / 2, outline["y"] + outline["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by[0], y + by[1])


def test_a_key_during_a_drag_spoils_no_step_that_can_be_undone(chosen):
    first = crop_of(chosen)
    chosen.fill("#left", "0.2")
    chosen.fill("#right", "0.6")
    chosen.press("#right", "Enter")
    typed = crop_of(chosen)
    drag_to(chosen, (30, 0))
    assert crop_of(chosen) != typed
    chosen.keyboard.press("Control+z")  # takes back the drag
    assert crop_of(chosen) == typed
    chosen.mouse.move(0, 0)
    chosen.mouse.up()
    assert crop_of(chosen) == typed
    drag_to(chosen, (30, 0))
    chosen.keyboard.press("w")
    chosen.mouse.move(0, 0)
    chosen.mouse.up()
    assert crop_of(chosen) == [0, 0, 1, 1, 0]
    steps = []
    while chosen.is_enabled("button:text('Undo')"):
        chosen.keyboard.press("Control+z")
        steps.append(crop_of(chosen))
    assert steps[0] == typed
    assert steps[-1] == first


def test_a_key_during_a_drag_is_a_step_of_its_own(chosen):
    first = crop_of(chosen)
    chosen.evaluate("() => { performance.now = () => 0; }")  # all within the time of one step
    chosen.keyboard.press("-")
    smaller = crop_of(chosen)
    drag_to(chosen, (30, 0))
    chosen.keyboard.press("-")
    chosen.mouse.up()
    for expected in (smaller, first):
        chosen.keyboard.press("Control+z")
        assert crop_of(chosen) == expected


def test_a_photo_that_comes_while_the_slider_is_held_keeps_its_own_crop(chosen, tmp_path):
    slide = """(to) => {
      const slider = document.getElementById("slider");
      slider.value = to;
      slider.dispatchEvent(new Event("input"));
    }"""
    chosen.evaluate(slide, "5")
    choose(chosen, save_photo(tmp_path / "next.jpg", image=scene(9, 600, 900)))
    chosen.keyboard.press("w")
    chosen.evaluate(slide, "0.05")
    chosen.evaluate("() => document.getElementById('slider').dispatchEvent(new Event('change'))")
    chosen.keyboard.press("Control+z")
    assert crop_of(chosen) == [0, 0, 1, 1, 0]


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
    """Opens the dialog for files from the focused input, and chooses one there."""
    with page.expect_file_chooser() as chooser:
        # By another way than a key, the browser is told to leave the dialog to the test. It answers
        # only afterwards
        page.evaluate("() => {}")
        page.keyboard.press("Enter")
    chooser.value.set_files(photo)


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
HUGE_AVIF = (
    b"\0\0\0\x10ftypavif\0\0\0\0\0\0\0\x14ispe\0\0\0\0"
    + (20_000).to_bytes(4, "big")
    + (15_000).to_bytes(4, "big")
)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jpg", b"", "The file is empty."),
        ("a.jpg", b"no photo at all", "This is not a photo"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(200), "cannot be read"),
        ("a.png", truncated("PNG"), "cannot be read"),
        ("a.png", HUGE, "400 megapixels; the page takes up to 200"),
        ("a.avif", HUGE_AVIF, "300 megapixels; the page takes up to 200"),
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
    assert try_page.inner_text("#problem").startswith(f"{name}: ")
    assert try_page.is_hidden("#work")


def test_a_photo_that_was_removed_since_it_was_chosen_is_not_called_damaged(try_page, tmp_path):
    file = save_photo(tmp_path / "photo.jpg", image=scene(1))
    choose(try_page, file)
    file.unlink()
    try_page.click("#save-copy")
    try_page.wait_for_selector("#problem:text('changed, moved or removed')")


def test_a_sidecar_without_a_server_is_one_sentence(direct_page, address, photo):
    page = direct_page
    open_page(page, address)
    choose(page, photo)
    page.route("**/api/sidecar", lambda route: route.abort())
    page.click("#save-sidecar")
    page.wait_for_selector("#problem:text('It may have been stopped.')")


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


def test_a_page_that_was_kept_offers_what_its_server_now_does(page, found_model, photo):
    offer = "async () => (await import('/server.js')).readOffer()"
    quiet = app.PageSettings(model=found_model)
    running = [app.create_app(quiet)]

    async def present(scope, receive, send):  # a port that is let go of, others may take
        await running[-1](scope, receive, send)

    with serving(present) as home:
        open_page(page, home)
        page.evaluate("async () => { await navigator.serviceWorker.ready; }")
        assert page.is_hidden("#reads-photos")
        page.context.set_offline(True)
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert page.evaluate(offer) is None
        running.append(app.create_app(app.PageSettings(model=found_model, reads_photos=True)))
        page.context.set_offline(False)
        # which the page asks again with each photo
        choose(page, photo)
        assert page.evaluate(offer) == {"readsPhotos": True, "collects": False}
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
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
    with window(browser, **phone) as page:
        open_page(page, address)
        choose(page, photo)
        page.keyboard.press("w")
        page.fill("#left", "0.2")
        page.fill("#right", "0.6")
        page.press("#right", "Enter")
        session = page.context.new_cdp_session(page)
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
