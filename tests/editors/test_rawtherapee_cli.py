"""RawTherapee itself renders photos by profiles, and must show what is decoded from them."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from profile_files import format_profile
from raw_files import save_dng

from cropperhead.editors import base, rawtherapee
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Crop
from cropperhead.library import edited_photo, marks, scan
from cropperhead.photos import exiftool, photo_file
from cropperhead.photos import image as photos
from cropperhead.writeback import write

PROGRAM = shutil.which("rawtherapee-cli")
pytestmark = [
    pytest.mark.real_editors,
    pytest.mark.skipif(PROGRAM is None, reason="rawtherapee-cli is not installed"),
]
COMMON = "Common Properties for Transformations"
ORIENTATION_TAG = 0x0112
# Rendered and cut differ by interpolation: 0.7 of 255 at most over 128 profiles (every orientation
# and turn); moved by 1 px both ways they differ by 3.5 at least, with the wrong sign by 9.
LARGEST_DIFFERENCE = 1.5
WRONG_DIFFERENCE = 8
# Sides rounded to whole pixels lie up to half a pixel off: 1.7 over every orientation and turn.
LARGEST_DIFFERENCE_ROUNDED = 2.5


def photo(folder, width, height, exif):
    """Smooth blotches of colour, no two alike, of 20 px: an error of a pixel shows."""
    coarse = np.random.default_rng(3).integers(20, 235, (height // 20, width // 20, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    tags = Image.Exif()
    tags[ORIENTATION_TAG] = exif
    file = folder / "photo.tif"
    image.save(file, exif=tags)
    return file, image


def rendered(folder, file, settings):
    sidecar = folder / "photo.tif.pp3"
    sidecar.write_text(format_profile(settings), encoding="utf-8")
    return rendered_by(folder, file, sidecar)


def rendered_by(folder, file, sidecar):
    out = folder / "rendered.png"
    home = {name: str(folder / "home") for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    subprocess.run(
        [PROGRAM, "-p", sidecar, "-o", out, "-n", "-Y", "-c", file],
        env=os.environ | home,
        check=True,
        capture_output=True,
        timeout=120,
    )
    with Image.open(out) as image:
        return image.convert("RGB")


def difference(one, other):
    """Mean absolute difference, 0 to 255, without the border, where a reader must invent pixels."""
    inner = slice(4, -4), slice(4, -4)
    return np.abs(np.asarray(one, float) - np.asarray(other, float))[inner].mean()


def settings(crop, degree=0.0, autofill=False, rotate=0, flip=(False, False)):
    x, y, w, h = crop
    return {
        "Crop": {"Enabled": "true", "X": f"{x}", "Y": f"{y}", "W": f"{w}", "H": f"{h}"},
        "Coarse Transformation": {
            "Rotate": f"{rotate}",
            "HorizontalFlip": f"{flip[0]:d}",
            "VerticalFlip": f"{flip[1]:d}",
        },
        "Rotation": {"Degree": f"{degree}"},
        COMMON: {"AutoFill": f"{autofill:d}"},
    }


def cut(image, box, code, size):
    """The displayed picture inside a box of the stored frame, at the size of the rendering."""
    upright = photos.transpose(image, code)
    inside = photos.cut(upright, orientation.to_displayed(box, *image.size, orientation=code))
    return inside.resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("exif", "profile"),
    [
        (1, settings((40, 30, 200, 150))),
        (1, settings((140, 90, 120, 100), degree=7.5)),
        (1, settings((140, 90, 120, 100), degree=-7.5, autofill=True)),
        (6, settings((50, 120, 110, 140), degree=12, autofill=True)),
        (8, settings((50, 120, 110, 140), degree=-20)),
        (3, settings((90, 50, 180, 120), degree=5, rotate=90, flip=(True, False), autofill=True)),
        (5, settings((120, 70, 140, 100), degree=-5, rotate=180, flip=(False, True))),
        (2, settings((300, 200, 500, 500))),
        (1, {"Rotation": {"Degree": "4"}}),
    ],
)
def test_a_profile_is_decoded_as_it_is_rendered(tmp_path, exif, profile):
    file, image = photo(tmp_path, 420, 280, exif)
    box = rawtherapee.decode(profile, *image.size, exif)
    code = rawtherapee.shown_as(profile, exif)
    found = rendered(tmp_path, file, profile)
    # with AutoFill the rendering is enlarged back to the canvas' pixels
    filled = profile.get(COMMON, {}).get("AutoFill") != "0"
    expected = orientation.to_displayed(box, *image.size, orientation=code)
    if not filled or not box.angle:
        assert found.size == pytest.approx((expected.width, expected.height), abs=1)
    assert difference(found, cut(image, box, code, found.size)) < LARGEST_DIFFERENCE
    if box.angle:
        wrong = type(box)(box.centre_x, box.centre_y, box.width, box.height, -box.angle)
        assert difference(found, cut(image, wrong, code, found.size)) > WRONG_DIFFERENCE


@pytest.mark.parametrize("border", [4, 24])
def test_a_dng_is_measured_in_its_active_area_as_it_is_rendered(tmp_path, border):
    _, image = photo(tmp_path, 600, 400, 1)
    file = save_dng(tmp_path / "wide.dng", image, inset=(40, 50, 40, 50))
    own = {} if border == 4 else {"RAW Bayer": {"Border": f"{border}"}}
    profile = settings((196, 136, 200, 150)) | own
    found = rendered(tmp_path, file, profile)
    with photo_file.open_photo(file) as opened:
        box = base.decode_in_frame(rawtherapee, profile, opened.frame, 1, opened.sensor)
    # the same pixels, of which those around the frame are masked: the canvas is the frame less 4 px
    alike = save_dng(tmp_path / "alike.dng", image, masked=(44, 56, 42, 52), inset=(0, 0, 0, 0))
    x, y = round(box.centre_x - box.width / 2), round(box.centre_y - box.height / 2)
    assert (x, y) == (196 + border - 50, 136 + border - 40)
    again = rendered(tmp_path, alike, settings((x - 4, y - 4, 200, 150)))
    assert found.size == again.size == (200, 150)
    assert difference(found, again) < LARGEST_DIFFERENCE
    naive = rendered(tmp_path, alike, settings((196, 136, 200, 150)))
    assert difference(found, naive) > WRONG_DIFFERENCE


@pytest.mark.parametrize(("exif", "code", "angle"), [(1, 1, 9.0), (6, 4, -9.0), (7, 7, 4.0)])
def test_what_is_encoded_is_rendered_as_the_crop(tmp_path, exif, code, angle):
    file, image = photo(tmp_path, 420, 280, exif)
    crop = Crop(0.3, 0.3, 0.75, 0.7, angle)
    profile = rawtherapee.encode(crop, *image.size, code, exif)
    found = rendered(tmp_path, file, profile)
    size = orientation.displayed_size(*image.size, code)
    asked = crop.in_pixels(*size)
    assert found.size == pytest.approx((asked.width, asked.height), abs=1)
    # compared with the crop as it was rounded: what rounding costs is tested with the numbers
    box = rawtherapee.decode(profile, *image.size, exif)
    assert difference(found, cut(image, box, code, found.size)) < LARGEST_DIFFERENCE


@pytest.mark.parametrize(
    ("size", "exif", "angle"),
    [
        ((600, 400), 1, 0),
        ((400, 600), 1, 7),
        ((600, 400), 2, 7),
        ((600, 400), 3, -4.5),
        ((600, 400), 5, -4.5),
        ((600, 400), 6, 0),
        ((600, 400), 6, 7),
        ((600, 400), 8, -4.5),
    ],
)
def test_what_is_written_is_rendered_as_the_crop(tmp_path, size, exif, angle):
    file, image = photo(tmp_path, *size, exif)
    crop = Crop(0.2, 0.28, 0.75, 0.7, angle)
    earlier = (
        "[Exposure]\nAuto=false\n[Rotation]\nDegree=-12\n[Crop]\nEnabled=true\nX=9\nW=50\nH=50"
    )
    (tmp_path / "photo.tif.pp3").write_text(earlier)
    with exiftool.tag_reader() as reader:
        [seen] = edited_photo.read(
            tmp_path, scan.find_photos(tmp_path, [file.name], [], ()), reader
        )
        wanted = write.WantedCrop(crop, exif)
        written = write.write_crop(seen, wanted, "rawtherapee", reader, overwrite=True)
    found = rendered_by(tmp_path, file, written.file)
    asked = crop.in_pixels(*orientation.displayed_size(*image.size, exif))
    assert found.size == pytest.approx((asked.width, asked.height), abs=2)
    expected = photos.cut(photos.transpose(image, exif), asked)
    expected = expected.resize(found.size, Image.Resampling.BICUBIC)
    assert difference(found, expected) < LARGEST_DIFFERENCE_ROUNDED


def test_a_suggestion_that_rawtherapee_has_saved_is_still_recognised(tmp_path):
    file, _ = photo(tmp_path, 420, 280, 6)
    with exiftool.tag_reader() as reader:
        [entry] = scan.find_photos(tmp_path, [file.name], [], ())
        [seen] = edited_photo.read(tmp_path, [entry], reader)
        wanted = write.WantedCrop(Crop(0.3, 0.3, 0.75, 0.7, 4), 6, "model 7")
        written = write.write_crop(seen, wanted, "rawtherapee", reader).file
        assert marks.read_mark(written.name, written.read_bytes()).model == "model 7"
        home = {name: str(tmp_path / "home") for name in ("HOME", "XDG_CONFIG_HOME")}
        command = [PROGRAM, "-p", written, "-O", tmp_path / "saved.png", "-n", "-Y", "-c", file]
        subprocess.run(command, env=os.environ | home, check=True, capture_output=True, timeout=120)
        (tmp_path / "saved.png.pp3").replace(written)
        # RawTherapee drops what it does not know
        assert marks.read_mark(written.name, written.read_bytes()) is None
        [entry] = scan.find_photos(tmp_path, [file.name], [], ())
        [seen] = edited_photo.read(tmp_path, [entry], reader)
    assert [one.is_untouched for one in seen.crops] == [True]
    assert edited_photo.describe_person_crops(seen) is None
