"""A new editor is one class or module and one name in the registry: all else takes it from there.

It is drawn up for this test. How Capture One (.cos), DxO PhotoLab (.dop), Apple Photos (.AAE), NX
Studio and Pixelmator measure a crop is not confirmed by any code or files that we could read.
"""

# ruff: noqa: ARG002 - the interface names arguments that this editor does not need
import pytest
from conftest import extract_params, save_photo

from cropperhead.dataset import inspect, preview
from cropperhead.editors import base, registry
from cropperhead.editors.base import SidecarRule, State
from cropperhead.geometry.crops import Rectangle
from cropperhead.library import scan
from cropperhead.writeback import convert

ORIENTATION = 0x0112


class Boxes:
    """Keeps left, top, right and bottom in pixels of the stored frame, in IMG.jpg.boxes."""

    name = "boxes"
    tags, header_words, embeds_crops = (), (), False
    sidecars = SidecarRule(".boxes", max_megabytes=1)

    def has_no_crop(self, packet):
        return True  # it writes into no photo

    def read_settings(self, file, tags):
        return {"box": [float(number) for number in file.read_text().split()]}

    def state(self, settings):
        return State.CROPPED if settings.get("box") else State.SILENT

    def camera_orientations(self, settings, photo, camera):
        return (camera.shown_as,)

    def shown_as(self, settings, exif_orientation):
        return exif_orientation

    def decode(self, settings, width, height, exif_orientation):
        left, top, right, bottom = settings["box"]
        middle = (left + right) / 2, (top + bottom) / 2
        return Rectangle(*middle, right - left, bottom - top, 0.0)

    def read_mark(self, sidecar):
        return {}

    def write(self, before, new, mark):
        box = base.stored_box(new.crop, *new.frame, new.shown_as)
        corners = [*box.corners()[0], *box.corners()[2]]
        return " ".join(f"{number:.3f}" for number in corners).encode()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "EDITORS", (*registry.EDITORS, Boxes()))
    save_photo(tmp_path / "lib" / "a.jpg", exif={ORIENTATION: 1})  # 90 x 60 px
    (tmp_path / "lib" / "a.jpg.boxes").write_text("9 6 81 30")
    return tmp_path / "lib"


def test_its_sidecars_are_found_and_paired(folder):
    (folder / "gone.jpg.boxes").write_text("9 6 81 30")
    found = {entry.file: (entry.kind, entry.sidecars) for entry in scan.scan(folder).entries}
    assert found == {"a.jpg": ("photo", ("a.jpg.boxes",)), "gone.jpg.boxes": ("orphan", ())}


def test_its_crops_are_labels(folder):
    summary = preview.preview(folder, scan.scan(folder).entries, extract_params(folder))
    assert dict(summary.outcomes) == {"cropped": 1}
    assert dict(summary.labels) == {"boxes sidecar": 1}


def test_its_crops_are_shown(folder):
    [(file, photo)] = inspect.read_photos(
        [folder / "a.jpg"], extract_params("."), [], pictures=False
    )
    # 9 to 81 of 90 px, 6 to 30 of 60 px
    limits = "top 0.1000  left 0.1000  bottom 0.5000  right 0.9000  not tilted"
    assert f"  photographer, boxes sidecar\n    {limits}\n" in inspect.describe(file, photo)


def test_its_crops_are_converted_to_another_editor_and_another_s_to_its_own(folder):
    there = convert.ConversionOptions("rawtherapee", source="boxes")
    assert not convert.convert([folder], there, extract_params(".")).failed
    text = (folder / "a.jpg.pp3").read_text()
    assert text.startswith("[Crop]\nEnabled=true\nX=9\nY=6\nW=72\nH=24\n")
    (folder / "a.jpg.boxes").unlink()
    back = convert.ConversionOptions("boxes", source="rawtherapee")
    assert not convert.convert([folder], back, extract_params(".")).failed
    assert (folder / "a.jpg.boxes").read_text() == "9.000 6.000 81.000 30.000"
