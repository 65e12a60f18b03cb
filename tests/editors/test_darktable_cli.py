"""darktable itself renders photos by sidecars, and must show what is decoded from them."""

import json
import shutil
import struct
import subprocess
from dataclasses import replace
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from heif_files import save_cut, save_heif
from PIL import Image
from raw_files import save_dng

from cropperhead.editors import base, darktable
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Crop
from cropperhead.library import edited_photo, scan
from cropperhead.photos import exiftool, photo_file
from cropperhead.photos import image as photos
from cropperhead.writeback import write

PROGRAM = shutil.which("darktable-cli")
EXIFTOOL = shutil.which("exiftool")
pytestmark = [
    pytest.mark.real_editors,
    pytest.mark.skipif(PROGRAM is None, reason="darktable-cli is not installed"),
    pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed"),
]
ORIENTATION_TAG = 0x0112
WIDTH, HEIGHT = 600, 400
# darktable rounds each module's frame down to whole pixels: over 220 sidecars (every orientation,
# module and turn) a rendering is up to 2 px smaller and lies up to 2 px off, whatever its size. On
# a pattern of 20 px that makes up to 10 of 255; moved back, at most 2 remain. With the wrong sign
# of 2 degrees or more it is 17 at least.
LARGEST_DIFFERENCE = 11
WRONG_DIFFERENCE = 15


def photo(folder, exif, width=WIDTH, height=HEIGHT):
    """Smooth blotches of colour of 20 px, no two alike."""
    blotches = (height // 20, width // 20, 3)
    coarse = np.random.default_rng(3).integers(30, 226, blotches, np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    tags = Image.Exif()
    tags[ORIENTATION_TAG] = exif
    file = folder / "photo.tif"
    image.save(file, exif=tags)
    return file, image


def sidecar(folder, settings):
    """A sidecar in the form that darktable writes."""
    items = "".join(f"<rdf:li {attributes(entry)}/>" for entry in settings["History"])
    tags = {tag: value for tag, value in settings.items() if tag != "History"}
    file = folder / "photo.tif.xmp"
    file.write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:darktable="{darktable.NAMESPACE}"'
        f' darktable:iop_order_version="2" {attributes(tags)}>'
        f"<darktable:history><rdf:Seq>{items}</rdf:Seq></darktable:history>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    return file


def attributes(fields):
    return " ".join(f"darktable:{tag.lower()}={quoteattr(str(fields[tag]))}" for tag in fields)


def read(file):
    """The settings as ExifTool gives them, without the names of groups."""
    asked = [f"-XMP-darktable:{tag}" for tag in darktable.TAGS]
    command = [EXIFTOOL, "-j", "-n", "-struct", *asked, file]
    said = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    return json.loads(said)[0]


def rendered(folder, file, settings):
    return rendered_by(folder, file, sidecar(folder, settings))


def rendered_by(folder, file, written):
    out = folder / "rendered.png"
    out.unlink(missing_ok=True)  # darktable would choose another name
    places = [word for name in ("config", "cache") for word in (f"--{name}dir", folder / name)]
    core = ["--core", *places, "--library", ":memory:", "--disable-opencl"]
    presets = ["--apply-custom-presets", "false"]
    subprocess.run(
        [PROGRAM, file, written, out, *presets, *core],
        check=True,
        capture_output=True,
        timeout=120,
    )
    with Image.open(out) as image:
        return image.convert("RGB")


def cut(image, box, code, size):
    """The displayed picture inside a box of the stored frame, at the size of the rendering."""
    upright = photos.transpose(image, code)
    inside = photos.cut(upright, orientation.to_displayed(box, *image.size, orientation=code))
    return inside.resize(size, Image.Resampling.BICUBIC)


def difference(one, other):
    """Mean absolute difference, 0 to 255."""
    return np.abs(np.asarray(one, float) - np.asarray(other, float)).mean()


def history(*entries):
    numbered = [
        {"Num": number, "Operation": name, "Enabled": 1, "Modversion": version, "Params": params}
        for number, (name, version, params) in enumerate(entries)
    ]
    return {"Xmp_version": 5, "History": numbered, "History_end": len(numbered)}


def crop(*limits):
    return "crop", 1, struct.pack("<4f2i", *limits, -1, -1).hex()


def ashift(rotation, *limits):
    lens = (0, 0, 0, 28, 1, 100, 1, 0, 1)
    return "ashift", 5, struct.pack("<8f2i4f200fi8f", rotation, *lens, *limits, *[0] * 209).hex()


def clipping(angle, *limits, automatic):
    quad, keystone = (0.2, 0.2, 0.8, 0.2, 0.8, 0.8, 0.2, 0.8), (0, 0, 0)
    values = (angle, *limits, 0, 0, *quad, *keystone, automatic, -1, -1)
    return "clipping", 5, struct.pack("<15f6i", *values).hex()


def flip(bits, version=2):
    return "flip", version, struct.pack("<i", bits).hex()


WHOLE = (0, 1, 0, 1)
INNER = (0.3, 0.3, 0.7, 0.65)


@pytest.mark.parametrize(
    ("exif", "settings"),
    [
        (5, history(crop(0.1, 0.2, 0.7, 0.9))),
        (8, history(ashift(-7.5, *WHOLE), crop(*INNER))),
        (2, history(ashift(20, *WHOLE), crop(*INNER))),
        (6, history(ashift(6, 0.12, 0.85, 0.2, 0.8))),
        (6, history(flip(1), ashift(6, *WHOLE), crop(*INNER))),
        (6, history(flip(4, version=1), ashift(6, *WHOLE), crop(*INNER))),
        (7, history(clipping(-14, *INNER, automatic=0))),
        (3, history(clipping(7, 0, 0, 1, 1, automatic=1))),
        (6, history(clipping(9, 0.25, 0.3, -0.7, 0.65, automatic=0))),
        (5, history(ashift(9, *WHOLE), clipping(-4, *INNER, automatic=0), crop(0.1, 0.2, 1, 0.9))),
    ],
)
def test_a_sidecar_is_decoded_as_it_is_rendered(tmp_path, exif, settings):
    file, image = photo(tmp_path, exif)
    found = rendered(tmp_path, file, settings)
    said = read(tmp_path / "photo.tif.xmp")
    assert darktable.state(said) is darktable.State.CROPPED
    box, code = darktable.decode(said, *image.size, exif), darktable.shown_as(said, exif)
    require_same(found, image, box, code)


@pytest.mark.parametrize(
    ("exif", "code", "crop"),
    [(1, 1, Crop(0.3, 0.3, 0.75, 0.7, 33)), (6, 4, Crop(0.3, 0.3, 0.75, 0.7, -9))],
)
def test_what_is_encoded_is_rendered_as_the_crop(tmp_path, exif, code, crop):
    file, image = photo(tmp_path, exif)
    found = rendered(tmp_path, file, darktable.encode(crop, *image.size, code, exif))
    size = orientation.displayed_size(*image.size, code)
    box = orientation.to_stored(crop.in_pixels(*size), *size, orientation=code)
    require_same(found, image, box, code)


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
    file, image = photo(tmp_path, exif, *size)
    crop = Crop(0.2, 0.28, 0.75, 0.7, angle)
    require_rendered(tmp_path, file, image, crop, exif)


@pytest.mark.parametrize(
    ("suffix", "container", "exif"),
    [(".heic", 8, None), (".heic", 1, 6), (".avif", 6, 1), (".avif", 5, 3)],
)
def test_what_is_written_for_heic_and_avif_is_rendered_as_the_container_displays_it(
    tmp_path, suffix, container, exif
):
    # by version 4.2, which goes by EXIF alone
    _, image = photo(tmp_path, 1)
    file = save_heif(tmp_path / f"photo{suffix}", container, exif, image)
    require_rendered(tmp_path, file, image, Crop(0.2, 0.28, 0.75, 0.7, 0.0), container)


def test_what_is_written_for_a_clean_aperture_is_rendered_as_the_crop(tmp_path):
    _, image = photo(tmp_path, 1, 599, 399)
    file = save_cut(tmp_path / "photo.heic", image, (100, 40, 400, 300))
    shown = image.crop((100, 40, 500, 340))
    require_rendered(tmp_path, file, shown, Crop(0.2, 0.28, 0.9, 0.6, 0.0), 1)


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_what_is_written_over_an_earlier_crop_is_rendered(tmp_path, version):
    file, image = photo(tmp_path, 6)
    entries = [clipping(6, *INNER, automatic=1), ashift(5, *WHOLE), crop(0.1, 0.2, 0.7, 0.9)]
    earlier = history(*entries) | {"Xmp_version": version, "History_end": 1}
    text = sidecar(tmp_path, earlier).read_text()
    if version < 4:  # where the entries themselves had a place in the pipe
        for operation, place in (("clipping", 8), ("ashift", 7), ("crop", 9)):
            named = f'darktable:operation="{operation}"'
            text = text.replace(named, f'{named} darktable:iop_order="{place}.0"')
    (tmp_path / "photo.tif.xmp").write_text(text)
    require_rendered(tmp_path, file, image, Crop(0.2, 0.28, 0.75, 0.7, 0.0), 6)


def borders(left, top, right, bottom):
    """RAW borders, with the white level of 16 bits."""
    data = struct.pack("<4i5H2xi", left, top, right, bottom, 0, 0, 0, 0, 65535, 0)
    return "rawprepare", 2, data.hex()


def test_raw_borders_are_undone_as_they_are_rendered(tmp_path):
    _, image = photo(tmp_path, 1)
    file = save_dng(tmp_path / "photo.dng", image, inset=(40, 50, 40, 50))
    wide = history(borders(176, 84, 92, 62), crop(0.2, 0.2, 0.8, 0.7))
    found = rendered(tmp_path, file, wide)
    with photo_file.open_photo(file) as opened:
        said = read(tmp_path / "photo.tif.xmp")
        box = base.decode_in_frame(darktable, said, opened.frame, 1, opened.sensor)
    kept = base.displayed_crop(box, 600, 400, 1)
    # of 708 x 486 px, 6 + 50 and 4 + 40 come before the frame, 2 + 50 and 2 + 40 after it
    usual = borders(56, 44, 52, 42)
    limits = (kept.left, kept.top, kept.right, kept.bottom)
    again = rendered(tmp_path, file, history(usual, crop(*limits)))
    assert found.size == pytest.approx(again.size, abs=2)
    assert difference(found, again.resize(found.size)) < LARGEST_DIFFERENCE
    naive = rendered(tmp_path, file, history(usual, crop(0.2, 0.2, 0.8, 0.7)))
    assert difference(found, naive.resize(found.size)) > WRONG_DIFFERENCE


def require_rendered(folder, file, image, crop, code):
    """Has the crop written, over what is there, and rendered."""
    with exiftool.tag_reader() as reader:
        [seen] = edited_photo.read(folder, scan.find_photos(folder, [file.name], [], ()), reader)
        wanted = write.WantedCrop(crop, code)
        written = write.write_crop(seen, wanted, "darktable", reader, overwrite=True)
    size = orientation.displayed_size(*image.size, code)
    box = orientation.to_stored(crop.in_pixels(*size), *size, orientation=code)
    require_same(rendered_by(folder, file, written.file), image, box, code)


def require_same(found, image, box, code):
    expected = orientation.to_displayed(box, *image.size, orientation=code)
    assert found.size == pytest.approx((expected.width, expected.height), abs=2)
    assert difference(found, cut(image, box, code, found.size)) < LARGEST_DIFFERENCE
    wrong = replace(box, angle=-box.angle) if box.angle else replace(box, width=box.height)
    assert difference(found, cut(image, wrong, code, found.size)) > WRONG_DIFFERENCE
