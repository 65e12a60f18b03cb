"""Sidecars that the page offers hold the crop that was made, as every editor's reader finds it."""

import pytest
from conftest import save_photo, scene
from pydantic import ValidationError

from cropperhead import api
from cropperhead.editors.names import WRITABLE_NAMES
from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.library import edited_photo, scan
from cropperhead.photos import exiftool
from cropperhead.web.sidecar import EditorName, PageCrop, SidecarRequest, word_sidecar

WIDTH, HEIGHT = 384, 256  # as stored
CROP = {"top": 0.21, "left": 0.2, "bottom": 0.78, "right": 0.83, "angle": 3.25}
TAG = 0x0112


def wanted(editor, shown_as=1, **changes):
    return SidecarRequest(
        editor=editor,
        photo="IMG_1.jpg",
        width=WIDTH,
        height=HEIGHT,
        orientation=shown_as,
        crop=PageCrop(**(CROP | changes)),
    )


def test_the_editors_are_those_that_can_be_written():
    assert set(EditorName.__args__) == set(WRITABLE_NAMES)


@pytest.mark.parametrize("shown_as", orientation.ORIENTATIONS)
@pytest.mark.parametrize("editor", WRITABLE_NAMES)
def test_a_sidecar_is_read_back_as_the_crop(tmp_path, editor, shown_as):
    save_photo(tmp_path / "IMG_1.jpg", image=scene(1, WIDTH, HEIGHT), exif={TAG: shown_as})
    name, content = word_sidecar(wanted(editor, shown_as))
    (tmp_path / name).write_bytes(content)
    with exiftool.tag_reader() as reader:
        entries = scan.find_photos(tmp_path, ["IMG_1.jpg"], [], ())
        [photo] = edited_photo.read(tmp_path, entries, reader)
    [found] = photo.crops
    assert found.editor_name == editor
    assert found.shown_as == shown_as
    # RawTherapee keeps whole pixels, 1.5 of 256
    assert found.crop.limits() == pytest.approx(list(CROP.values()), abs=6e-3)


def test_a_turned_png_is_refused_for_rawtherapee_with_what_to_do():
    png = wanted("rawtherapee", 6).model_copy(update={"photo": "a.png"})
    with pytest.raises(RejectedFile, match="shows this PNG unturned, later versions turned"):
        word_sidecar(png)


def test_lightroom_s_values_are_those_of_the_python_api_through_exiftool(tmp_path):
    _, content = word_sidecar(wanted("lightroom", 6))
    file = tmp_path / "IMG_1.xmp"
    file.write_bytes(content)
    expected = api.Crop(**CROP, confidence=1).lightroom(WIDTH, HEIGHT, 6)
    names = ("CropTop", "CropLeft", "CropBottom", "CropRight", "CropAngle")
    with exiftool.tag_reader() as reader:
        tags = reader.read([file], [f"XMP-crs:{name}" for name in names])[file]
    assert {name: float(tags[f"XMP-crs:{name}"]) for name in names} == {
        name: expected[name] for name in names
    }


@pytest.mark.parametrize(
    "changes", [{"right": 1.2}, {"left": 0.9}, {"top": 0, "left": 0, "bottom": 1, "right": 1}]
)
def test_a_crop_that_is_not_in_the_photo_gives_no_sidecar(changes):
    with pytest.raises(RejectedFile):
        word_sidecar(wanted("darktable", **changes))
    whole = {"top": 0, "left": 0, "bottom": 1, "right": 1, "angle": 0}
    with pytest.raises(RejectedFile, match="nothing to write"):
        word_sidecar(wanted("darktable", **whole))


@pytest.mark.parametrize(
    "changes",
    [
        {"editor": "gimp"},
        {"width": 0},
        {"orientation": 9},
        {"photo": ""},
        {"photo": "x" * 300},
        {"crop": CROP | {"angle": float("nan")}},
    ],
)
def test_other_requests_are_refused(changes):
    values = wanted("darktable").model_dump() | changes
    with pytest.raises(ValidationError):
        SidecarRequest(**values)


@pytest.mark.parametrize("name", ["../../IMG_1.jpg", "..\\IMG_1.jpg", "/etc/IMG_1.jpg"])
def test_a_name_with_folders_is_the_file_s_alone(name):
    request = wanted("lightroom").model_copy(update={"photo": name})
    assert word_sidecar(request)[0] == "IMG_1.xmp"
