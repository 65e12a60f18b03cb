"""One answer to which way is up, whoever asks, and what the libraries that open photos do of it."""

import io
import struct

import pillow_heif
import pytest
import rawpy
from conftest import QUADRANTS, picture, save_photo, xmp
from heif_files import save_heif
from PIL import Image, ImageColor
from PIL.PngImagePlugin import PngInfo
from raw_files import SHORT, save_dng

from cropperhead import api
from cropperhead.library import edited_photo, scan
from cropperhead.photos import exiftool, photo_file

ORIENTATION = 0x0112
CODES = range(1, 9)
BY_EXIF = [".jpg", ".png", ".webp", ".tif"]
BY_CONTAINER = [".heic", ".avif"]
# which stored quadrant each orientation shows at the top left
SHOWN = "top left, top right, bottom right, bottom left, top left, bottom left, bottom right"
TOP_LEFT = dict(zip(CODES, [*SHOWN.split(", "), "top right"], strict=True))


def require_up(file, code):
    """Whoever asks has the same answer, and sees the picture by it."""
    with photo_file.open_photo(file) as photo:
        assert photo.shown_as == code
        frame = photo.frame
    with exiftool.tag_reader() as reader:
        [read] = edited_photo.read(
            file.parent, scan.find_photos(file.parent, [file.name], [], ()), reader
        )
    assert (read.camera, read.shown_as, read.frame) == (code, code, frame)
    image, aspect = api.seen(file)
    width, height = frame if code < 5 else frame[::-1]
    assert aspect == pytest.approx(width / height)
    assert top_left(image) == pytest.approx(quadrant(TOP_LEFT[code]), abs=12)  # JPEG's rounding


def top_left(image):
    return image.convert("RGB").getpixel((8, 8))


def quadrant(name):
    return ImageColor.getrgb(QUADRANTS[name])


@pytest.mark.parametrize("suffix", BY_EXIF)
@pytest.mark.parametrize("code", [1, 2, 5, 6, 8])
def test_exif_tells_of_most_formats_whatever_xmp_says(tmp_path, suffix, code):
    packet = xmp({}, orientation=3)
    require_up(save_photo(tmp_path / f"a{suffix}", packet, exif={ORIENTATION: code}), code)


@pytest.mark.parametrize("suffix", BY_EXIF)
def test_xmp_alone_turns_nothing(tmp_path, suffix):
    # where Pillow believes it
    file = save_photo(tmp_path / f"a{suffix}", xmp({}, orientation=6))
    with Image.open(file) as image:
        assert image.getexif()[ORIENTATION] == 6
    require_up(file, 1)


@pytest.mark.parametrize("suffix", BY_CONTAINER)
@pytest.mark.parametrize(
    ("container", "exif"), [(8, 1), (6, 6), (6, 8), (1, 6), (6, None), (5, 1), (2, 3), (7, None)]
)
def test_the_container_tells_of_heic_and_avif_whatever_exif_says(tmp_path, suffix, container, exif):
    require_up(save_heif(tmp_path / f"a{suffix}", container, exif), container)


@pytest.mark.parametrize("suffix", BY_CONTAINER)
def test_xmp_does_not_turn_heic_and_avif(tmp_path, suffix):
    pillow_heif.register_heif_opener()
    file = tmp_path / f"a{suffix}"
    # pillow-heif would turn the container by it
    picture().save(file, xmp=xmp({}, orientation=1), quality=95)
    content = file.read_bytes()
    assert content.count(b'Orientation="1"') == 1
    file.write_bytes(content.replace(b'Orientation="1"', b'Orientation="6"'))
    require_up(file, 1)


def test_exif_may_come_in_each_of_the_forms_that_a_png_or_webp_has(tmp_path):
    tags = Image.Exif()
    tags[ORIENTATION] = 6
    bare = tags.tobytes().removeprefix(b"Exif\0\0")
    picture().save(tmp_path / "bare.webp", exif=bare, lossless=True)
    picture().save(tmp_path / "with prefix.webp", exif=b"Exif\0\0" + bare, lossless=True)
    for name in ("exif", "APP1"):  # as ImageMagick writes it
        text = PngInfo()
        content = (b"Exif\0\0" + bare).hex()
        text.add_text(f"Raw profile type {name}", f"\n{name}\n{len(content) // 2:8}\n{content}\n")
        picture().save(tmp_path / f"{name}.png", pnginfo=text, compress_level=0)
    picture().save(tmp_path / "late.png", exif=bare)
    content = (tmp_path / "late.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4])
    last = content.index(b"IEND") - 4
    (tmp_path / "late.png").write_bytes(
        content[:start] + content[end:last] + content[start:end] + content[last:]
    )
    files = sorted(tmp_path.iterdir())
    assert len(files) == 5
    for file in files:
        require_up(file, 6)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow's, as it opens a JPEG
@pytest.mark.parametrize("exif", [b"", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\x09\0", b"text"])
def test_damaged_exif_turns_nothing(tmp_path, exif):
    picture().save(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif)
    with photo_file.open_photo(tmp_path / "a.jpg") as photo:
        assert photo.shown_as == 1


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_there_is_not_turns_nothing(tmp_path, value):
    require_up(save_photo(tmp_path / "a.jpg", exif={ORIENTATION: value}), 1)


@pytest.mark.parametrize("code", CODES)
def test_the_first_directory_tells_of_a_raw_file(tmp_path, code):
    file = save_dng(tmp_path / "a.dng", picture(240, 160), tags={ORIENTATION: (SHORT, [code])})
    require_up(file, code)
    with rawpy.imread(str(file)) as raw:  # LibRaw's bits: 1 mirrored, 2 upside down, 4 swapped
        assert raw.sizes.flip == [0, 1, 3, 2, 4, 6, 7, 5][code - 1]


def test_another_directory_does_not_turn_a_raw_file(tmp_path):
    upright, turned = {ORIENTATION: (SHORT, [1])}, {ORIENTATION: (SHORT, [6])}
    file = save_dng(tmp_path / "a.dng", preview=picture(900, 600), tags=upright, raw_tags=turned)
    with rawpy.imread(str(file)) as raw:
        assert raw.sizes.flip == 6  # LibRaw takes it where the first one has 1
    with photo_file.open_photo(file) as photo:
        assert photo.shown_as == 1


@pytest.mark.parametrize(("rotation", "code"), [(0, 1), (90, 6), (180, 3), (270, 8)])
def test_the_maker_s_notes_tell_of_a_raw_file_without_exif(tmp_path, rotation, code):
    save_crw(tmp_path / "a.crw", rotation)
    with photo_file.open_photo(tmp_path / "a.crw") as photo:
        assert photo.shown_as == code
    with exiftool.tag_reader() as reader:
        tags = reader.read([tmp_path / "a.crw"], ["IFD0:Orientation"])[tmp_path / "a.crw"]
        [read] = edited_photo.read(tmp_path, scan.find_photos(tmp_path, ["a.crw"], [], ()), reader)
    assert "IFD0:Orientation" not in tags
    assert read.camera == code


def save_crw(file, rotation):
    """Saves the directory of a Canon CRW, in CIFF, and black pixels.

    Source: CIFF 1.0; ImageInfo (0x1810) holds width, height, aspect, degrees clockwise.
    """
    borders = [2224, 1456, 1, 1, 60, 10, 2219, 1449]  # SensorInfo: the sensor, and its picture
    heap, entries = b"", []
    for tag, content in [
        (0x080A, b"Canon\0Canon EOS D30\0"),
        (0x1810, struct.pack("<2If4i", 2160, 1440, 1.0, rotation, 8, 24, 0)),
        (0x1031, struct.pack("<17H", 34, *borders, *[0] * 8)),
        (0x2005, bytes(60000)),
    ]:
        entries.append(struct.pack("<HII", tag, len(content), len(heap)))
        heap += content + b"\0" * (len(content) % 2)
    directory = struct.pack("<H", len(entries)) + b"".join(entries)
    header = struct.pack("<2sI8sI8x", b"II", 26, b"HEAPCCDR", 0x10002)
    file.write_bytes(header + heap + directory + struct.pack("<I", len(heap)))


# What the libraries do by themselves, on which `photos.image` and `photos.raw` count


@pytest.mark.parametrize("code", CODES)
def test_pillow_turns_a_tiff_and_neither_jpeg_nor_png_webp_and_avif(tmp_path, code):
    for suffix in (*BY_EXIF, ".avif"):
        file = save_photo(tmp_path / f"a{suffix}", exif={ORIENTATION: code})
        with Image.open(file) as image:
            shown = TOP_LEFT[code] if suffix == ".tif" else "top left"
            assert top_left(image) == pytest.approx(quadrant(shown), abs=12), suffix


@pytest.mark.parametrize(("container", "exif"), [(6, 1), (1, 6), (8, None)])
def test_pillow_enters_an_avif_s_container_in_place_of_its_exif(tmp_path, container, exif):
    with Image.open(save_heif(tmp_path / "a.avif", container, exif)) as image:
        assert image.getexif().get(ORIENTATION, 1) == container


@pytest.mark.parametrize(("container", "exif"), [(6, 1), (1, 6), (8, None), (5, 3)])
def test_libheif_turns_an_heic_by_its_container(tmp_path, container, exif):
    content = save_heif(tmp_path / "a.heic", container, exif).read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == ((90, 60) if container < 5 else (60, 90))
        assert top_left(image) == pytest.approx(quadrant(TOP_LEFT[container]), abs=12)
