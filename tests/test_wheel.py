"""What `pip install cropperhead` installs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from conftest import ROOT, picture, save_photo, xmp
from packaging.requirements import Requirement

from cropperhead.cli.main import COMMANDS

TRANSCRIPT, NUMBER = ROOT / "docs" / "transcript.md", re.compile(r"\d+(?:\.\d+)?")
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
        for pattern in ("*.py", "templates/*", "py.typed", "page/*.*", "page/vendor/*")
        for file in (source / "cropperhead").rglob(pattern)
    }
    # types of the page's scripts are for checking them
    shipped = {name for name in files if not name.endswith(".d.ts")}
    expected = {name for name in shipped if not name.startswith("cropperhead/demo/")}
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


def _requirements(package: str) -> Iterator[str]:
    """The distributions that a package needs without any extra, and what those need."""
    for text in metadata.requires(package) or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name
            yield from _requirements(requirement.name)


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory) -> Path:
    """The Python of an environment that holds what `pip install cropperhead` brings, no more."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False)
    [site] = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in set(_requirements("cropperhead")):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())
    return folder / "bin" / "python"


@pytest.fixture
def edited(tmp_path) -> Path:
    """A folder with a cropped photo and one that is not."""
    values = {"HasCrop": "True", "CropTop": 0.1, "CropLeft": 0.2, "CropBottom": 0.8}
    save_photo(tmp_path / "photos" / "a.jpg", xmp(values | {"CropRight": 0.9, "CropAngle": 0}))
    save_photo(tmp_path / "photos" / "b.jpg", image=picture(shade=3))
    return tmp_path


def _run(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    own = {"PYTHONPATH", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    command = [str(python), "-m", "cropperhead.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (["convert", "--to", "darktable", "photos"], "1 crop converted to darktable"),
        (["suggest", "photos", "--model", "model.tflite"], "2 suggested"),
        (["suggest", "photos", "--model", "model.tflite", "--write", "darktable"], "1 written"),
        (["suggest", "photos", "--model", "model.tflite", "--apply", "copies"], "copied to copies"),
    ],
)
def test_a_bare_installation_reads_and_suggests_crops(bare, edited, model, command, answer):
    shutil.copy(model, edited / "model.tflite")
    done = _run(bare, edited, *command)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert answer in done.stdout


def test_the_first_commands_print_what_the_documentation_shows(bare, edited):
    """With the variable `WRITE_TRANSCRIPT` set, the page is written instead."""
    page = TRANSCRIPT.read_text(encoding="utf-8")
    blocks = re.findall(r"(?s)```console\n(.*?)```", page)
    for block in blocks:
        commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
        printed = "".join(f"$ {each}\n{_answer(bare, edited, each)}" for each in commands)
        page = page.replace(block, printed)
    if os.environ.get("WRITE_TRANSCRIPT"):
        TRANSCRIPT.write_text(page, encoding="utf-8")
    shown = TRANSCRIPT.read_text(encoding="utf-8")
    assert len(blocks) == 4
    assert NUMBER.split(page) == NUMBER.split(shown)
    # other processors may round the base model's crops to another digit
    numbers = [float(each) for each in NUMBER.findall(page)]
    assert numbers == pytest.approx([float(each) for each in NUMBER.findall(shown)], abs=0.11)


def _answer(python: Path, folder: Path, command: str) -> str:
    """What a command prints on standard output; nothing of the installation, which is done."""
    program, *arguments = shlex.split(command)
    if program == "pip":
        return ""
    assert program == "cropperhead"
    done = _run(python, folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["extract", "photos", "--out", "labels"],
        ["compare", "photos", "--out", "report"],
        ["data-diff", "HEAD"],
        ["gate"],
        ["base", "build", "photos", "--out", "base"],
        ["study", "new"],
        ["suggest", "photos", "--model", "models:/cropperhead@champion"],
        ["suggest", "photos", "--model", "model.keras"],
    ],
)
def test_a_bare_installation_says_what_else_to_install(bare, edited, command):
    (edited / "model.keras").write_bytes(b"")
    done = _run(bare, edited, *command)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "cropperhead[pipeline]" in done.stderr


@pytest.mark.parametrize(
    ("command", "package"),
    [
        (["serve"], "fastapi"),
        (["review", "photos"], "fastapi"),
        (["collected", "export", "sent", "--from", "crops"], "sqlalchemy"),
    ],
)
def test_the_page_says_what_else_to_install(bare, edited, command, package):
    done = _run(bare, edited, *command)
    assert done.returncode == 1
    assert done.stderr == (
        f"This command needs {package}, which is not installed. "
        "Install it: pip install 'cropperhead[web]'\n"
    )


def test_every_command_of_a_bare_installation_has_been_tried():
    tried = {"extract", "inspect", "convert", "suggest", "compare", "data-diff", "gate"}
    tried |= {"serve", "review", "collected", "study", "base"}
    assert set(COMMANDS) - {"demo-library"} == tried  # the demo is not in it
