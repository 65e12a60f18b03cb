"""Editors that measure a RAW photo's crop in another part of the sensor than its frame."""

import struct

import pytest
from conftest import extract_params, xmp
from conftest import settings as crop_settings
from raw_files import save_dng, scene

from cropperhead.editors import art, base, darktable, lightroom, rawtherapee
from cropperhead.errors import RejectedFile
from cropperhead.library import edited_photo, scan
from cropperhead.photos import exiftool, photo_file
from cropperhead.photos.dng import Box, Mosaic
from cropperhead.photos.sensor import Sensor
from cropperhead.writeback import convert
from cropperhead.writeback.convert import ConversionOptions

FRAME = 1200, 800
# 1400 x 1000 px, all active; the default crop is 1200 x 800 at 100, 80
WHOLE = Box(-100, -80, 1400, 1000)
SENSOR = Sensor(WHOLE, WHOLE, Mosaic.BAYER)
COMMON = "Common Properties for Transformations"


def profile(x, y, w, h):
    crop = {"Enabled": "true", "X": f"{x}", "Y": f"{y}", "W": f"{w}", "H": f"{h}"}
    return {"Crop": crop, COMMON: {"AutoFill": "false"}}


def history(borders, limits):
    steps = [("crop", 1, struct.pack("<4f2i", *limits, 0, 0))]
    if borders:
        steps.insert(0, ("rawprepare", 2, struct.pack("<4i16x", *borders)))
    entries = [
        {"Num": n, "Operation": name, "Modversion": version, "Params": data.hex(), "Enabled": 1}
        for n, (name, version, data) in enumerate(steps)
    ]
    return {"Xmp_version": 5, "History": entries, "History_end": len(entries)}


def limits(editor, settings, sensor=SENSOR, exif=1):
    """Left, top, right, bottom of the crop in px of the stored frame."""
    box = base.decode_in_frame(editor, settings, FRAME, exif, sensor)
    (left, top), _, (right, bottom), _ = box.corners()
    return pytest.approx((left, top, right, bottom), abs=0.01)


@pytest.mark.parametrize("editor", [rawtherapee, art])
def test_rawtherapee_measures_a_dng_in_its_active_area(editor):
    # 396 px from the canvas' edge, 4 px from the active area's, 100 px before the frame
    assert limits(editor, profile(396, 276, 400, 300)) == (300, 200, 700, 500)


@pytest.mark.parametrize(("mosaic", "border"), [(Mosaic.X_TRANS, 7), (Mosaic.OTHER, 0)])
def test_rawtherapee_s_border_depends_on_the_sensor(mosaic, border):
    sensor = Sensor(WHOLE, WHOLE, mosaic)
    found = limits(rawtherapee, profile(400, 280, 400, 300), sensor)
    assert (300 + border, 200 + border, 700 + border, 500 + border) == found


@pytest.mark.parametrize("editor", [rawtherapee, art])
def test_a_profile_s_own_border_counts(editor):
    # 390 px from the canvas' edge, 10 px from the active area's, 100 px before the frame
    bordered = profile(390, 270, 400, 300) | {"RAW Bayer": {"Border": "10"}}
    assert limits(editor, bordered) == (300, 200, 700, 500)
    # that of another kind of sensor does not
    other = profile(396, 276, 400, 300) | {"RAW X-Trans": {"Border": "10"}}
    assert limits(editor, other) == (300, 200, 700, 500)


@pytest.mark.parametrize("border", [-1, 500])
def test_a_border_that_leaves_nothing_is_refused(border):
    # 1000 px high, less 500 at the top and at the bottom
    with pytest.raises(RejectedFile, match=f"a border of {border} px") as caught:
        limits(rawtherapee, profile(0, 0, 9, 9) | {"RAW Bayer": {"Border": f"{border}"}})
    assert caught.value.kind == "reframed"


def test_a_turned_photo_s_crop_is_moved_as_it_is_stored():
    # upside down, on a canvas of 1392 x 992 px: 396 from its left edge is 596 to 996 from the other
    turned = profile(396, 276, 400, 300)
    assert limits(rawtherapee, turned, exif=3) == (
        1392 - 796 + 4 - 100,
        992 - 576 + 4 - 80,
        900,
        640,
    )


def test_a_few_pixels_around_the_frame_change_nothing():
    near = Box(-8, -6, 1220, 812)
    found = limits(rawtherapee, profile(300, 200, 400, 300), Sensor(near, near, Mosaic.BAYER))
    assert found == (300, 200, 700, 500)


def test_of_other_raw_formats_nothing_tells_the_part():
    sensor = Sensor(WHOLE, None, Mosaic.BAYER)
    assert limits(rawtherapee, profile(300, 200, 400, 300), sensor) == (300, 200, 700, 500)


def test_a_crop_beyond_the_frame_is_refused():
    with pytest.raises(RejectedFile, match="1392 x 992 px at -96, -76"):
        limits(rawtherapee, profile(10, 10, 400, 300))


def test_darktable_s_raw_borders_are_undone():
    # darktable-cli renders 375 x 266 px of it, from 553 px of the sensor on: 453 of the frame
    found = limits(darktable, history((300, 80, 100, 120), (0.25, 0.25, 0.625, 0.5833)))
    assert found == (450, 200, 825, 466.64)


def test_darktable_s_usual_borders_change_nothing():
    assert limits(darktable, history((100, 80, 100, 120), (0.25, 0.25, 0.625, 0.5833))) == (
        300,
        200,
        750,
        466.64,
    )
    assert limits(darktable, history(None, (0.25, 0.25, 0.625, 0.5833))) == (300, 200, 750, 466.64)


def test_borders_that_leave_nothing_are_refused():
    with pytest.raises(RejectedFile, match="the borders are too wide"):
        limits(darktable, history((700, 0, 700, 0), (0.25, 0.25, 0.625, 0.5833)))


def test_lightroom_measures_in_the_frame():
    found = limits(lightroom, crop_settings(0.25, 0.25, 0.625, 0.75))
    assert found == (300, 200, 900, 500)


@pytest.mark.parametrize(("layout", "mosaic"), [("bayer", Mosaic.BAYER), ("linear", Mosaic.OTHER)])
def test_a_dng_tells_where_its_frame_is(tmp_path, layout, mosaic):
    # 4, 6, 2, 2 px masked and 80, 100, 60, 40 px inset: top, left, bottom, right
    file = save_dng(tmp_path / "a.dng", scene(600, 400), inset=(80, 100, 60, 40), layout=layout)
    with photo_file.open_photo(file) as photo:
        assert photo.frame == (600, 400)
        assert photo.sensor == Sensor(
            Box(-106, -84, 600 + 106 + 42, 400 + 84 + 62), Box(-100, -80, 740, 540), mosaic
        )


def test_what_is_converted_for_rawtherapee_is_measured_as_it_measures(tmp_path):
    save_dng(tmp_path / "a.dng", scene(600, 400), inset=(80, 100, 60, 40))
    (tmp_path / "a.xmp").write_bytes(xmp(crop_settings(0.25, 0.25, 0.75, 0.5)))
    log = convert.convert([tmp_path], ConversionOptions("rawtherapee"), extract_params(tmp_path))
    assert len(log.converted) == 1
    text = (tmp_path / "a.dng.pp3").read_text()
    # 150, 100 px of the frame; the active area begins 100, 80 px earlier, the canvas 4 px later
    assert "X=246\nY=176\nW=150\nH=200\n" in text
    with exiftool.tag_reader() as reader:
        [photo] = edited_photo.read(tmp_path, scan.scan(tmp_path).entries, reader)
    boxes = {crop.editor_name: crop.crop for crop in photo.crops}
    assert boxes["rawtherapee"] == boxes["lightroom"]
