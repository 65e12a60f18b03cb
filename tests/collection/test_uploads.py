import io
import struct

import numpy as np
import pytest
from PIL import Image
from sent_photos import jpeg

from cropperhead.collection import uploads
from cropperhead.errors import RejectedFile


def segment(marker, payload):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload


def with_segment(content, marker, payload):
    return content[:2] + segment(marker, payload) + content[2:]


def kind_of(content):
    with pytest.raises(RejectedFile) as caught:
        uploads.check_upload(content)
    return caught.value.kind


def saved(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def test_a_canvas_s_jpeg_keeps_its_pixels():
    content = jpeg(120, 80)
    upload = uploads.check_upload(content)
    assert (upload.width, upload.height) == (120, 80)
    before, after = (Image.open(io.BytesIO(one)) for one in (content, upload.jpeg))
    assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 2}, {"quality": 30}])
def test_all_that_canvases_write_is_accepted(options):
    assert uploads.check_upload(jpeg(**options)).width == 96


def test_grey_photos_are_accepted():
    assert uploads.check_upload(saved(Image.new("L", (64, 48), 90))).height == 48


@pytest.mark.parametrize(
    ("marker", "payload"),
    [
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0<secret/>"),
        (0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\0secret"),
        (0xE2, b"ICC_PROFILE\0\x01\x01secret"),
        (0xED, b"Photoshop 3.0\0secret"),
        (0xFE, b"secret"),
        (0xE0, b"JFXX\0secret"),
    ],
)
def test_metadata_is_removed(marker, payload):
    plain = jpeg(seed=1)
    upload = uploads.check_upload(with_segment(plain, marker, payload))
    assert b"secret" not in upload.jpeg
    assert upload == uploads.check_upload(plain)


def test_what_comes_after_the_picture_is_removed():
    plain = jpeg(seed=1)
    assert uploads.check_upload(plain + b"secret" + plain).jpeg == uploads.check_upload(plain).jpeg


def test_checking_a_checked_photo_changes_nothing():
    once = uploads.check_upload(jpeg())
    assert uploads.check_upload(once.jpeg) == once


@pytest.mark.parametrize("restart", [4, 16])
def test_restart_markers_are_part_of_the_pixels(restart):
    content = jpeg(restart_marker_blocks=restart)
    assert content.count(b"\xff\xdd") == 1
    assert uploads.check_upload(content).width == 96


def test_a_turned_photo_is_refused_because_its_crop_would_be_of_another_frame():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert kind_of(jpeg(exif=exif)) == "turned"
    exif[0x0112] = 1
    assert uploads.check_upload(jpeg(exif=exif)).width == 96


def test_a_progressive_photo_is_refused():
    assert kind_of(jpeg(progressive=True)) == "not_baseline"


def test_sizes_are_limited():
    # 1,225 x 1,225 = 1.500625 megapixels
    assert kind_of(saved(Image.new("L", (1225, 1225)))) == "too_large"
    assert uploads.check_upload(saved(Image.new("L", (1224, 1224)))).width == 1224
    assert kind_of(saved(Image.new("L", (4097, 64)))) == "too_large"
    assert kind_of(saved(Image.new("L", (31, 64)))) == "too_small"


def test_a_size_that_the_header_claims_is_believed_before_anything_is_decoded():
    content = bytearray(jpeg())
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", 60000, 60000)
    assert kind_of(bytes(content)) == "too_large"


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_other_colours_are_refused(mode):
    options = {"keep_rgb": True} if mode == "RGB" else {}
    assert kind_of(saved(Image.new(mode, (64, 64)), **options)) == "colours"


def test_adobe_s_word_that_colours_are_rgb_is_heard():
    adobe = b"Adobe\0\x64\0\0\0\0"
    assert kind_of(with_segment(jpeg(), 0xEE, adobe + b"\0")) == "colours"
    assert uploads.check_upload(with_segment(jpeg(), 0xEE, adobe + b"\x01")).width == 96


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"GIF89a", b"\x89PNG\r\n\x1a\n" * 9])
def test_what_is_no_jpeg_is_refused(content):
    assert kind_of(content) in {"not_jpeg", "damaged"}


def test_every_way_of_cutting_a_photo_off_is_found():
    content = jpeg(40, 40)
    for length in range(len(content) - 2):
        assert kind_of(content[:length]) in {"damaged", "not_jpeg"}, length


def test_two_scans_are_refused():
    content = jpeg()
    scan = content[content.index(b"\xff\xda") : -2]
    assert kind_of(content[:-2] + scan + b"\xff\xd9") == "not_baseline"


def test_tables_cannot_carry_a_payload():
    table = segment(0xDB, b"\x01" + bytes(range(1, 65)))
    content = jpeg()
    assert kind_of(content[:2] + table * 200 + content[2:]) == "damaged"


def test_a_thousand_damaged_photos_are_refused_or_decode():
    rng, content = np.random.default_rng(5), jpeg(64, 48, seed=2)
    for _ in range(1000):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 6)):
            damaged[place] = rng.integers(0, 256)
        try:
            upload = uploads.check_upload(bytes(damaged))
        except RejectedFile:
            continue
        Image.open(io.BytesIO(upload.jpeg)).load()
