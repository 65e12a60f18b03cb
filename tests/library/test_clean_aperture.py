"""HEICs whose container shows a part of the coded picture, in which darktable measures crops.

Coded are 120 x 80 px, shown are 60 x 40 px from (20, 30).
"""

from dataclasses import astuple

import pytest
from conftest import darktable_xmp, picture, settings, xmp
from heif_files import save_cut
from PIL import Image

from cropperhead.editors import darktable
from cropperhead.errors import RejectedFile
from cropperhead.geometry.crops import Crop
from cropperhead.library import edited_photo, scan
from cropperhead.library.edited_photo import CopySize, ReadOptions
from cropperhead.photos import exiftool
from cropperhead.writeback import write

SHOWN = (20, 30, 60, 40)
CODED = (119, 79)  # and a row and a column of the encoder's
IN_CODED = Crop(0.5, 0.25, 0.75, 0.5, 0.0)  # px 30 to 60 and 40 to 60
IN_SHOWN = Crop(0.25, 10 / 60, 0.75, 40 / 60, 0.0)  # px 10 to 40 of 60, 10 to 30 of 40


@pytest.fixture(scope="module")
def reader():
    with exiftool.tag_reader() as running:
        yield running


def read(folder, reader):
    entries = scan.find_photos(folder, ["a.heic"], [], ())
    options = ReadOptions(copy=CopySize(60, 90))
    [photo] = edited_photo.read_cropped(folder, entries, reader, options)
    return photo


def history(crop, width=120, height=80):
    return darktable_xmp(darktable.encode(crop, width, height))


def test_darktable_s_crop_is_converted_to_what_is_shown(tmp_path, reader):
    save_cut(tmp_path / "a.heic", picture(*CODED), SHOWN)
    (tmp_path / "a.heic.xmp").write_bytes(history(IN_CODED))
    photo = read(tmp_path, reader)
    assert photo.frame == (60, 40)
    [crop] = photo.crops
    assert astuple(crop.crop) == pytest.approx(astuple(IN_SHOWN))
    assert (photo.copy.width, photo.copy.height) == (60, 40)


def test_a_tilted_crop_keeps_its_angle(tmp_path, reader):
    save_cut(tmp_path / "a.heic", picture(*CODED), SHOWN)
    (tmp_path / "a.heic.xmp").write_bytes(history(Crop(0.5, 0.25, 0.75, 0.5, 5.0)))
    [crop] = read(tmp_path, reader).crops
    assert astuple(crop.crop) == pytest.approx((0.25, 10 / 60, 0.75, 40 / 60, 5.0))


def test_a_crop_of_what_is_hidden_is_left_out(tmp_path, reader):
    save_cut(tmp_path / "a.heic", picture(*CODED), SHOWN)
    (tmp_path / "a.heic.xmp").write_bytes(history(Crop(0.1, 0.25, 0.75, 0.5, 0.0)))
    found = read(tmp_path, reader)
    assert isinstance(found, RejectedFile)
    assert found.kind == "outside"
    # seen from the part that is shown, the coded picture begins at (-20, -30)
    assert "of 120 x 80 px at -20, -30, which darktable shows" in str(found)


def test_lightroom_s_crop_is_one_of_what_is_shown(tmp_path, reader):
    save_cut(tmp_path / "a.heic", picture(*CODED), SHOWN)
    (tmp_path / "a.xmp").write_bytes(xmp(settings(0.1, 0.2, 0.8, 0.9)))
    [crop] = read(tmp_path, reader).crops
    assert astuple(crop.crop) == pytest.approx((0.1, 0.2, 0.8, 0.9, 0))


def test_an_encoder_s_padding_changes_nothing(tmp_path, reader):
    # 1199 x 799 px are coded as 1200 x 800; the crop reaches to the end of the coded picture
    save_cut(tmp_path / "a.heic", picture(1199, 799), (0, 0, 1199, 799))
    (tmp_path / "a.heic.xmp").write_bytes(history(Crop(0.5, 0.25, 1, 1, 0.0), 1200, 800))
    [crop] = read(tmp_path, reader).crops
    assert astuple(crop.crop) == pytest.approx((0.5, 0.25, 1, 1, 0))


def test_what_is_written_for_darktable_is_measured_in_the_coded_picture(tmp_path, reader):
    save_cut(tmp_path / "a.heic", picture(*CODED), SHOWN)
    [photo] = edited_photo.read(tmp_path, scan.find_photos(tmp_path, ["a.heic"], [], ()), reader)
    assert write.write_crop(photo, write.WantedCrop(IN_SHOWN, 1), "darktable", reader).is_written
    [crop] = read(tmp_path, reader).crops
    assert astuple(crop.crop) == pytest.approx(astuple(IN_SHOWN))
    box = darktable.decode(crop.version.settings, 120, 80)
    assert astuple(box) == pytest.approx((45, 50, 30, 20, 0))  # px 30 to 60 and 40 to 60


def test_libheif_cuts_the_clean_aperture_out(tmp_path):
    with Image.open(save_cut(tmp_path / "a.heic", picture(*CODED), SHOWN)) as image:
        assert image.size == (60, 40)
        # the coded picture's middle, where red, lime, blue and white meet, is at (39, 9)
        colours = [image.getpixel(place) for place in ((36, 6), (43, 6), (36, 13), (43, 13))]
    for colour, expected in zip(
        colours, [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)], strict=True
    ):
        assert colour == pytest.approx(expected, abs=25)
