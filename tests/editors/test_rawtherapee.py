import dataclasses
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from profile_files import format_profile

from cropperhead.editors import art, base, rawtherapee
from cropperhead.editors import profile as profiles
from cropperhead.editors.base import CameraTurn, CropToWrite, State, displayed_crop
from cropperhead.errors import RejectedFile
from cropperhead.geometry import crops, orientation
from cropperhead.geometry.crops import Crop, Rectangle

COMMON = "Common Properties for Transformations"
ADOBE_FISHEYE = {"LCPFile": "Adobe/EF8-15mm f4L FISHEYE.lcp"}
LENSFUN_FISHEYE = {"LcMode": "lfmanual", "LFLens": "Canon EF 8-15mm f/4L Fisheye USM"}
VERSION = {"Version": "354"}


def profile(x=60, y=40, w=300, h=200, degree=0.0, **sections):
    crop = {"Enabled": "true", "X": f"{x}", "Y": f"{y}", "W": f"{w}", "H": f"{h}"}
    own = {"Crop": crop, "Rotation": {"Degree": f"{degree}"}, COMMON: {"AutoFill": "false"}}
    return own | sections


def rejection(settings, width=600, height=400):
    with pytest.raises(RejectedFile) as caught:
        assert rawtherapee.state(settings) is State.CROPPED
        rawtherapee.decode(settings, width, height)
    return caught.value.kind


def numbers(box):
    return (box.centre_x, box.centre_y, box.width, box.height, box.angle)


def test_an_upright_crop_is_at_its_pixels():
    box = rawtherapee.decode(profile(), 600, 400)
    assert numbers(box) == (210, 140, 300, 200, 0)  # 60 + 300/2, 40 + 200/2


def test_a_crop_turns_about_the_centre_of_the_frame_when_straightened():
    box = rawtherapee.decode(profile(160, 110, 100, 60, degree=30), 600, 400)
    # the centre (210, 140) lies (-90, -60) from the frame's; turned by 30 degrees it lies
    # (-90 cos + 60 sin, -90 sin - 60 cos) from it
    x, y = 300 - 90 * math.cos(math.pi / 6) + 30, 200 - 45 - 60 * math.cos(math.pi / 6)
    assert numbers(box) == pytest.approx((x, y, 100, 60, 30))


def test_autofill_makes_the_crop_smaller_by_the_scale_that_the_editor_finds():
    # corners fit while scale * (599 sin 3 + 399 cos 3) <= 399, up to 0.928334; 0.001 to 2 is halved
    # 11 times, to 1.999 / 2048 = 0.000976: the last step that fits is 0.001 + 950 * 0.000976
    expected = 0.001 + 950 * 1.999 / 2048
    filled = profile(degree=3, **{COMMON: {"AutoFill": "true"}})
    box = rawtherapee.decode(filled, 600, 400)
    assert (box.width, box.height) == pytest.approx((300 * expected, 200 * expected), abs=1e-3)
    assert rawtherapee.decode(profile(degree=3) | {COMMON: {}}, 600, 400) == box  # the default


def test_the_correction_of_fringes_shrinks_a_filled_crop():
    fringes = {"CACorrection": {"Red": "0.004", "Blue": "-0.004"}, COMMON: {}}
    box = rawtherapee.decode(profile(**fringes), 600, 400)
    # red is fitted within 1 / 1.004 = 0.99602, found to within 0.001
    assert 0.99502 <= box.width / 300 <= 0.99602


def test_without_tilt_autofill_changes_nothing():
    assert rawtherapee.decode(profile(**{COMMON: {"AutoFill": "true"}}), 600, 400).width == 300


def test_a_straightened_picture_is_the_scaled_canvas():
    settings = {"Rotation": {"Degree": "-3"}}
    assert rawtherapee.state(settings) is State.CROPPED
    box = rawtherapee.decode(settings, 600, 400)
    assert numbers(box) == pytest.approx((300, 200, 556.962, 371.308, -3), abs=1e-3)
    # 600 and 400 times 0.928270, as above


def test_the_zoom_of_newer_versions_is_a_crop_unless_autofill_is_on():
    zoomed = {COMMON: {"AutoFill": "false", "Scale": "2"}}
    assert numbers(rawtherapee.decode(zoomed, 600, 400)) == (300, 200, 300, 200, 0)
    assert rawtherapee.state({COMMON: {"AutoFill": "true", "Scale": "2"}}) is State.SILENT


def test_a_crop_beyond_the_canvas_is_cut_down_to_it():
    box = rawtherapee.decode(profile(500, 300, 300, 200), 600, 400)
    assert numbers(box) == (550, 350, 100, 100, 0)
    # a negative start is moved to 0, and the size kept: measured, not sensible
    assert numbers(rawtherapee.decode(profile(-50, -30), 600, 400)) == (150, 100, 300, 200, 0)


def test_limits_that_are_missing_are_the_canvas():
    settings = {"Crop": {"Enabled": "true", "X": "50", "Y": "60"}}
    assert numbers(rawtherapee.decode(settings, 600, 400)) == pytest.approx((325, 230, 550, 340, 0))


@pytest.mark.parametrize(
    ("exif", "rotate", "horizontal", "vertical", "shown"),
    [
        (1, 0, False, False, 1),
        (6, 0, False, False, 6),
        (8, 90, False, False, 1),
        (6, 90, True, False, 4),
        (1, 90, False, True, 7),
        (3, 180, True, True, 3),
        # mirrored orientations of EXIF count as upright
        (2, 0, False, False, 1),
        (5, 270, False, False, 8),
        (7, 0, True, False, 2),
        # only the three quarter turns are known
        (1, 45, False, False, 1),
        (1, -90, False, False, 1),
    ],
)
def test_own_turns_come_after_those_of_exif(exif, rotate, horizontal, vertical, shown):
    # as rendered by rawtherapee-cli 5.9
    flips = {"HorizontalFlip": f"{horizontal:d}", "VerticalFlip": f"{vertical:d}"}
    coarse = {"Coarse Transformation": {"Rotate": f"{rotate}", **flips}}
    assert rawtherapee.shown_as(coarse, exif) == shown


@pytest.mark.parametrize(
    ("app_version", "read"),
    [
        ("5.9", (1,)),  # as rendered by rawtherapee-cli 5.9
        ("4.2.1", (1,)),
        ("5.10", (6,)),
        ("5.12-rc1", (6,)),
        ("5.10-7-gab12cd34", (6,)),
        ("5.9.1", (1,)),
        ("5.8-2976-gab12cd34", (1,)),  # built on the way to 5.9
        ("5.9-412-gab12cd34", (6, 1)),  # on the way to 5.10
        ("5.9_dev", (6, 1)),
        ("5.9 dev", (6, 1)),
        ("5.9RC1", (6, 1)),
        ("v5.10", (6, 1)),
        ("1.25.7", (6, 1)),  # ART's
        ("", (6, 1)),
    ],
)
def test_the_exif_of_a_png_is_read_from_version_5_10_on(app_version, read):
    camera, settings = CameraTurn(6, 6, "PNG"), {"Version": {"AppVersion": app_version}}
    assert rawtherapee.camera_orientations(settings, "a.PNG", camera) == read
    assert rawtherapee.camera_orientations(settings, "a.tif", camera) == (6,)
    assert art.camera_orientations(settings, "a.png", camera) == (6,)


def test_a_png_whose_turn_is_open_is_refused_unless_it_is_shown_alike():
    with pytest.raises(RejectedFile, match="orientation 6 or 1") as caught:
        base.exif_orientation(rawtherapee, profile(), "a.png", CameraTurn(6, 6, "PNG"))
    assert caught.value.kind == "turn"
    mirrored = CameraTurn(2, 2, "PNG")  # which no version does
    assert base.exif_orientation(rawtherapee, profile(), "a.png", mirrored) == 2


def test_no_crop_is_written_for_a_png_that_versions_display_differently():
    camera = CameraTurn(6, 6, "PNG")
    new = CropToWrite("a.png", (600, 400), 6, camera, 6, Crop(0.1, 0.1, 0.9, 0.9, 0), 6)
    with pytest.raises(RejectedFile, match="save it as JPEG to crop it there") as caught:
        rawtherapee.write(None, new, {})
    assert caught.value.kind == "turn"
    assert b"W=" in rawtherapee.write(b"[Version]\nAppVersion=5.10\n", new, {})
    assert b"W=" in rawtherapee.write(None, dataclasses.replace(new, photo="a.jpg"), {})


def test_a_crop_of_a_turned_photo_is_in_the_displayed_frame():
    # stored 600 x 400, displayed by 6 as 400 x 600: stored (u, v) is seen at (1 - v, u), so that
    # displayed (60..160, 40..240) is stored at x 40..240, y 400-160..400-60
    box = rawtherapee.decode(profile(60, 40, 100, 200), 600, 400, 6)
    assert numbers(box) == (140, 290, 200, 100, 0)


@given(
    st.tuples(*[st.floats(0.3, 0.7)] * 2, *[st.floats(0.05, 0.9)] * 2, st.floats(-45, 45)),
    st.sampled_from(orientation.ORIENTATIONS),
    st.sampled_from(orientation.ORIENTATIONS),
    st.sampled_from([(6000, 4000), (4000, 6000), (5184, 3888), (1000, 1000)]),
)
def test_what_is_encoded_decodes_to_the_same_crop(values, exif, code, stored):
    frame = orientation.displayed_size(*stored, code)
    y, x, height, width, angle = values
    limits = [y - height / 2, x - width / 2, y + height / 2, x + width / 2, angle]
    crop = Crop(*crops.inside_frame(limits, frame[0] / frame[1]))
    try:
        written = rawtherapee.encode(crop, *stored, code, exif)
    except RejectedFile:
        assume(False)
    read = profiles.parse_profile(format_profile(written))
    assert read == written
    assert rawtherapee.shown_as(read, exif) == code
    box = rawtherapee.decode(read, *stored, exif)
    again, asked = (
        orientation.to_displayed(box, *stored, orientation=code),
        crop.in_pixels(*frame),
    )
    assert again.angle == pytest.approx(asked.angle, abs=5.1e-5)  # four decimals
    # each side moves by at most half a pixel, or by one where it is put on the canvas' edge; the
    # angle's rounding moves the far end of 6000 px by 0.005 px
    assert (again.width, again.height) == pytest.approx((asked.width, asked.height), abs=1.51)
    moved = math.hypot(again.centre_x - asked.centre_x, again.centre_y - asked.centre_y)
    assert moved <= math.hypot(0.76, 0.76)


def test_an_upright_crop_of_whole_pixels_comes_back_exactly():
    crop = displayed_crop(Rectangle(300, 200, 100, 50, 0), 600, 400, 1)
    assert rawtherapee.encode(crop, 600, 400)["Crop"] == {
        "Enabled": "true",
        "X": "250",
        "Y": "175",
        "W": "100",
        "H": "50",
    }


def test_a_tilted_crop_in_a_corner_cannot_be_written():
    # 100 x 100 px at the frame's top left corner, turned by 20: straightened, it leaves the canvas
    crop = displayed_crop(Rectangle(65, 65, 100, 100, 20), 600, 400, 1)
    with pytest.raises(RejectedFile, match="px beyond RawTherapee's canvas") as caught:
        rawtherapee.encode(crop, 600, 400)
    assert caught.value.kind == "outside"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, State.SILENT),
        ({"Exposure": {"Auto": "false"}}, State.SILENT),
        ({"Coarse Transformation": {"Rotate": "90"}}, State.SILENT),
        ({"Crop": {"X": "1", "Y": "1", "W": "9", "H": "9"}}, State.UNCROPPED),
        (profile(Crop={"Enabled": "false", "X": "1"}), State.UNCROPPED),
        (profile(Crop={"Enabled": "true"}), State.UNCROPPED),
        ({"Rotation": {"Degree": "0"}}, State.UNCROPPED),
        ({"Rotation": {"Degree": "3"}}, State.CROPPED),
        ({"Rotation": {"Enabled": "false", "Degree": "3"}}, State.UNCROPPED),  # ART
        (profile(), State.CROPPED),
        (profile(Crop={"Enabled": "1", "W": "5"}), State.CROPPED),
    ],
)
def test_the_switches_decide_whether_there_is_a_crop(settings, expected):
    assert rawtherapee.state(settings) is expected


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("outside", {"Rotation": {"Degree": "3"}, COMMON: {"AutoFill": "false"}}),
        ("outside", profile(0, 0, 600, 400, degree=3)),
        ("outside", profile(x=600)),
        ("outside", profile(y=2_000_000_000)),
        ("angle", profile(degree=46)),
        ("angle", profile(degree="1e300")),
        ("not_a_number", profile(Crop={"Enabled": "True"})),
        ("not_a_number", profile(x="1.5")),
        ("not_a_number", profile(x="9" * 5000)),
        ("not_a_number", profile(x="1_0")),
        ("not_a_number", profile(x="٣")),
        ("not_a_number", profile(w=2**31)),
        ("not_a_number", profile(degree="3,5")),
        ("not_a_number", profile(degree="nan")),
        ("not_a_number", profile(degree="1e999")),
        ("not_a_number", profile(**{COMMON: {"AutoFill": "false", "Scale": "0"}})),
        ("perspective", profile(Perspective={"Horizontal": "2"})),
        ("perspective", profile(Perspective={"Method": "simple", "Vertical": "-0.5"})),
        ("perspective", profile(Perspective={"Method": "camera_based", "CameraPitch": "3"})),
        ("perspective", profile(Perspective={"Method": "camera_based", "ProjectionYaw": "1"})),
        ("perspective", profile(Perspective={"Enabled": "true", "Shear": "3"})),
        ("perspective", profile(Perspective={"Enabled": "true", "Aspect": "1.1"})),
        ("perspective", profile(Distortion={"Amount": "-0.06"})),
        ("perspective", profile(Distortion={"Enabled": "true", "Auto": "true", "Amount": "0"})),
        ("perspective", profile(LensProfile=ADOBE_FISHEYE)),
        ("perspective", profile(LensProfile=ADOBE_FISHEYE | {"LcMode": "lcp"}, Version=VERSION)),
        ("perspective", profile(LensProfile=LENSFUN_FISHEYE, Version={"Version": "1044"})),
        ("unknown_version", profile(Version={"Version": "355"})),
        ("unknown_version", profile(Version={"Version": "1046"})),
        ("not_a_number", profile(Version={"Version": "new"})),
        ("perspective", profile(Distortion={"Defish": "true"})),
        ("perspective", profile(**{COMMON: {"Scale vertically": "1.2"}})),
    ],
)
def test_unusable_crops_are_rejected_by_kind(kind, settings):
    assert rejection(settings) == kind


@pytest.mark.parametrize(
    "section",
    [
        {"Perspective": {"Method": "simple", "Horizontal": "0", "CameraPitch": "3"}},
        {"Perspective": {"Method": "camera_based", "Vertical": "20", "CameraRoll": "0"}},
        {"Perspective": {"Enabled": "false", "Shear": "3"}},
        {"Perspective": {"Enabled": "true", "Aspect": "1", "FocalLength": "28"}},
        {"Distortion": {"Enabled": "false", "Amount": "0.3"}},
        {"Distortion": {"Amount": "0.05"}},
        {"Resize": {"Enabled": "true", "Scale": "0.5"}},
        {"Framing": {"Enabled": "true", "FramingMethod": "Standard", "RelativeBorderSize": "0.1"}},
        {"Spot removal": {"Enabled": "true", "Spot1": "50;60;120;90;25;0.5;1;"}},
        {"CropGuide": {"Enabled": "true", "Bleed": "0.1", "Basis": "Width"}},
        {"Vignetting Correction": {"Amount": "40"}, "Gradient": {"Enabled": "true", "Degree": "9"}},
        {"LensProfile": {"LcMode": "lfauto"}},
        {"Distortion": {"Enabled": "false", "Auto": "true"}},
        {"LensProfile": {"LcMode": "lcp", "LCPFile": "Adobe/EF24-105mm.lcp"}},
        {"LensProfile": ADOBE_FISHEYE | {"UseDistortion": "false"}},
        {"LensProfile": ADOBE_FISHEYE, "Version": VERSION},  # no LcMode: none since 327
        {"LensProfile": ADOBE_FISHEYE | {"LcMode": "none"}},
        {"LensProfile": LENSFUN_FISHEYE, "Version": VERSION},  # rendered by 5.9: it stays one
    ],
)
def test_corrections_that_are_off_or_small_do_not_warp(section):
    assert rawtherapee.decode(profile(**section), 600, 400).width == 300


def test_sections_and_keys_are_read_by_glibs_rules():
    text = (
        "# made by hand\r\n\n  [Crop]  \n X = 50 \nx=1\nW=1\nW=2\n[A;b]\nK=a;b=c\n[Crop]\nY=\n"
        "[DEFAULT]\nH=%(W)s\n"
    )
    assert profiles.parse_profile(text) == {
        "Crop": {"X": "50", "x": "1", "W": "2", "Y": ""},
        "A;b": {"K": "a;b=c"},
        "DEFAULT": {"H": "%(W)s"},
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "X=1\n[Crop]\n",
        "[Crop]\nnonsense\n",
        "[Crop]\n=3\n",
        "; no comment\n[Crop]\n",
        "[Crop] x\n",
        "[]\n",
        "[Cr[op]\n",
        "\ufeff[Crop]\n",
        "<x:xmpmeta/>",
        "\0\0\0",
    ],
)
def test_a_text_that_is_not_a_profile_is_rejected(text):
    with pytest.raises(RejectedFile) as caught:
        profiles.parse_profile(text)
    assert caught.value.kind == "broken_profile"


@given(
    st.dictionaries(
        st.sampled_from(["Crop", "Rotation", COMMON, "Coarse Transformation", "Perspective"]),
        st.dictionaries(
            st.sampled_from(
                ["Enabled", *"XYWH", "Degree", "AutoFill", "Scale", "Rotate", "Method"]
            ),
            st.one_of(
                st.text(max_size=8),
                st.integers().map(str),
                st.floats().map(str),
                st.sampled_from(["true", "false", "camera_based"]),
            ),
        ),
    ),
    st.integers(1, 50),
    st.integers(1, 50),
    st.integers(0, 9),
)
def test_any_profile_gives_a_crop_or_a_rejection(settings, width, height, exif):
    try:
        rawtherapee.state(settings)
        assert rawtherapee.shown_as(settings, exif) in orientation.ORIENTATIONS
        box = rawtherapee.decode(settings, width, height, exif)
    except RejectedFile:
        return
    assert box.outside(width, height) <= 1
    assert box.width > 0


@given(st.text(alphabet="[]=#; \n\tCrop1", max_size=60))
def test_any_text_is_a_profile_or_broken(text):
    try:
        sections = profiles.parse_profile(text)
    except RejectedFile as error:
        assert error.kind == "broken_profile"
    else:
        assert profiles.parse_profile(format_profile(sections)) == sections
