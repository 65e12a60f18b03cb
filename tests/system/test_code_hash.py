from cropperhead.dataset import rows
from cropperhead.geometry import orientation
from cropperhead.system import code_hash


def names(files):
    return [code_hash.relative(file) for file in files]


def test_a_module_is_made_of_itself_and_all_that_it_imports():
    assert names(code_hash.of(orientation)) == [
        "__init__.py",
        "geometry/__init__.py",
        "geometry/crops.py",
        "geometry/orientation.py",
    ]


def test_packages_on_the_way_count_and_imports_are_followed():
    found = code_hash.of(rows)
    assert {
        "geometry/crops.py",
        "errors.py",
        "photos/exiftool.py",
        "editors/lightroom.py",
        "photos/image.py",
        "photos/__init__.py",
    } <= set(names(found))
