import zlib

import pytest
from catalog_files import REAL_CROP, packed, real_text
from hypothesis import given
from hypothesis import strategies as st

from cropperhead.editors import lightroom
from cropperhead.editors.base import State
from cropperhead.editors.lightroom_develop_settings import (
    MAX_TEXT_BYTES,
    parse_develop_settings,
    parse_table,
)
from cropperhead.errors import RejectedFile

WHOLE_FRAME = {"CropTop": 0, "CropLeft": 0, "CropBottom": 1, "CropRight": 1, "CropAngle": 0}


def read(text: str, letters: str | None = None) -> dict:
    return parse_develop_settings(text.encode(), lightroom.TAGS, letters)


def rejection(text: str | bytes) -> RejectedFile:
    with pytest.raises(RejectedFile) as caught:
        parse_develop_settings(text if isinstance(text, bytes) else text.encode(), lightroom.TAGS)
    assert caught.value.kind == "broken_catalog"
    return caught.value


def test_a_real_crop_is_decoded_to_the_size_that_lightroom_shows():
    box = lightroom.decode(read(real_text()), 4000, 3000)
    # Lightroom's own croppedWidth and croppedHeight of this image
    assert (round(box.width), round(box.height)) == (3260, 1834)
    assert box.angle == -0.83


def test_only_the_top_level_counts():
    found = read(real_text())  # its look holds CropTop 0.7 and Upright 3, its mask CropLeft 0.7
    assert found["CropTop"] == REAL_CROP["CropTop"]
    assert found["CropLeft"] == REAL_CROP["CropLeft"]
    assert "PerspectiveUpright" not in found
    assert found["PerspectiveScale"] == 100
    assert "ProcessVersion" not in found  # nobody wanted it


def test_wanted_settings_have_their_types_and_come_sorted_by_name():
    wanted = ["WhiteBalance", "CameraProfile", "ConvertToGrayscale", "Exposure2012", "RedEyeInfo"]
    assert list(parse_develop_settings(real_text({}).encode(), wanted).items()) == [
        ("CameraProfile", "Adobe Standard"),
        ("ConvertToGrayscale", False),
        ("Exposure2012", 0.3),
        ("RedEyeInfo", "{  },\nRetouchInfo = {  },\nToneCurvePV2012"[:40]),
        ("WhiteBalance", "As Shot"),
        ("HasCrop", False),
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (REAL_CROP, State.CROPPED),
        ({}, State.UNCROPPED),  # Lightroom names no limits until somebody crops
        (WHOLE_FRAME, State.UNCROPPED),  # the crop was reset
        ({"CropConstrainAspectRatio": True}, State.UNCROPPED),
        ({"CropLeft": -999999, "CropTop": -999999}, State.UNCROPPED),  # yet to be worked out
        (WHOLE_FRAME | {"CropTop": 0.1}, State.CROPPED),
    ],
)
def test_has_crop_follows_from_the_limits(values, expected):
    assert lightroom.state(read(real_text(values))) is expected


@pytest.mark.parametrize("values", [{"CropAngle": -1.5}, {"CropTop": 0.1, "CropLeft": 0.1}])
def test_a_crop_that_lacks_limits_is_rejected_not_guessed(values):
    with pytest.raises(RejectedFile) as caught:
        lightroom.state(read(real_text(values)))
    assert caught.value.kind == "incomplete"


def test_upright_is_passed_on_to_the_editor_that_rejects_it():
    found = read(real_text(REAL_CROP | {"PerspectiveUpright": 1}))
    with pytest.raises(RejectedFile) as caught:
        lightroom.decode(found, 4000, 3000)
    assert caught.value.kind == "perspective"


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_image_without_edits_has_no_settings_of_a_crop(text):
    assert read(text) == {}
    assert lightroom.state(read(text, "BC")) is State.SILENT


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        *[("AB", 1), ("BA", 2), ("CD", 3), ("DC", 4), ("CB", 5), ("BC", 6), ("AD", 7), ("DA", 8)],
        *[("ZZ", None), (None, None)],
    ],
)
def test_letters_name_the_orientation(letters, expected):
    assert read("s = { }", letters).get("Orientation") == expected


def test_compressed_settings_are_inflated():
    assert parse_develop_settings(packed(real_text()), lightroom.TAGS) == read(real_text())


@pytest.mark.parametrize(
    "stored",
    [
        b"\0\0\0",
        b"\0\0\0\x08no zlib.",
        packed(real_text())[:-8],  # cut off
        (5).to_bytes(4) + zlib.compress(b"s = { }"),  # longer than it says
        (50).to_bytes(4) + zlib.compress(b"s = { }"),
        MAX_TEXT_BYTES.to_bytes(4) + zlib.compress(bytes(MAX_TEXT_BYTES + 1)),
    ],
)
def test_broken_or_bloated_compression_is_rejected(stored):
    rejection(stored)


@pytest.mark.parametrize(
    "text",
    [
        "CropTop = 0.1",
        "s = ",
        "return { CropTop = 0.1 }",
        "s = { CropTop = 0.1",
        "s = { CropTop = 0.1, Look = { } ",
        's = { Name = "no end, CropTop = 0.1 }',
        "s = { Name = 'no end\\'}",
        "s = { Name = [==[ no end ]=] }",
        "s = { --[[ no end }",
        "s = { -- no end }",
        "SQLite format 3",
    ],
)
def test_an_incomplete_table_is_rejected(text):
    rejection(text)


@pytest.mark.parametrize(
    "text",
    [
        "s = { CropTop = 0.25 }",
        "  settings={CropTop=.25;}",
        "{ ['CropTop'] = 0.25 }",
        's = { [ "CropTop" ] = 2.5e-1, }',
        "s = { 'CropTop = 0.5', CropTop = 0.25 }",
        's = { Name = "\\"CropTop = 0.5", CropTop = 0.25 }',
        "s = { Name = [[ CropTop = 0.5 }]], CropTop = 0.25 }",
        "s = { Name = [==[ ]] } ]==], CropTop = 0.25 }",
        "s = { -- CropTop = 0.5 }\n CropTop = 0.25 -- }\n}",
        "s = { --[[ } \n ]] CropTop = 0.25 --[=[ ]] ]=] }",
        "s = { CropTop = 0.5, CropTop = 0.25 }",  # the last counts, as in Lua
        "s = { MyCropTop = 0.5, CropTopMost = 0.5, a.CropTop = 0.5, _CropTop = 0.5, CropTop=0.25}",
        "s = { [1] = 0.5, CropTop = 0.25, { CropTop = 0.5 } }",
        "s = { CropTop = 0.25 } CropTop = 0.5",
        "s = { CropTop\n=\n0.25\n}\n\n",
    ],
)
def test_every_spelling_of_lua_is_parsed(text):
    assert parse_table(text, ["CropTop"]) == {"CropTop": 0.25}


@pytest.mark.parametrize("value", ["nan", "os.execute('rm')", "{ 0.1 }", "0x1F", "0.1 + 0.2", "--"])
def test_a_value_that_is_not_a_number_is_passed_on_to_the_editor(value):
    with pytest.raises(RejectedFile) as caught:
        lightroom.decode(read(f"s = {{ CropTop = {value}\n, CropLeft = 0, CropBottom = 1 }}"), 9, 9)
    assert caught.value.kind in {"not_a_number", "incomplete"}


def test_texts_are_unescaped():
    said = parse_table(r's = { Name = "\"a\\b\" \65\n" }', ["Name"])["Name"]
    assert said == '"a\\b" A\n'


def test_any_depth_of_nesting_is_parsed():
    text = f"s = {{ X = {'{' * 200_000}{'}' * 200_000}, CropTop = 0.25 }}"
    assert parse_table(text, ["CropTop"]) == {"CropTop": 0.25}


@given(st.text(alphabet="{}[]=-\"'\\, \nsCropTop0.1", max_size=80))
def test_any_text_is_a_table_or_a_rejection(text):
    try:
        found = parse_develop_settings(text.encode(), lightroom.TAGS)
    except RejectedFile as error:
        assert error.kind == "broken_catalog"
    else:
        assert found.keys() <= {*lightroom.TAGS}


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_a_table_or_a_rejection(data, compressed):
    try:
        parse_develop_settings(b"\0\0" + data if compressed else data, lightroom.TAGS)
    except RejectedFile as error:
        assert error.kind == "broken_catalog"
