import io
import struct
import zlib

import numpy as np
import pytest
from conftest import QUADRANTS, picture, save_photo
from PIL import Image, ImageCms, ImageColor, ImageDraw
from PIL.PngImagePlugin import PngInfo

from cropperhead import photos
from cropperhead.crops import Crop
from cropperhead.errors import RejectedFile

TOP_LEFT_AS_SHOWN = {  # which stored quadrant each orientation shows at the top left
    1: "top left",
    2: "top right",
    3: "bottom right",
    4: "bottom left",
    5: "top left",
    6: "bottom left",
    7: "bottom right",
    8: "top right",
}


def copied(file, stored_as=1, long_side=60):
    with photos.opened(file, 400) as image:
        return photos.stored_size(image), photos.small_copy(image, stored_as, long_side, 90)


def top_left(jpeg: bytes) -> tuple[int, ...]:
    return Image.open(io.BytesIO(jpeg)).getpixel((8, 8))


def rejection(file, max_megapixels=400) -> RejectedFile:
    with pytest.raises(RejectedFile) as caught, photos.opened(file, max_megapixels) as image:
        photos.small_copy(image, 1, 60, 90)
    return caught.value


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("code", range(1, 9))
def test_a_small_copy_is_upright_whatever_the_format(tmp_path, suffix, code):
    # the file itself says its orientation too, which Pillow obeys for TIFF alone
    file = save_photo(tmp_path / f"a{suffix}", exif={0x0112: code})
    stored, small = copied(file, stored_as=code)
    assert stored == (90, 60)
    assert (small.width, small.height) == ((60, 40) if code < 5 else (40, 60))
    expected = ImageColor.getrgb(QUADRANTS[TOP_LEFT_AS_SHOWN[code]])
    assert top_left(small.jpeg) == pytest.approx(expected, abs=12)  # JPEG's rounding


def test_the_orientation_that_is_passed_overrules_the_file_s(tmp_path):
    file = save_photo(tmp_path / "a.tif", exif={0x0112: 6})
    _, small = copied(file, stored_as=3)
    assert (small.width, small.height) == (60, 40)
    assert top_left(small.jpeg) == pytest.approx(ImageColor.getrgb("white"), abs=12)


def test_a_small_photo_is_not_enlarged(tmp_path):
    _, small = copied(save_photo(tmp_path / "a.jpg"), long_side=500)
    assert (small.width, small.height) == (90, 60)


@pytest.mark.parametrize(
    ("mode", "value", "shown"),
    [
        ("L", 128, (128, 128, 128)),
        ("1", 255, (255, 255, 255)),
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),  # transparent red is white paper
        ("LA", (0, 128), (127, 127, 127)),
        ("I;16", 32896, (128, 128, 128)),  # 32896 / 65535 * 255 = 128
    ],
)
def test_every_kind_of_pixel_becomes_rgb(tmp_path, mode, value, shown):
    Image.new(mode, (40, 30), value).save(tmp_path / "a.png")
    assert top_left(copied(tmp_path / "a.png")[1].jpeg) == pytest.approx(shown, abs=2)


def test_a_picture_of_fractions_becomes_as_bright_as_it_is(tmp_path):
    Image.fromarray(np.full((30, 40), 0.5, np.float32)).save(tmp_path / "a.tif")
    assert top_left(copied(tmp_path / "a.tif")[1].jpeg) == pytest.approx((127, 127, 127), abs=2)


def test_a_long_text_in_a_png_is_no_reason_to_reject_it(tmp_path):
    text = PngInfo()
    text.add_text("comment", "x" * 70000)
    picture().save(tmp_path / "a.png", pnginfo=text)
    assert len(copied(tmp_path / "a.png")[1].jpeg) < 10000


def test_cmyk_and_palettes_become_rgb(tmp_path):
    Image.new("CMYK", (40, 30), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    picture().convert("P").save(tmp_path / "a.png")
    for file in ("a.jpg", "a.png"):
        assert top_left(copied(tmp_path / file)[1].jpeg)[0] > 200  # red, as in the quadrant


def test_a_colour_profile_is_applied_and_a_damaged_one_is_passed_over(tmp_path):
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name, profile in {"srgb": srgb, "unfitting": swapped, "damaged": b"junk"}.items():
        picture().save(tmp_path / f"{name}.jpg", icc_profile=profile)
        red = top_left(copied(tmp_path / f"{name}.jpg")[1].jpeg)
        assert red == pytest.approx((254, 0, 0), abs=4), name


def test_damaged_files_are_rejected_by_kind(tmp_path):
    whole = save_photo(tmp_path / "whole.jpg", image=picture(900, 600)).read_bytes()
    files = {"cut": whole[: len(whole) // 2], "text": b"no picture", "png": b"\x89PNG\r\n\x1a\n"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert rejection(tmp_path / "cut").kind == "unreadable"
    assert rejection(tmp_path / "text").kind == "not_a_photo"
    assert rejection(tmp_path / "png").kind in {"not_a_photo", "unreadable"}
    assert rejection(tmp_path / "absent").kind == "unreadable"


def test_a_decompression_bomb_is_rejected_by_its_header(tmp_path):
    # a PNG that claims 50,000 x 50,000 px in 100 bytes
    small = io.BytesIO()
    Image.new("L", (1, 1)).save(small, "PNG")
    claimed = small.getvalue().replace(struct.pack(">II", 1, 1), struct.pack(">II", 50000, 50000))
    header = claimed[12:29]
    claimed = claimed[:29] + struct.pack(">I", zlib.crc32(header)) + claimed[33:]
    (tmp_path / "bomb.png").write_bytes(claimed)
    error = rejection(tmp_path / "bomb.png")
    assert error.kind == "too_large"
    assert "50000 x 50000 px, expected at most 400 megapixels" in str(error)


def test_like_pictures_have_like_hashes_and_others_not(tmp_path):
    generator = np.random.default_rng(1)

    def noise() -> Image.Image:
        return Image.fromarray(generator.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize(
            (320, 240)
        )

    first, second = noise(), noise()
    first.save(tmp_path / "a.jpg")
    first.resize((200, 150)).save(tmp_path / "b.jpg", quality=60)
    second.save(tmp_path / "c.jpg")
    a, b, c = (int(copied(tmp_path / f"{n}.jpg")[1].perceptual_hash, 16) for n in "abc")
    assert (a ^ b).bit_count() <= 6
    assert (a ^ c).bit_count() > 12


def test_a_tilted_crop_is_cut_out_level():
    # a white bar turned clockwise by 10 degrees on black; its own crop must be white throughout
    crop = Crop(0.4, 0.2, 0.6, 0.8, 10)
    image = Image.new("L", (300, 200), 0)
    box = crop.in_pixels(300, 200)
    ImageDraw.Draw(image).polygon([tuple(point) for point in box.corners()], fill=255)
    cut = np.asarray(photos.cut(image, box))
    assert cut.shape == (40, 180)
    assert cut[2:-2, 2:-2].min() > 250  # two pixels along the border are the edge's smoothing
