"""The page predicts in Firefox as it does in Chromium and in Python."""

import json

import firefox
import pytest
from conftest import save_photo, scene

import cropperhead
from cropperhead.geometry import orientation

TAG = 0x0112
NAMES = ("top", "left", "bottom", "right", "angle")


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    name = firefox.program()
    if name is None:
        pytest.skip("Firefox is not installed: 'apt install firefox-esr' lets this test run.")
    with firefox.running(name, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def try_window(window, address):
    window.go(address)
    window.wait_for("document.documentElement.dataset.ready === 'true'")
    return window


def choose(window, file):
    window.choose("#file", file)
    window.wait_for("document.getElementById('status').textContent === ''")
    assert window.evaluate("document.getElementById('problem').textContent") == ""


def assert_predicts_as_python(window, model, file):
    crop = json.loads(window.evaluate("document.querySelector('.editor').dataset.crop"))
    found = [crop[name] for name in NAMES]
    wanted = cropperhead.load(model).suggest(file)[0].limits().tolist()
    assert found[:4] == pytest.approx(wanted[:4], abs=0.002), file.name
    assert found[4] == pytest.approx(wanted[4], abs=0.2), file.name


def test_firefox_predicts_as_python_does(try_window, model, tmp_path):
    small = save_photo(tmp_path / "small.png", image=scene(1, 768, 520))
    turned = save_photo(tmp_path / "turned.jpg", image=scene(2, 1200, 800), exif={TAG: 6})
    for file in (small, turned):
        choose(try_window, file)
        assert_predicts_as_python(try_window, model, file)


SHOWN = """(() => {
  const { width, height } = document.querySelector(".picture");
  return [width, height, document.querySelector(".summary").textContent.split(" % of ")[1]];
})()"""


# Its decoder scales large JPEGs by a filter of its own, and presses turned ones out of shape
@pytest.mark.parametrize("shown_as", orientation.ORIENTATIONS)
def test_firefox_shows_a_camera_s_jpeg_with_its_sides_as_exif_says(
    try_window, model, tmp_path, shown_as
):
    file = tmp_path / f"camera{shown_as}.jpg"
    save_photo(file, image=scene(3, 4003, 2667), exif={TAG: shown_as})
    choose(try_window, file)
    # at most 2,000 px: 2,667 x 2,000 / 4,003 = 1,332.5006
    is_turned = shown_as >= 5
    expected = [1333, 2000, "2,667 × 4,003 px"] if is_turned else [2000, 1333, "4,003 × 2,667 px"]
    assert try_window.evaluate(SHOWN) == expected
    assert_predicts_as_python(try_window, model, file)
