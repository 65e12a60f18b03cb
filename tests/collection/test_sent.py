import json

import pytest
from sent_photos import crop, fields, text

from cropperhead.collection import sent
from cropperhead.errors import RejectedFile


def refusal(content):
    with pytest.raises(RejectedFile) as caught:
        sent.parse_crop(content)
    return caught.value


def test_what_the_page_sends_is_read():
    read = sent.parse_crop(text(crop=crop(0.1, 0.2, 0.8, 0.9, -3.5)))
    assert read.crop.limits().tolist() == [0.1, 0.2, 0.8, 0.9, -3.5]
    assert read.suggested.limits().tolist() == [0.05, 0.1, 0.9, 0.95, 0.0]
    assert (read.shown, read.model, read.confidence) == ("suggestion", "small-1a2b", 0.7)


def test_keys_are_stored_as_hashes_that_differ_by_purpose():
    read = sent.parse_crop(text(sender="ef" * 16, receipt="ef" * 16))
    assert "efef" not in read.author + read.receipt
    assert read.author != read.receipt


def test_a_photo_without_a_suggestion_is_possible():
    plain = text(shown="whole", started_from="whole", suggested=None, model=None, confidence=None)
    assert sent.parse_crop(plain).suggested is None


@pytest.mark.parametrize(
    "number",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "5.1",
        "true",
        '"0.5"',
        "null",
        "[]",
        "1" + "0" * 400,
    ],
)
def test_limits_are_finite_numbers_inside_the_photo(number):
    content = text(crop=crop(bottom=12345.0)).replace("12345.0", number)
    assert number in content
    assert refusal(content).kind in {"json", "field"}


@pytest.mark.parametrize(
    "changes",
    [
        {"crop": crop(0.5, 0.2, 0.5, 0.9)},
        {"crop": crop(0.8, 0.2, 0.1, 0.9)},
        {"crop": crop(angle=46)},
        {"crop": crop() | {"more": 1}},
        {"crop": [0, 0, 1, 1, 0]},
        {"crop": None},
        {"id": "../../etc/passwd"},
        {"id": "AB" * 16},
        {"sender": "ab"},
        {"receipt": 5},
        {"consent": "yes"},
        {"shown": "nothing"},
        {"shown": ["suggestion"]},
        {"started_from": {}},
        {"confidence": 1.5},
        {"model": "a b"},
        {"model": None},
        {"suggested": None},
        {"suggested": None, "model": None},
        {"file_name": "x.jpg"},
    ],
)
def test_what_cannot_be_used_is_refused_by_name(changes):
    assert refusal(text(**changes)).kind == "field"


@pytest.mark.parametrize(
    "content", ["", "[]", "5", "{", "[" * 4000, '{"id": 1, "id": 2}', "x" * 5000, b"\xff\xfe"]
)
def test_what_is_no_object_of_json_is_refused(content):
    assert refusal(content).kind == "json"


def test_a_missing_key_is_named():
    left = {name: value for name, value in fields().items() if name != "consent"}
    assert "missing key 'consent'" in str(refusal(json.dumps(left)))


def test_a_tilted_crop_must_fit_into_the_photo_s_own_shape():
    # In a photo of 200 x 100 px, a square of 50 px turned by 30 degrees reaches
    # 25 (cos 30 + sin 30) = 34.15 px from its centre: at 30 px that is 4.15 px too far, 2.1 %
    # of the width
    near_the_edge = sent.parse_crop(text(crop=crop(0.25, 0.025, 0.75, 0.275, 30)))
    with pytest.raises(RejectedFile, match=r"crop: a corner is outside the photo by 2\.1%"):
        sent.check_in_frame(near_the_edge, 200, 100)
    farther = sent.parse_crop(text(crop=crop(0.25, 0.05, 0.75, 0.3, 30)))  # centre at 35 px
    sent.check_in_frame(farther, 200, 100)
