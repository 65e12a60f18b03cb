from cropperhead.dataset import extract, rows
from cropperhead.geometry import orientation
from cropperhead.system import code_hash


def names(files):
    return [code_hash.package_path(file) for file in files]


def test_a_module_s_files_are_its_own_and_those_that_it_imports():
    assert names(code_hash.module_files(orientation)) == [
        "__init__.py",
        "geometry/__init__.py",
        "geometry/crops.py",
        "geometry/orientation.py",
    ]


def test_packages_around_a_module_count_and_imports_are_followed():
    files = code_hash.module_files(rows)
    assert {
        "geometry/crops.py",
        "errors.py",
        "photos/exiftool.py",
        "editors/lightroom.py",
        "photos/image.py",
        "photos/__init__.py",
    } <= set(names(files))


def test_labels_depend_on_the_code_that_stages_photos_of_an_object_store():
    files = names(extract.code_files())
    assert {"library/staging.py", "editors/lightroom.py", "photos/tiff.py"} <= set(files)
