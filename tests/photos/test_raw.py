import io
import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from conftest import settings, xmp
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from raw_files import (
    BYTE,
    LONG,
    RATIONAL,
    SCENE,
    SHORT,
    UNDEFINED,
    Value,
    claim,
    save_dng,
    scene,
    text,
)

from cropperhead.errors import RejectedFile
from cropperhead.photos import as_taken, raw_header
from cropperhead.photos import image as photos
from cropperhead.photos import raw as raws

ORIENTATION, PREVIEW_PROGRAM, PREVIEW_SETTINGS, PREVIEW_DIGEST = 274, 50966, 50968, 50969
CROP_SIZE, ACTIVE_AREA, IMAGE_WIDTH, DEFAULT_SCALE = 50720, 50829, 256, 50718
USER_CROP, SOFTWARE, CHANGED, TAKEN = 51125, 305, 306, 36867
JPEG_XL = {259: (SHORT, [52546])}
# the preview's colours tell it from the RAW pixels
OTHER = {"top left": "yellow", "top right": "cyan", "bottom left": "olive", "bottom right": "white"}


def picture(file, long_side=300):
    with raws.open_raw(file, 400) as raw:
        return raw.frame, raw.picture(long_side)


def corners(image: Image.Image, inset: int = 3) -> np.ndarray:
    """The colours near the four corners, in SCENE's order: where a wrong cut would show."""
    low, right, bottom = inset, image.width - 1 - inset, image.height - 1 - inset
    places = [(low, low), (right, low), (low, bottom), (right, bottom)]
    return np.array([image.getpixel(place) for place in places])


def rejection(file, max_megapixels=400) -> RejectedFile:
    with pytest.raises(RejectedFile) as caught, raws.open_raw(file, max_megapixels) as raw:
        raw.picture(60)
    return caught.value


def developed(image: Image.Image) -> bool:
    """Whether the picture was made of the RAW pixels, upright and uncut; else of the preview."""
    hues = corners(image)
    if (hues[0] > 200)[:2].all():  # yellow
        return False
    assert hues[0].argmax() == 0  # red
    assert hues[1].argmax() == 1  # green
    assert hues[2].argmax() == 2  # blue
    assert np.ptp(hues[3]) <= 4  # grey
    return True


def test_exiftool_reads_what_the_tests_write(tmp_path):
    tags = {ORIENTATION: (SHORT, [6]), 700: (BYTE, xmp(settings(top=0.25), orientation=6))}
    file = save_dng(tmp_path / "a.dng", preview=scene(600, 400), tags=tags)
    answer = subprocess.run(["exiftool", "-json", "-n", file], capture_output=True, check=True)
    said = json.loads(answer.stdout)[0]
    assert said["FileType"] == "DNG"
    assert said["DefaultCropSize"] == "1200 800"
    assert said["Orientation"] == 6
    assert said["CropTop"] == 0.25
    assert said["PreviewImageLength"] > 1000


@pytest.mark.parametrize("layout", ["bayer", "lossless", "linear"])
@pytest.mark.parametrize("long_side", [40, 120])  # half of the pixels are enough, or all are needed
def test_the_raw_pixels_are_cut_to_the_default_crop(tmp_path, layout, long_side):
    file = save_dng(tmp_path / "a.dng", scene(240, 160), layout=layout)
    frame, image = picture(file, long_side)
    assert frame == (240, 160)
    halved = long_side == 40 and layout != "linear"  # which has no pattern to halve
    assert image.size == ((120, 80) if halved else (240, 160))
    assert developed(image)


@pytest.mark.parametrize("masked", [(4, 6, 2, 2), (3, 5, 2, 2), (0, 0, 0, 0)])
@pytest.mark.parametrize("inset", [(8, 10, 8, 6), (7, 9, 5, 3), (0, 0, 0, 0)])
def test_a_default_crop_may_begin_at_any_pixel(tmp_path, masked, inset):
    # LibRaw 0.22 moves an odd beginning by a pixel, and so makes the frame 239 x 159
    file = save_dng(tmp_path / "a.dng", scene(240, 160), masked=masked, inset=inset)
    frame, image = picture(file, long_side=120)
    assert frame == (240, 160)
    # an odd active area loses its first row and column in LibRaw
    assert image.size == pytest.approx((240, 160), abs=1)
    assert developed(image)


def test_grey_is_as_bright_as_in_a_camera_s_own_picture(tmp_path):
    # 100 is 0.127 of white, what a grey card of 18 % exposes to; 0.18 is shown as 118
    file = save_dng(tmp_path / "a.dng", Image.new("RGB", (240, 160), (100, 100, 100)))
    _, image = picture(file, 60)
    assert corners(image) == pytest.approx(np.full((4, 3), 118), abs=2)


def test_a_night_stays_dark(tmp_path):
    night = scene(240, 160, dict.fromkeys(SCENE, (9, 9, 9)))
    _, image = picture(save_dng(tmp_path / "a.dng", night), 60)
    assert np.asarray(image).max() < 20


def test_a_preview_of_the_frame_s_aspect_is_used(tmp_path):
    file = save_dng(tmp_path / "a.dng", preview=scene(900, 600, OTHER))
    frame, image = picture(file)
    assert frame == (1200, 800)
    assert image.size == (450, 300)  # 900 / 2, which is still 1.4 times 300
    assert not developed(image)


@pytest.mark.parametrize(
    ("long_side", "size"),
    [
        (100, (150, 100)),  # 140 px are wanted, as of a photo without previews
        (200, (450, 300)),
        (600, (900, 600)),  # 840 px
        (700, (900, 600)),  # too small for 980 px, but enough for the copy: the largest, as before
    ],
)
def test_the_smallest_preview_that_is_large_enough_is_used(tmp_path, long_side, size):
    smaller = [scene(450, 300, OTHER), scene(120, 80, OTHER), scene(150, 100, OTHER)]
    file = save_dng(tmp_path / "a.dng", preview=scene(900, 600, OTHER), smaller=smaller)
    frame, image = picture(file, long_side)
    assert frame == (1200, 800)
    assert image.size == size
    assert not developed(image)


def test_a_smaller_preview_of_another_framing_is_passed_over(tmp_path):
    padded = Image.new("RGB", (450, 300))
    padded.paste(scene(450, 253, OTHER), (0, 24))
    smaller = [scene(450, 253, OTHER), padded]
    file = save_dng(tmp_path / "a.dng", preview=scene(900, 600, OTHER), smaller=smaller)
    assert picture(file, 100)[1].size == (225, 150)  # the large one, decoded at a quarter


def test_a_large_preview_is_decoded_small(tmp_path):
    file = save_dng(tmp_path / "a.dng", preview=scene(2400, 1600, OTHER))
    # 2400 / 8 = 300 is at least 1.4 times 100
    assert picture(file, long_side=100)[1].size == (300, 200)


@pytest.mark.parametrize(
    ("width", "height", "used"),
    [
        (900, 600, True),
        (1616, 1080, True),  # a camera's rounding of 3:2, 0.25 % off
        (900, 675, False),  # 4:3, set in the camera
        (600, 600, False),
        (600, 900, False),  # stored turned
        (270, 180, False),  # smaller than what is wanted of it
    ],
)
def test_a_preview_is_used_if_it_shows_the_frame_large_enough(tmp_path, width, height, used):
    file = save_dng(tmp_path / "a.dng", preview=scene(width, height, OTHER))
    assert developed(picture(file)[1]) is not used


@pytest.mark.parametrize("code", range(1, 9))
def test_no_orientation_turns_the_picture(tmp_path, code):
    tags = {ORIENTATION: (SHORT, [code])}
    exif = Image.Exif()
    exif[ORIENTATION] = code
    file = save_dng(
        tmp_path / "a.dng", preview=scene(900, 600, OTHER), tags=tags, preview_exif=exif.tobytes()
    )
    _, image = picture(file)
    assert image.width > image.height
    # whether a preview was turned upside down or mirrored, its aspect would not show
    assert developed(image) is (code not in {1, 5, 6, 7, 8})


def test_a_square_preview_of_a_turned_photo_is_not_trusted(tmp_path):
    for code in (1, 6):
        file = save_dng(
            tmp_path / "a.dng",
            scene(800, 800),
            scene(600, 600, OTHER),
            tags={ORIENTATION: (SHORT, [code])},
        )
        assert developed(picture(file)[1]) is (code == 6)


@pytest.mark.parametrize(
    "made_by",
    [
        {PREVIEW_PROGRAM: text("Adobe Photoshop Lightroom Classic")},
        {PREVIEW_PROGRAM: text("Adobe DNG Converter")},
        {PREVIEW_SETTINGS: text("Default")},
        {PREVIEW_DIGEST: (BYTE, range(16))},
    ],
)
def test_a_preview_that_an_editor_rendered_is_not_used(tmp_path, made_by):
    # it shows the crop already, and may by chance have the frame's aspect
    packet = {700: (BYTE, xmp(settings(0.25, 0.25, 0.75, 0.75)))}
    file = save_dng(tmp_path / "a.dng", preview=scene(900, 600, OTHER), tags=packet | made_by)
    assert developed(picture(file)[1])


@pytest.mark.parametrize("framing", [(1, 5, 1, 5, 4, 5, 4, 5), (0, 1, 1, 9, 1, 1, 8, 9)])
def test_a_preview_of_the_camera_s_own_framing_is_not_used(tmp_path, framing):
    # a digital zoom keeps the frame's aspect
    tags = {USER_CROP: (RATIONAL, framing)}
    file = save_dng(tmp_path / "a.dng", preview=scene(900, 600, OTHER), raw_tags=tags)
    assert developed(picture(file)[1])
    whole = {USER_CROP: (RATIONAL, (0, 1, 0, 1, 1, 1, 1, 1))}
    file = save_dng(tmp_path / "b.dng", preview=scene(900, 600, OTHER), raw_tags=whole)
    assert not developed(picture(file)[1])


@pytest.mark.parametrize(
    ("tags", "used"),
    [
        ({}, True),
        ({SOFTWARE: text("Capture NX 2.4.7 W")}, False),
        ({SOFTWARE: text("NX Studio 1.2.1")}, False),
        ({SOFTWARE: text("Digital Photo Professional")}, False),
        ({SOFTWARE: text("Test v2.10")}, True),  # the camera's name and its firmware
        ({SOFTWARE: text("Digital Camera Test Ver2.10")}, True),
        ({SOFTWARE: text("17.0.3")}, True),
        ({SOFTWARE: text("S908BXXU2AVF1")}, True),  # a telephone's build
        ({SOFTWARE: text("digiKam-8.1.0")}, False),
        ({CHANGED: text("2024:05:02 18:30:00")}, False),  # it was taken the day before
        ({CHANGED: text("")}, False),  # then nothing proves that it is as it was taken
        ({TAKEN: text("")}, False),
    ],
)
def test_a_preview_counts_if_no_program_has_changed_the_file(tmp_path, tags, used):
    file = save_dng(tmp_path / "a.dng", preview=scene(900, 600, OTHER), tags=tags)
    assert developed(picture(file)[1]) is not used


def created_by(name: str) -> dict[int, Value]:
    packet = xmp({}).replace(b'rdf:about=""', f'rdf:about="" xmp:CreatorTool="{name}"'.encode())
    return {700: (BYTE, packet)}


def nikon_notes(*tags: int) -> dict[int, Value]:
    """Nikon's maker's note with some tags, in a TIFF structure of its own."""
    entries = b"".join(struct.pack("<HHII", tag, UNDEFINED, 4, 0) for tag in tags)
    inner = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    return {37500: (UNDEFINED, b"Nikon\0\2\x10\0\0" + inner)}


@pytest.mark.parametrize(
    ("tags", "used"),
    [
        (created_by("Photo Mechanic 6.0"), False),
        (created_by("Test Ver.1.10 "), True),  # the camera itself
        ({700: (BYTE, b"<xmp:CreatorTool>ViewNX 2.9 M</xmp:CreatorTool>")}, False),
        ({700: (BYTE, xmp(settings()))}, True),  # of a DNG, where Adobe marks its own previews
        (nikon_notes(0x0E01), False),  # Capture NX, which leaves the camera's times and Software
        (nikon_notes(0x0E0E), False),
        (nikon_notes(0x0001, 0x0E22), True),
    ],
)
def test_a_preview_counts_if_no_program_has_left_its_trace_in_the_file(tmp_path, tags, used):
    file = save_dng(tmp_path / "a.dng", preview=scene(900, 600, OTHER), tags=tags)
    assert developed(picture(file)[1]) is not used


@pytest.mark.parametrize("place", [9999, 26])  # of the XMP: beyond the file, and cut off by its end
def test_a_file_whose_programs_cannot_be_read_does_not_count_as_untouched(tmp_path, place):
    tag = struct.pack("<HHII", 700, BYTE, 100, place)
    damaged = b"II*\0" + struct.pack("<IH", 8, 1) + tag + bytes(4) + b"<xmp:CreatorTool>NX"
    (tmp_path / "a.nef").write_bytes(damaged)
    (tmp_path / "a.raf").write_bytes(b"FUJIFILMCCD-RAW ")
    assert raw_header.read_programs(tmp_path / "a.nef") is None
    assert raw_header.read_programs(tmp_path / "a.raf") == []


@pytest.mark.parametrize("long_side", [60, 300, 1200])
def test_the_preview_stands_in_for_raw_pixels_that_cannot_be_decoded(tmp_path, long_side):
    file = save_dng(tmp_path / "a.dng", preview=scene(900, 600, OTHER), raw_tags=JPEG_XL)
    assert not developed(picture(file, long_side)[1])
    unproven = {CHANGED: text("")}
    file = save_dng(
        tmp_path / "b.dng", preview=scene(900, 600, OTHER), raw_tags=JPEG_XL, tags=unproven
    )
    assert not developed(picture(file, long_side)[1])


@pytest.mark.parametrize(
    ("preview", "tags"),
    [
        (None, {}),
        (scene(600, 600), {}),
        (scene(900, 600), {PREVIEW_PROGRAM: text("Adobe Photoshop Lightroom Classic")}),
        (scene(900, 600), {SOFTWARE: text("NX Studio 1.2.1")}),
        (scene(900, 600), {USER_CROP: (RATIONAL, (1, 5, 1, 5, 4, 5, 4, 5))}),
    ],
)
def test_pixels_that_nothing_can_stand_in_for_are_rejected_on_opening(tmp_path, preview, tags):
    file = save_dng(tmp_path / "a.dng", preview=preview, raw_tags=JPEG_XL, tags=tags)
    problem = "JPEG XL, which LibRaw does not decode"
    with pytest.raises(RejectedFile, match=problem) as caught, raws.open_raw(file, 400):
        pass
    assert caught.value.kind == "unreadable"


def test_the_dates_of_every_container_are_found(tmp_path):
    # the headers alone: directories as Canon's CR3, Fujifilm's RAF, Olympus and Panasonic have them
    save_dng(tmp_path / "a.dng", scene(24, 16), tags={SOFTWARE: text("NX Studio")})
    whole = (tmp_path / "a.dng").read_bytes()
    others = {
        "a.cr3": b"\0\0\0\x18ftypcrx \0\0\0\x01" + bytes(90) + b"\0\0\0\0CMT1" + whole,
        "a.raf": b"FUJIFILMCCD-RAW " + bytes(132) + b"\xff\xd8\xff\xe1\xff\xffExif\0\0" + whole,
        "a.orf": b"IIRO" + whole[4:],
        "a.rw2": b"IIU\0" + whole[4:],
    }
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
        assert as_taken.is_changed(raw_header.read_directories(tmp_path / name)), name
    for name, content in others.items():
        (tmp_path / name).write_bytes(content.replace(b"NX Studio", b"Ver. 2.01"))
        assert as_taken.is_as_taken(raw_header.read_directories(tmp_path / name)), name
        (tmp_path / name).write_bytes(content[: content.index(whole[8:]) + 20])
        assert not as_taken.is_as_taken(raw_header.read_directories(tmp_path / name)), name


@pytest.mark.parametrize("box", [(0, 60, 900, 540), (80, 0, 820, 600)])
def test_a_preview_with_black_bars_is_not_used(tmp_path, box):
    padded = Image.new("RGB", (900, 600))
    padded.paste(scene(box[2] - box[0], box[3] - box[1], OTHER), box[:2])
    assert developed(picture(save_dng(tmp_path / "a.dng", preview=padded))[1])


def test_a_damaged_preview_is_ignored(tmp_path):
    file = save_dng(tmp_path / "a.dng", preview=scene(900, 600, OTHER))
    content = file.read_bytes()
    start = content.index(b"\xff\xd8\xff")
    file.write_bytes(content[: start + 20] + b"\xff\xd9" * 300 + content[start + 620 :])
    assert developed(picture(file)[1])


def test_a_raw_file_makes_an_upright_small_copy(tmp_path):
    file = save_dng(tmp_path / "a.dng", tags={ORIENTATION: (SHORT, [6])})
    _, image = picture(file, 60)
    small = photos.small_copy(image, stored_as=6, long_side=60, quality=90)
    assert (small.width, small.height) == (40, 60)
    shown = Image.open(io.BytesIO(small.jpeg))
    # turned clockwise, the stored bottom left, which is blue, is shown at the top left
    assert np.argmax(shown.getpixel((5, 5))) == 2


def test_the_frame_is_the_active_area_without_a_default_crop(tmp_path):
    nowhere = {CROP_SIZE: (LONG, [])}
    file = save_dng(tmp_path / "a.dng", scene(240, 160), inset=(0, 0, 0, 0), raw_tags=nowhere)
    assert rejection(file).kind == "unreadable"  # a crop of no size
    content = file.read_bytes()
    for tag in (50719, CROP_SIZE):  # their names become those of tags that nobody knows
        content = content.replace(tag.to_bytes(2, "little") + b"\4\0", b"\xf0\xf0\4\0")
    file.write_bytes(content)
    assert picture(file)[0] == (240, 160)


def test_pixels_that_are_not_square_are_scaled(tmp_path):
    scale = {DEFAULT_SCALE: (RATIONAL, [1, 1, 2, 1])}
    file = save_dng(tmp_path / "a.dng", scene(240, 160), raw_tags=scale)
    frame, image = picture(file, 60)
    assert frame == (240, 320)
    assert developed(image)


def test_a_crop_that_leaves_the_sensor_is_rejected(tmp_path):
    file = save_dng(tmp_path / "a.dng", raw_tags={CROP_SIZE: (LONG, [1300, 800])})
    error = rejection(file)
    assert error.kind == "frame"
    # 1200 px and 10 and 6 px beside them
    assert "DefaultCropSize 1300, 800, expected a part of 1216 x 816 px" in str(error)


def sizes(**given):
    """What rawpy tells of a camera with masked borders of 8 px that writes 6000 x 4000 px."""
    told = {
        "left_margin": 8,
        "top_margin": 8,
        "width": 6016,
        "height": 4016,
        "pixel_aspect": 1.0,
        "crop_left_margin": 16,
        "crop_top_margin": 16,
        "crop_width": 6000,
        "crop_height": 4000,
    }
    return type("Sizes", (), told | given)


@pytest.mark.parametrize(
    ("told", "left", "top", "frame"),
    [
        ({}, 16, 16, (6000, 4000)),
        ({"crop_width": 0, "crop_height": 0}, 8, 8, (6016, 4016)),  # nothing is told
        ({"crop_width": 9000, "crop_height": 6000}, 8, 8, (6016, 4016)),  # of another size's
        ({"crop_left_margin": 0, "crop_top_margin": 0}, 16, 16, (6000, 4000)),  # in the middle
        ({"pixel_aspect": 1.5}, 16, 16, (9000, 4000)),
    ],
)
def test_other_formats_have_their_crop_in_the_maker_s_notes(told, left, top, frame):
    crop, found = raws._makers_frame(sizes(**told))
    assert (crop.left, crop.top) == (left, top)
    assert found == frame


def test_an_aspect_that_was_set_in_the_camera_is_rejected():
    with pytest.raises(RejectedFile, match="keeps 4000 x 4000 px of 6016 x 4016") as caught:
        raws._makers_frame(sizes(crop_width=4000))
    assert caught.value.kind == "frame"


def test_damaged_files_are_rejected(tmp_path):
    contents = {"text": b"no picture" * 9999, "empty": b"", "short": b"II*\0" + b"\xff" * 9}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert rejection(tmp_path / name).kind == "unreadable", name
    assert "not RAW" in str(rejection(tmp_path / "text"))
    assert "header is cut off" in str(rejection(tmp_path / "short"))
    assert rejection(tmp_path / "absent").kind == "unreadable"
    scene(90, 60).save(tmp_path / "a.png")
    assert rejection(tmp_path / "a.png").kind == "unreadable"


@pytest.mark.parametrize("layout", ["bayer", "lossless", "linear"])
def test_a_file_that_is_cut_off_is_rejected(tmp_path, layout):
    file = save_dng(tmp_path / "a.dng", scene(240, 160), layout=layout)
    file.write_bytes(file.read_bytes()[:-2000])  # the pixels come last
    assert rejection(file).kind == "unreadable"


def test_a_bomb_is_rejected_by_its_header(tmp_path):
    file = save_dng(tmp_path / "a.dng", scene(240, 160))
    for tag in (IMAGE_WIDTH, IMAGE_WIDTH + 1):
        claim(file, tag, 60000)
    error = rejection(file)
    assert error.kind == "too_large"
    assert "60000 x 60000 px, expected at most 400 megapixels" in str(error)
    file = save_dng(tmp_path / "b.dng")
    assert rejection(file, max_megapixels=0.5).kind == "too_large"


def test_directories_that_point_to_each_other_end(tmp_path):
    file = save_dng(tmp_path / "a.dng", scene(240, 160))
    content = bytearray(file.read_bytes())
    first = int.from_bytes(content[4:8], "little")
    after = first + 2 + 12 * content[first]
    content[after : after + 4] = content[4:8]  # the first directory is followed by itself
    file.write_bytes(content)
    assert developed(picture(file)[1])


@hypothesis_settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_damage_gives_a_picture_or_a_rejection(tmp_path_factory, bytes_at):
    folder = tmp_path_factory.getbasetemp()
    whole = folder / "fuzzed.dng"
    if not whole.exists():
        save_dng(whole, scene(24, 16), scene(30, 20), layout="lossless")
    content = bytearray(whole.read_bytes())
    for place, value in bytes_at:
        content[int(place * (len(content) - 1))] = value
    file = folder / "damaged.dng"
    file.write_bytes(content)
    try:
        assert picture(file, 10)[1].mode == "RGB"
    except RejectedFile as error:
        assert error.kind in {"unreadable", "too_large", "frame"}


def test_the_libraries_of_raw_and_heif_are_loaded_only_when_used():
    code = (
        "import sys, cropperhead.photos.raw, cropperhead.photos.image;"
        "assert not {'rawpy', 'pillow_heif'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
