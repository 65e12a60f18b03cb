import io
import struct
import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pillow_heif
import pytest
from conftest import QUADRANTS, picture, save_photo
from PIL import Image, ImageCms, ImageColor, ImageDraw
from PIL.PngImagePlugin import PngInfo

from cropperhead.errors import RejectedFile
from cropperhead.geometry.crops import Crop, Rectangle
from cropperhead.photos import image as photos

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
    with photos.open_picture(file, 400) as image:
        return photos.stored_size(image), photos.small_copy(image, stored_as, long_side, 90)


def top_left(jpeg: bytes) -> tuple[int, ...]:
    return Image.open(io.BytesIO(jpeg)).getpixel((8, 8))


def rejection(file, max_megapixels=400) -> RejectedFile:
    with pytest.raises(RejectedFile) as caught, photos.open_picture(file, max_megapixels) as image:
        photos.small_copy(image, 1, 60, 90)
    return caught.value


@pytest.fixture
def heif():
    """Lets Pillow write HEIC."""
    pillow_heif.register_heif_opener()


def exif(code: int) -> bytes:
    """EXIF that names an orientation; as bytes, pillow-heif turns the container as well."""
    tags = Image.Exif()
    tags[0x0112] = code
    return tags.tobytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
@pytest.mark.parametrize("code", range(1, 9))
def test_a_small_copy_is_upright_whatever_the_format(tmp_path, suffix, code):
    # the file itself says its orientation too, which Pillow obeys for TIFF alone
    file = save_photo(tmp_path / f"a{suffix}", exif={0x0112: code})
    stored, small = copied(file, stored_as=code)
    assert stored == (90, 60)
    assert (small.width, small.height) == ((60, 40) if code < 5 else (40, 60))
    expected = ImageColor.getrgb(QUADRANTS[TOP_LEFT_AS_SHOWN[code]])
    assert top_left(small.jpeg) == pytest.approx(expected, abs=12)  # JPEG's rounding


@pytest.mark.usefixtures("heif")
@pytest.mark.parametrize("code", range(1, 9))
def test_a_container_s_turns_are_undone(tmp_path, code):
    # libheif turns the pixels as the container says
    picture().save(tmp_path / "a.heic", exif=exif(code), quality=95, chroma=444)
    with Image.open(tmp_path / "a.heic") as turned:
        assert turned.size == ((90, 60) if code < 5 else (60, 90))
    stored, small = copied(tmp_path / "a.heic", stored_as=code)
    assert stored == (90, 60)
    assert (small.width, small.height) == ((60, 40) if code < 5 else (40, 60))
    expected = ImageColor.getrgb(QUADRANTS[TOP_LEFT_AS_SHOWN[code]])
    assert top_left(small.jpeg) == pytest.approx(expected, abs=12)  # the two compressions' rounding
    assert top_left(copied(tmp_path / "a.heic", stored_as=1)[1].jpeg)[0] > 240  # red


@pytest.mark.usefixtures("heif")
@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_a_format_is_recognised_by_the_content(tmp_path, brand):
    buffer = io.BytesIO()
    picture().save(buffer, "HEIF", exif=exif(6))
    content = buffer.getvalue()
    (tmp_path / "a.jpg").write_bytes(content[:8] + brand + content[12:])
    assert copied(tmp_path / "a.jpg")[0] == (90, 60)


@pytest.mark.usefixtures("heif")
def test_a_program_that_never_named_pillow_heif_opens_an_heic(tmp_path):
    picture().save(tmp_path / "a.heic")
    code = (
        "import sys, pathlib; from cropperhead.photos import image as photos\n"
        "with photos.open_picture(pathlib.Path(sys.argv[1]), 1) as image: print(image.size)"
    )
    command = [sys.executable, "-c", code, tmp_path / "a.heic"]
    answer = subprocess.run(command, capture_output=True, check=True, text=True)
    assert answer.stdout == "(90, 60)\n"


def test_an_avif_may_name_its_brand_second(tmp_path):
    picture().save(tmp_path / "a.avif")
    content = (tmp_path / "a.avif").read_bytes()
    (tmp_path / "a.avif").write_bytes(content[:8] + b"mif1" + content[12:])
    assert copied(tmp_path / "a.avif")[0] == (90, 60)


@pytest.mark.parametrize("suffix", [".webp", ".avif", ".png"])
def test_a_moving_picture_counts_as_its_first_one(tmp_path, suffix):
    dark = Image.new("RGB", (90, 60))
    picture().save(tmp_path / f"a{suffix}", save_all=True, append_images=[dark])
    assert top_left(copied(tmp_path / f"a{suffix}")[1].jpeg)[0] > 240  # red


def test_of_several_pictures_in_an_heic_the_primary_one_counts(tmp_path):
    several = pillow_heif.from_pillow(Image.new("RGB", (40, 40)))
    several.add_from_pillow(picture())
    several.save(tmp_path / "a.heic", primary_index=1)
    stored, small = copied(tmp_path / "a.heic")
    assert stored == (90, 60)
    assert top_left(small.jpeg)[0] > 240  # red


@pytest.mark.parametrize("mode", ["RGB;16", "RGBA;16", "RGBA", "RGBa", "L", "LA"])
def test_deep_and_transparent_heics_become_rgb(tmp_path, mode):
    deep = mode.endswith("16")
    white = np.full((60, 90, len(mode.split(";")[0])), 65535 if deep else 255)
    pixels = white.astype(np.uint16 if deep else np.uint8).tobytes()
    pillow_heif.from_bytes(mode, (90, 60), pixels).save(tmp_path / "a.heic")
    assert top_left(copied(tmp_path / "a.heic")[1].jpeg) == pytest.approx((255,) * 3, abs=3)


@pytest.mark.parametrize("suffix", [".webp", ".avif"])
def test_transparent_pixels_become_white(tmp_path, suffix):
    Image.new("RGBA", (40, 30), (255, 0, 0, 0)).save(tmp_path / f"a{suffix}")
    assert top_left(copied(tmp_path / f"a{suffix}")[1].jpeg) == pytest.approx((255,) * 3, abs=2)


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(tmp_path):
    picture(1200, 780).save(tmp_path / "a.jpg")
    with photos.open_picture(tmp_path / "a.jpg", 400) as image:
        photos.load_pixels(image, 150)
        assert image.size == (300, 195)  # 1200 / 4; 1200 / 8 = 150 is less than 1.4 times 150


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


def test_a_png_with_a_long_text_is_read(tmp_path):
    text = PngInfo()
    text.add_text("comment", "x" * 70000)
    picture().save(tmp_path / "a.png", pnginfo=text)
    assert len(copied(tmp_path / "a.png")[1].jpeg) < 10000


def test_cmyk_and_palettes_become_rgb(tmp_path):
    Image.new("CMYK", (40, 30), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    picture().convert("P").save(tmp_path / "a.png")
    for file in ("a.jpg", "a.png"):
        assert top_left(copied(tmp_path / file)[1].jpeg)[0] > 200  # red, as in the quadrant


def test_a_colour_profile_is_applied_and_a_damaged_one_is_ignored(tmp_path):
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


@pytest.mark.usefixtures("heif")
@pytest.mark.parametrize("suffix", sorted(photos.SUFFIXES))
def test_the_limit_of_pixels_applies_to_every_format(tmp_path, suffix):
    picture().save(tmp_path / "a", Image.registered_extensions()[suffix])
    error = rejection(tmp_path / "a", max_megapixels=0.005)
    assert error.kind == "too_large"
    assert "90 x 60 px, expected at most 0.005 megapixels" in str(error)


def png_chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


@pytest.mark.parametrize(
    ("name", "start"),
    [(b"zTXt", b"k\0\0"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"), (b"iCCP", b"p\0\0")],
)
def test_a_bomb_among_a_png_s_texts_is_rejected(tmp_path, name, start):
    # 64 MB of zeros in 64 kB; 33 bytes hold the signature and the header
    bomb = png_chunk(name, start + zlib.compress(bytes(64 << 20), 9))
    buffer = io.BytesIO()
    picture().save(buffer, "PNG")
    content = buffer.getvalue()
    (tmp_path / "a.png").write_bytes(content[:33] + bomb + content[33:])
    tracemalloc.start()
    assert rejection(tmp_path / "a.png").kind == "unreadable"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


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


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bits_are_cut_as_such(mode):
    ramp = np.linspace(0, 65535, 60 * 40).reshape(40, 60).astype(np.uint16)
    image = Image.fromarray(ramp)
    if mode == "I;16B":
        image = Image.frombytes(mode, image.size, ramp.astype(">u2").tobytes())
    level = np.asarray(photos.cut(image, Rectangle(30, 20, 20, 10, 0)))
    # from 20 to 40 across, from 15 to 25 down; no pixel is between two
    assert level == pytest.approx(ramp[15:25, 20:40], abs=1)
    tilted = np.asarray(photos.cut(image, Rectangle(30, 20, 20, 10, 5)))
    assert tilted.dtype == np.uint16
    assert tilted.mean() == pytest.approx(ramp.mean(), rel=0.02)  # about the same centre
