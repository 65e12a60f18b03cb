import re

from conftest import ROOT

from cropperhead.editors import darktable_history, darktable_moves, names, rawtherapee, registry


def test_the_names_for_the_command_line_are_those_of_the_registry():
    assert tuple(editor.name for editor in registry.EDITORS) == names.NAMES
    assert tuple(editor.name for editor in registry.writable()) == names.WRITABLE_NAMES
    assert tuple(editor.name for editor in registry.embedding()) == names.EMBEDDING_NAMES


def test_each_editor_is_found_by_its_name_and_by_its_sidecars():
    for editor in registry.EDITORS:
        assert registry.find_editor(editor.name) is editor
        assert editor in registry.with_sidecars(editor.sidecars.suffix)


def test_a_sidecar_is_named_as_its_editor_names_it():
    expected = {
        "lightroom": "IMG_1.xmp",
        "darktable": "IMG_1.NEF.xmp",
        "rawtherapee": "IMG_1.NEF.pp3",
        "art": "IMG_1.NEF.arp",
    }
    for name, sidecar in expected.items():
        assert registry.find_editor(name).sidecars.name_for("IMG_1.NEF") == sidecar


def test_the_page_names_the_newest_versions_that_are_read():
    page = (ROOT / "docs" / "labels.md").read_text(encoding="utf-8")
    [row] = [line for line in page.splitlines() if line.startswith("| darktable | releases")]
    known = darktable_history._LAYOUTS | {
        "lens": darktable_moves._LENS,
        "rawprepare": darktable_moves._BORDERS,
    }
    for module, versions in known.items():
        named = re.search(rf"`{module}` (\d+) (?:to|and) (\d+)", row)
        assert named, module
        assert (int(named[1]), int(named[2])) == (min(versions), max(versions))
    assert f"XMP 0 to {darktable_history._NEWEST_XMP_VERSION};" in row
    for newest in (rawtherapee._NEWEST_VERSION, rawtherapee._NEWEST_OF_ART):
        assert f"profiles up to {newest} |" in page
