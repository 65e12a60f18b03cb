"""What `pip install cropperhead` installs."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy of its sources."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    command = [sys.executable, "-c", BUILD, str(folder)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    [file] = folder.glob("*.whl")
    return file


def test_the_wheel_has_every_module_and_template_but_not_the_demo(wheel):
    source = ROOT / "src"
    files = {
        file.relative_to(source).as_posix()
        for pattern in ("*.py", "templates/*", "py.typed")
        for file in (source / "cropperhead").rglob(pattern)
    }
    expected = {name for name in files if not name.startswith("cropperhead/demo/")}
    assert {"cropperhead/dataset/templates/data_docs.html.j2", "cropperhead/py.typed"} < expected
    built = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in built if ".dist-info/" not in name} == expected


def test_the_wheel_has_the_license(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]


def test_the_demo_s_absence_is_one_sentence_that_says_where_to_get_it(wheel, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "cropperhead.cli", "demo-library", "drawn"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "The demo library is not part of the installed package: "
        "run `make setup` in a checkout of CropperHead's repository.\n"
    )
    assert not (tmp_path / "drawn").exists()
