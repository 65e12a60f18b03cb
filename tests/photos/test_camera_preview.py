import io
import math
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from camera_files import (
    CHANGED,
    FULL_HD,
    HEIGHT,
    LARGE_THUMBNAIL,
    ORIENTATION,
    SOFTWARE,
    STEREO,
    TAKEN,
    UNDEFINED,
    WIDTH,
    camera_jpeg,
    jpeg_bytes,
)
from conftest import scene, settings, xmp
from PIL import Image

from cropperhead.photos import image as pictures
from cropperhead.photos import photo_file

LONG_SIDE = 60  # of the copy: a preview needs 84 px, 1.4 times as many
PHOTO = Image.new("RGB", (960, 640), "red")
MAKER_NOTE = 0x927C


def preview(width: int = 324, height: int = 216, colour: str = "blue", **extra) -> bytes:
    """A preview of another colour than the photo, to tell which of them was read."""
    return jpeg_bytes(Image.new("RGB", (width, height), colour), **extra)


def colour(file: Path, content: bytes, long_side: int = LONG_SIDE) -> str:
    """Red for the photo's own pixels, blue or green for a preview's."""
    file.write_bytes(content)
    with photo_file.open_photo(file) as photo:
        shown_as = photo.shown_as
        copy = pictures.upright_copy(photo.picture(long_side), shown_as, long_side)
    assert max(copy.size) == long_side
    return ("red", "green", "blue")[int(np.argmax(copy.getpixel((9, 9))))]


@pytest.mark.parametrize("kind", [LARGE_THUMBNAIL, FULL_HD])
def test_a_preview_of_the_whole_photo_is_decoded_in_its_place(tmp_path, kind):
    assert colour(tmp_path / "a.jpg", camera_jpeg(PHOTO, [(kind, preview())])) == "blue"


def test_the_smallest_preview_that_is_large_enough_is_decoded(tmp_path):
    previews = [
        (FULL_HD, preview(480, 320)),
        (LARGE_THUMBNAIL, preview(240, 160, "lime")),
        (LARGE_THUMBNAIL, preview(81, 54)),  # less than the 84 px that a draft decode gives
    ]
    content = camera_jpeg(PHOTO, previews)
    assert colour(tmp_path / "a.jpg", content) == "green"
    assert colour(tmp_path / "a.jpg", content, 240) == "blue"  # needs 336 px
    assert colour(tmp_path / "a.jpg", content, 500) == "red"


def test_a_picture_in_the_makers_notes_is_not_used(tmp_path):
    """It stays as it was where a program turns or cuts a JPEG without decoding it."""
    notes = b"Nikon\0\2\1\0\0" + preview(160, 107)
    content = camera_jpeg(PHOTO, inner={MAKER_NOTE: notes})
    assert colour(tmp_path / "a.jpg", content) == "red"


def test_only_a_few_of_very_many_listed_pictures_are_tried(tmp_path):
    many = [(FULL_HD, preview(81 + place, 54)) for place in range(20)]
    content = camera_jpeg(PHOTO, [*many, (FULL_HD, preview())])
    assert colour(tmp_path / "a.jpg", content) == "red"


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (324, 216, "blue"),
        (324, 214, "blue"),  # 1.5140 for 1.5: rounded to 8 px, as 1616 x 1080 is
        (320, 240, "red"),  # 4:3 of a photo of 3:2
        (324, 182, "red"),  # 16:9 set in the camera
        (216, 324, "red"),  # turned already, while the photo is not
        (1200, 800, "red"),  # larger than the photo
        (960, 640, "red"),
    ],
)
def test_a_preview_needs_the_photos_aspect_and_fewer_pixels(tmp_path, width, height, expected):
    content = camera_jpeg(PHOTO, [(FULL_HD, preview(width, height))])
    assert colour(tmp_path / "a.jpg", content) == expected


@pytest.mark.parametrize("box", [(0, 20, 324, 176), (20, 0, 284, 216), (0, 0, 324, 200)])
def test_a_letterboxed_preview_is_not_used(tmp_path, box):
    padded = Image.new("RGB", (324, 216))
    padded.paste("blue", (box[0], box[1], box[0] + box[2], box[1] + box[3]))
    assert colour(tmp_path / "a.jpg", camera_jpeg(PHOTO, [(FULL_HD, jpeg_bytes(padded))])) == "red"


@pytest.mark.parametrize(
    ("photo_turn", "preview_turn", "size", "expected"),
    [
        (6, None, (960, 640), "blue"),  # stored as the photo is: a turned one has another aspect
        (6, 6, (960, 640), "blue"),
        (6, 8, (960, 640), "red"),
        (3, None, (960, 640), "red"),  # one that is turned already would look the same
        (6, None, (640, 640), "red"),
        (1, 3, (960, 640), "red"),
    ],
)
def test_a_preview_that_may_be_turned_is_not_used(
    tmp_path, photo_turn, preview_turn, size, expected
):
    tags = Image.Exif()
    tags[ORIENTATION] = preview_turn or 1
    extra = {"exif": tags} if preview_turn else {}
    small = preview(size[0] // 3, size[1] // 3, **extra)
    photo = camera_jpeg(PHOTO.resize(size), [(FULL_HD, small)], {ORIENTATION: photo_turn})
    assert colour(tmp_path / "a.jpg", photo) == expected


@pytest.mark.parametrize("kind", [STEREO, UNDEFINED, 0x020003, 0x020001])
def test_another_picture_of_a_multi_picture_file_is_no_preview(tmp_path, kind):
    assert colour(tmp_path / "a.mpo.jpg", camera_jpeg(PHOTO, [(kind, preview())])) == "red"


@pytest.mark.parametrize(
    ("tags", "inner"),
    [
        ({SOFTWARE: "Adobe Photoshop Lightroom Classic 13.2"}, {}),
        ({CHANGED: "2024:05:02 09:00:00"}, {}),
        ({CHANGED: None}, {}),
        ({}, {0x9003: None}),
        ({}, {WIDTH: 1440, HEIGHT: 960}),  # cropped or made smaller since
        ({}, {WIDTH: None}),
    ],
)
def test_the_preview_of_a_photo_that_may_be_edited_is_not_used(tmp_path, tags, inner):
    content = camera_jpeg(PHOTO, [(FULL_HD, preview())], tags, inner)
    assert colour(tmp_path / "a.jpg", content) == "red"


def test_the_preview_of_a_photo_that_a_program_saved_is_not_used(tmp_path):
    """It keeps EXIF and what is behind the photo, but writes segments of its own."""
    content = camera_jpeg(PHOTO, [(FULL_HD, preview())])
    for segment in (b"\xff\xe0\0\x04JF", b"\xff\xed\0\x04Ph", b"\xff\xee\0\x04Ad"):
        # at the end of EXIF: before it, the index's places would be wrong, too
        place = 4 + int.from_bytes(content[4:6])
        moved = content[:place] + segment + content[place:]
        assert colour(tmp_path / "a.jpg", moved) == "red", segment


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (b"<x:xmpmeta xmp:Rating='0'/>", "blue"),
        (b"<x:xmpmeta xmp:CreatorTool='GIMP 2.10'/>", "red"),
        (b"<x:xmpmeta stEvt:softwareAgent='Adobe Photoshop 25.0'/>", "red"),
        (xmp(settings()), "red"),
    ],
)
def test_a_program_that_xmp_names_makes_a_preview_doubtful(tmp_path, packet, expected):
    content = camera_jpeg(PHOTO, [(FULL_HD, preview())])
    index = content.index(b"\xff\xe2")
    after = content.index(b"\xff\xdb", index)  # where the places in the index stay right
    body = b"http://ns.adobe.com/xap/1.0/\0" + packet
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body
    start = len(content) - len(preview())
    moved = content[:after] + segment + content[after:]
    size, place = start.to_bytes(4, "little"), (start - index - 8).to_bytes(4, "little")
    head = moved[:after].replace(size, (start + len(segment)).to_bytes(4, "little"))
    head = head.replace(place, (start + len(segment) - index - 8).to_bytes(4, "little"))
    assert colour(tmp_path / "a.jpg", head + moved[after:]) == expected


def test_damaged_places_sizes_and_previews_cost_nothing_but_time(tmp_path):
    small = preview()
    whole = camera_jpeg(PHOTO, [(FULL_HD, small)])
    place = (len(whole) - len(small) - whole.index(b"MPF\0") - 4).to_bytes(4, "little")
    length = len(small).to_bytes(4, "little")
    damaged = {
        "cut off": whole[:-20],
        "gone": whole[: -len(small)],
        "other place": whole.replace(place, (5).to_bytes(4, "little")),
        "far away": whole.replace(place, b"\xff\xff\xff\x7f"),
        "too short": whole.replace(length, (300).to_bytes(4, "little")),
        "too long": whole.replace(length, b"\xff\xff\xff\x7f"),
        "no JPEG": whole.replace(small, b"\xff\xd8" + bytes(len(small) - 4) + b"\xff\xd9"),
    }
    for name, content in damaged.items():
        assert content != whole, name
        assert colour(tmp_path / "a.jpg", content) == "red", name


def test_colours_of_another_space_are_not_taken_over(tmp_path):
    profile = b"a profile that only the photo has"
    photo = jpeg_bytes(PHOTO, icc_profile=profile)
    assert colour(tmp_path / "a.jpg", camera_jpeg(photo, [(FULL_HD, preview())])) == "red"
    same = preview(icc_profile=profile)
    assert colour(tmp_path / "a.jpg", camera_jpeg(photo, [(FULL_HD, same)])) == "blue"


def test_a_copy_made_of_the_preview_differs_less_than_its_own_compression_takes(tmp_path):
    photo = scene(3, 1920, 1280)
    small = jpeg_bytes(photo.resize((648, 432), Image.Resampling.LANCZOS), 92)
    (tmp_path / "a.jpg").write_bytes(camera_jpeg(photo, [(FULL_HD, small)]))
    with photo_file.open_photo(tmp_path / "a.jpg") as opened:
        copy = pictures.upright_copy(opened.picture(200), 1, 200)
    exact = photo.resize(copy.size, Image.Resampling.LANCZOS)
    compressed = Image.open(io.BytesIO(jpeg_bytes(exact, 90)))
    assert psnr(copy, exact) > psnr(compressed, exact)


def psnr(image: Image.Image, other: Image.Image) -> float:
    difference = np.asarray(image, float) - np.asarray(other, float)
    return 10 * math.log10(255**2 / (difference**2).mean())


@pytest.mark.parametrize(("software", "expected"), [("17.5.1", True), ("Luminar Neo", False)])
def test_an_item_of_an_heic_is_decoded_if_the_camera_wrote_it(tmp_path, software, expected):
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif.update({SOFTWARE: software, CHANGED: TAKEN})
    exif[0x8769] = {0x9003: TAKEN, WIDTH: 960, HEIGHT: 640}
    file, buffer = tmp_path / "a.heic", io.BytesIO()
    scene(1, 960, 640).save(buffer, "HEIF", thumbnails=[240], exif=exif.tobytes(), quality=90)
    file.write_bytes(buffer.getvalue())
    with photo_file.open_photo(file) as photo:
        assert photo.frame == (960, 640)
        read = photo.picture(LONG_SIDE)
        assert read.size == ((240, 160) if expected else (960, 640))
        copy = pictures.upright_copy(read, photo.shown_as, LONG_SIDE)
    exact = scene(1, 960, 640).resize((60, 40), Image.Resampling.LANCZOS)
    assert psnr(copy, exact) > 30
