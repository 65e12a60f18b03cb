from cropperhead import orientation, readings, sources


def names(files):
    return [file.name for file in files]


def test_a_module_is_made_of_itself_and_all_that_it_imports():
    assert names(sources.of(orientation)) == ["__init__.py", "crops.py", "orientation.py"]


def test_packages_on_the_way_count_and_imports_are_followed():
    found = sources.of(readings)
    assert {
        "crops.py",
        "errors.py",
        "exif.py",
        "lightroom.py",
        "orientation.py",
        "photos.py",
    } <= set(names(found))
    assert names(found).count("__init__.py") == 2  # of cropperhead and of its editors
