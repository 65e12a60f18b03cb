"""HEIC and AVIF whose container and EXIF tell different orientations, in each editor.

Up to 4.4, darktable goes by EXIF alone, from 4.6 on by the container.
"""

from dataclasses import astuple

import pytest
from conftest import darktable_xmp, extract_params, picture, settings, xmp
from heif_files import save_heif

from cropperhead.dataset import inspect, preview
from cropperhead.editors import darktable
from cropperhead.errors import RejectedFile
from cropperhead.geometry.crops import Crop
from cropperhead.library import edited_photo, scan
from cropperhead.photos import exiftool
from cropperhead.writeback import write

WIDTH, HEIGHT = 96, 64  # which encoders need not widen
CROP = Crop(0.2, 0.1, 0.9, 0.5, 0.0)  # as displayed
SUFFIXES = [".heic", ".avif"]


@pytest.fixture(scope="module")
def reader():
    with exiftool.tag_reader() as running:
        yield running


def save(file, container, exif):
    return save_heif(file, container, exif, picture(WIDTH, HEIGHT))


def read(file, reader):
    entries = scan.find_photos(file.parent, [file.name], [], ())
    [photo] = edited_photo.read_cropped(file.parent, entries, reader, edited_photo.ReadOptions())
    return photo


def history(flip=None):
    """A sidecar of the crop as darktable 3.8 to 4.8 write it, with its own turn if there is one."""
    return darktable_xmp(darktable.encode(CROP, WIDTH, HEIGHT, flip or 1, None if flip else 1))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_lightroom_displays_it_as_the_container_does(tmp_path, reader, suffix):
    file = save(tmp_path / f"a{suffix}", 8, 1)
    (tmp_path / "a.xmp").write_bytes(xmp(settings(0.1, 0.2, 0.5, 0.9)))
    [crop] = read(file, reader).crops
    assert crop.shown_as == 8
    # by 8, a stored (u, v) is displayed at (v, 1 - u): left .2 and right .9 become .8 and .1
    assert astuple(crop.crop) == pytest.approx((0.1, 0.1, 0.8, 0.5, 0))


@pytest.mark.parametrize(("container", "exif"), [(8, 1), (6, 8), (1, 6), (5, None)])
def test_a_crop_of_an_unknown_darktable_is_left_out_of_heic_by_name(
    tmp_path, reader, container, exif
):
    file = save(tmp_path / "a.heic", container, exif)
    (tmp_path / "a.heic.xmp").write_bytes(history())
    found = read(file, reader)
    assert isinstance(found, RejectedFile)
    assert found.kind == "turn"
    assert str(found) == (
        f"versions of darktable start from orientation {container} or {exif or 1}, and the "
        "settings do not tell which of them wrote them"
    )


def test_another_editor_s_crop_stays(tmp_path, reader):
    file = save(tmp_path / "a.heic", 8, 1)
    (tmp_path / "a.heic.xmp").write_bytes(history())
    (tmp_path / "a.xmp").write_bytes(xmp(settings()))
    photo = read(file, reader)
    assert [crop.editor_name for crop in photo.crops] == ["lightroom"]
    assert [(one.file, one.kind) for one in photo.left_out] == [("a.heic.xmp", "turn")]


@pytest.mark.parametrize("container", [1, 6])
def test_a_crop_counts_where_container_and_exif_agree(tmp_path, reader, container):
    file = save(tmp_path / "a.heic", container, container)
    (tmp_path / "a.heic.xmp").write_bytes(history())
    [crop] = read(file, reader).crops
    assert (crop.shown_as, astuple(crop.crop)) == (container, pytest.approx(astuple(CROP)))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_flip_of_darktable_s_own_leaves_nothing_open(tmp_path, reader, suffix):
    file = save(tmp_path / f"a{suffix}", 8, 1)
    (tmp_path / f"a{suffix}.xmp").write_bytes(history(flip=3))
    [crop] = read(file, reader).crops
    assert (crop.shown_as, astuple(crop.crop)) == (3, pytest.approx(astuple(CROP)))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (b'xmp_version="5"', b'xmp_version="5" darktable:iop_order_version="5"'),
        (b'modversion="1"', b'modversion="3"'),
        # version 2 has a whole number more
        (b'modversion="1" darktable:params="', b'modversion="2" darktable:params="'),
    ],
)
def test_a_sidecar_that_names_a_version_from_5_on_goes_by_the_container(
    tmp_path, reader, older, newer
):
    file = save(tmp_path / "a.heic", 8, 1)
    sidecar = history()
    assert sidecar.count(older) == 1
    if b'modversion="2"' in newer:
        start = sidecar.index(older) + len(older)
        end = sidecar.index(b'"', start)
        sidecar = sidecar[:end] + b"00000000" + sidecar[end:]
    (tmp_path / "a.heic.xmp").write_bytes(sidecar.replace(older, newer))
    [crop] = read(file, reader).crops
    assert (crop.shown_as, astuple(crop.crop)) == (8, pytest.approx(astuple(CROP)))


@pytest.mark.parametrize(("container", "exif"), [(8, 1), (1, 6), (5, None)])
def test_the_container_counts_for_avif(tmp_path, reader, container, exif):
    file = save(tmp_path / "a.avif", container, exif)
    (tmp_path / "a.avif.xmp").write_bytes(history())
    [crop] = read(file, reader).crops
    assert (crop.shown_as, astuple(crop.crop)) == (container, pytest.approx(astuple(CROP)))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("container", "exif"), [(8, 1), (1, 6), (6, None), (3, 3)])
def test_what_is_written_for_darktable_is_the_same_in_every_version(
    tmp_path, reader, suffix, container, exif
):
    file = save(tmp_path / f"a{suffix}", container, exif)
    [photo] = edited_photo.read(tmp_path, scan.find_photos(tmp_path, [file.name], [], ()), reader)
    assert photo.target_orientation("darktable") == container
    wanted = write.WantedCrop(CROP, container)
    assert write.write_crop(photo, wanted, "darktable", reader).is_written
    [crop] = read(file, reader).crops
    assert (crop.shown_as, astuple(crop.crop)) == (container, pytest.approx(astuple(CROP)))
    for camera in {container, exif or 1}:
        assert darktable.shown_as(crop.version.settings, camera) == container


def test_inspect_dry_run_and_extraction_say_the_same(tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    for name, container, exif in [("a", 8, 1), ("b", 6, 6), ("c", 1, 6)]:
        for suffix in SUFFIXES:
            save(library / f"{name}{suffix}", container, exif)
            (library / f"{name}{suffix}.xmp").write_bytes(history())
    params = extract_params(library)
    dry = preview.preview(library, scan.scan(library).entries, params)
    assert dict(dry.outcomes) == {"cropped": 4, "turn": 2}
    texts = [
        inspect.describe(*one)
        for pictures in (False, True)
        for one in inspect.read_photos([library], params, [], pictures)
    ]
    assert texts[:6] == texts[6:]
    assert sum("rejected: turn: versions of darktable" in text for text in texts) == 4
