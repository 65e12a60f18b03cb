from cropperhead.editors import names, registry


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
