import json

import pytest
from conftest import ROOT, settings, xmp
from hypothesis import given
from hypothesis import strategies as st

from cropperhead.editors import lightroom
from cropperhead.editors.base import State, displayed_crop
from cropperhead.errors import RejectedFile
from cropperhead.geometry import crops, orientation
from cropperhead.geometry.crops import Crop
from cropperhead.photos import exiftool

VECTORS = json.loads((ROOT / "tests" / "vectors" / "crops.json").read_text())["vectors"]


def rejection(values: dict, width: int = 600, height: int = 400) -> str:
    with pytest.raises(RejectedFile) as caught:
        assert lightroom.state(values) is State.CROPPED
        lightroom.decode(values, width, height)
    return caught.value.kind


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_worked_numbers_are_decoded_and_encoded(vector):
    stored = vector["stored_width"], vector["stored_height"], vector["orientation"]
    expected = vector["displayed"]
    crop = displayed_crop(lightroom.decode(vector["crs"], *stored), *stored)
    frame = expected["frame_width"], expected["frame_height"]
    assert frame == orientation.displayed_size(*stored[:2], stored[2])
    box = crop.in_pixels(*frame)
    found = (box.centre_x, box.centre_y, box.width, box.height, box.angle)
    keys = ("centre_x", "centre_y", "width", "height", "angle")
    # the vectors carry four decimals of a pixel
    assert found == pytest.approx([expected[key] for key in keys], abs=1e-4)
    written = lightroom.encode(crop, *stored)
    assert [written[tag] for tag in lightroom.LIMIT_TAGS] == pytest.approx(
        [vector["crs"][tag] for tag in lightroom.LIMIT_TAGS], abs=1e-6
    )


@given(
    st.tuples(*[st.floats(0.3, 0.7)] * 2, *[st.floats(0.02, 0.9)] * 2, st.floats(-45, 45)),
    st.sampled_from(orientation.ORIENTATIONS),
    st.sampled_from([(6000, 4000), (4000, 6000), (5184, 3888), (1000, 1000)]),
)
def test_what_is_encoded_decodes_to_the_same_crop(values, code, stored):
    frame = orientation.displayed_size(*stored, code)
    y, x, height, width, angle = values
    limits = [y - height / 2, x - width / 2, y + height / 2, x + width / 2, angle]
    limits = crops.inside_frame(limits, frame[0] / frame[1])
    box = lightroom.decode(lightroom.encode(Crop(*limits), *stored, code), *stored)
    again = displayed_crop(box, *stored, code)
    # a thin tilted crop may reach a little beyond the frame: within a pixel it is put on its edge
    limits = Crop.from_rectangle(Crop(*limits).in_pixels(*frame), *frame).limits()
    # six decimals of a fraction; a tilt carries an error of one side over to the other
    assert again.limits() == pytest.approx(limits, abs=5e-6)


def test_left_beyond_right_is_a_tall_tilted_crop():
    # 200 x 1200 px turned by 40: tan 40 = 0.84 > 1/6, so that the stored corners change sides
    crop = Crop(0.35, 0.475, 0.65, 0.525, 40)
    written = lightroom.encode(crop, 4000, 4000)
    assert written["CropLeft"] > written["CropRight"]
    again = displayed_crop(lightroom.decode(written, 4000, 4000), 4000, 4000, 1)
    assert again.limits() == pytest.approx(crop.limits(), abs=1e-5)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, State.SILENT),
        ({"CropAngle": 0}, State.SILENT),
        ({"HasCrop": False}, State.UNCROPPED),
        ({"HasCrop": "False"}, State.UNCROPPED),
        (
            {"HasCrop": False} | {k: v for k, v in settings().items() if k != "HasCrop"},
            State.UNCROPPED,
        ),
        (settings(0, 0, 1, 1), State.UNCROPPED),
        (settings(0, -2e-7, 0.999999, 1.0000001, 1e-6), State.UNCROPPED),  # 0.01 px at 10,000 px
        (settings(0, 0, 0.9999, 1), State.CROPPED),  # 1 px
        ({k: v for k, v in settings(0, 0, 1, 1).items() if k != "HasCrop"}, State.UNCROPPED),
        (settings(0, 0, 1, 1) | {"AlreadyApplied": True}, State.UNCROPPED),
        (settings(), State.CROPPED),
        (settings() | {"HasCrop": True}, State.CROPPED),
        (settings() | {"HasCrop": 1}, State.CROPPED),
        (settings(0, 0.014768, 1, 0.985232, 0.797294), State.CROPPED),  # straightened only
        ({k: f"\n  {v} " for k, v in settings().items()}, State.CROPPED),  # element form, indented
    ],
)
def test_has_crop_gates_everything(values, expected):
    assert lightroom.state(values) is expected


FISHEYE = {"LensProfileName": "Adobe (Canon EF 8-15mm f/4L FISHEYE USM)"}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("already_applied", settings() | {"AlreadyApplied": True}),
        ("already_applied", {"HasCrop": True, "AlreadyApplied": True}),
        ("incomplete", {"HasCrop": True}),
        ("incomplete", {"HasCrop": True, "CropTop": 0.1}),
        ("no_flag", {k: v for k, v in settings().items() if k != "HasCrop"}),
        ("pixels", {"CropTop": 492, "CropLeft": 0, "CropBottom": 900, "CropRight": 600}),
        ("pixels", settings(49, 12, 492, 700)),
        ("not_a_number", settings() | {"CropTop": "NaN"}),
        ("not_a_number", settings() | {"CropLeft": "0,1"}),
        ("not_a_number", settings() | {"CropLeft": "0.1_5"}),
        ("not_a_number", settings() | {"CropLeft": "\N{FULLWIDTH DIGIT ZERO}.1"}),
        ("not_a_number", settings() | {"CropLeft": True}),
        ("not_a_number", settings() | {"CropRight": float("inf")}),
        ("not_a_number", settings() | {"HasCrop": "maybe"}),
        ("angle", settings(angle=170)),
        ("inverted", settings(0.9, 0.1, 0.1, 0.9)),
        ("inverted", settings(0.1, 0.5, 0.9, 0.5)),
        ("outside", settings(0.1, -0.2, 0.9, 1.3)),
        ("outside", settings(0, 0, 1, 1, 3)),  # two corners lie on the frame, two beyond it
        ("perspective", settings() | {"PerspectiveUpright": 2}),
        ("perspective", settings() | {"PerspectiveVertical": -12}),
        ("perspective", settings() | {"PerspectiveScale": 98}),
        ("perspective", settings() | {"LensManualDistortionAmount": 4}),
        ("perspective", settings() | {"LensManualDistortionAmount": "-80"}),
        ("not_a_number", settings() | {"LensManualDistortionAmount": "much"}),
        ("perspective", settings() | FISHEYE | {"LensProfileEnable": 1}),
        ("perspective", settings() | FISHEYE | {"LensProfileEnable": "True"}),
    ],
)
def test_settings_that_make_no_crop_are_rejected_by_kind(kind, values):
    assert rejection(values) == kind


def test_corrections_at_their_defaults_do_not_warp():
    off = {"PerspectiveUpright": 0, "PerspectiveScale": 100, "PerspectiveRotate": "0.0"}
    assert lightroom.decode(settings() | off, 600, 400).height == pytest.approx(0.7 * 400)


@pytest.mark.parametrize(
    "lens",
    [
        {"LensManualDistortionAmount": 3},
        {"LensManualDistortionAmount": -3},
        {"LensProfileEnable": 1, "LensProfileName": "Adobe (Canon EF 24-105mm f/4 L IS USM)"},
        {"LensProfileEnable": 0, "LensProfileName": "Adobe (Sigma 15mm Fisheye)"},
        {
            "LensProfileEnable": 1,
            "LensProfileName": "Adobe (GoPro HERO3)",
            "LensProfileDistortionScale": 0,
        },
    ],
)
def test_a_lens_correction_that_bends_little_or_nothing_keeps_the_crop(lens):
    # 0.2 to 0.9 of 400 px
    assert lightroom.decode(settings() | lens, 600, 400).height == pytest.approx(280)


# What Camera Raw 18 stores of tools that move no frame; their structures repeat names of the top
NEWER = """
<crs:LensBlur crs:Version="1" crs:Active="true" crs:BlurAmount="50" crs:PerspectiveScale="80"/>
<crs:FilterList rdf:parseType="Resource"><crs:Filters><rdf:Seq>
<rdf:li><rdf:Description crs:Name="Enhance" crs:CropAngle="9"/></rdf:li>
</rdf:Seq></crs:Filters></crs:FilterList>
<crs:RetouchAreas><rdf:Seq><rdf:li rdf:parseType="Resource"><crs:SpotType>heal</crs:SpotType>
<crs:HasCrop>False</crs:HasCrop></rdf:li></rdf:Seq></crs:RetouchAreas>
<crs:Look crs:Name="Monochrome"><crs:Parameters crs:PerspectiveUpright="1" crs:CropTop="0.4"/>
</crs:Look>
"""


def test_newer_tools_that_move_no_frame_keep_the_crop(tmp_path):
    shown = {"CropConstrainToWarp": 1, "CropConstrainToUnitSquare": 1, "PerspectiveUpright": 0}
    shown |= {"UprightTransform_4": "1.1,0,0,0,1,0,0,0,1", "AutoLateralCA": 1}
    packet = xmp(settings() | shown).replace(b"</rdf:Description>", b"%b</rdf:Description>")
    file = tmp_path / "a.xmp"
    file.write_bytes(packet % NEWER.encode())
    with exiftool.tag_reader() as reader:
        values = lightroom.read_settings(file, reader.read([file], lightroom.tags)[file])
    assert lightroom.state(values) is State.CROPPED
    # 0.1 to 0.8 of 400 px
    assert lightroom.decode(values, 600, 400).height == pytest.approx(280)


def test_a_corner_less_than_a_pixel_outside_is_rounding():
    # half a pixel of 400
    box = lightroom.decode(settings(top=-0.5 / 400), 600, 400)
    assert displayed_crop(box, 600, 400, 1).top == 0
    assert rejection(settings(top=-1.5 / 400)) == "outside"


@pytest.mark.parametrize(("said", "shown_as"), [(8, 8), (None, 6), (9, 6), ("8", 6), ([8], 6)])
def test_the_settings_orientation_goes_before_the_camera_s(said, shown_as):
    assert lightroom.shown_as(settings() | {"Orientation": said}, 6) == shown_as
