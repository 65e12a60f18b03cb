"""What keeps the project's shape: complete dependencies, light imports, true documentation."""

import ast
import re
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT

from cropperhead.cli.main import COMMANDS
from cropperhead.dataset import reading
from cropperhead.suggest import predict
from cropperhead.system import code_hash, project_files

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())
STAGES = PIPELINE["stages"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
KEYS = ["desc", "cmd", "deps", "params", "outs", "metrics", "plots", "always_changed"]


def paths(entries: list) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_the_code_that_it_runs(stage):
    script = ROOT / "stages" / f"{stage}.py"
    # that of most packages is empty
    files = [file for file in code_hash.imported_files(script) if file.read_bytes().strip()]
    needed = {file.relative_to(ROOT).as_posix() for file in files}
    stated = {path for path in STAGES[stage]["deps"] if path.startswith(("src/", "stages/"))}
    covering = {code: [path for path in stated if covers(path, code)] for code in needed}
    assert [code for code, paths in covering.items() if len(paths) != 1] == []
    assert stated - {path for paths in covering.values() for path in paths} == set()


def covers(path: str, code: str) -> bool:
    return path == code or code.startswith(f"{path}/")


@pytest.mark.parametrize("stage", ["train", "export"])
def test_what_takes_long_does_not_rerun_for_a_neighbour_of_what_it_borrows(stage):
    folders = [path for path in STAGES[stage]["deps"] if (ROOT / path).is_dir()]
    assert [path for path in folders if path.startswith("src/")] == ["src/cropperhead/training"]


def test_bytecode_makes_no_stage_stale():
    assert "__pycache__/" in (ROOT / ".dvcignore").read_text().splitlines()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_its_keys_in_one_order_and_a_script_of_its_name(stage):
    assert list(STAGES[stage]) == [key for key in KEYS if key in STAGES[stage]]
    assert STAGES[stage]["cmd"].startswith(f"sh stages/run.sh {stage} ")


@pytest.mark.parametrize("stage", STAGES)
def test_every_output_stands_in_the_command(stage):
    command = STAGES[stage]["cmd"].split()
    for kind in ("outs", "metrics", "plots"):
        assert set(paths(STAGES[stage].get(kind, []))) <= set(command)


def test_the_files_that_commands_read_are_outputs_of_the_pipeline():
    outs = {
        path
        for stage in STAGES.values()
        for kind in ("outs", "metrics", "plots")
        for path in paths(stage.get(kind, []))
    }
    files = ("EXTRACTED", "LABELS", "SPLITS", "MODEL", "HISTORY", "SCORES", "DETAILS")
    assert {getattr(project_files, name).as_posix() for name in files} <= outs
    assert project_files.MODEL.parent == project_files.MODELS


def test_every_param_is_a_dependency_of_some_stage_and_is_read():
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    depended = {name.split(".")[0] for stage in STAGES.values() for name in stage.get("params", [])}
    assert depended == set(params) - {"gate"}  # which is no stage: it looks at what stages left
    files = [file for part in ("src", "stages") for file in (ROOT / part).rglob("*.py")]
    code = "\n".join(file.read_text() for file in files if file.name != "params.py")
    keys = {key for block in params.values() for key in block}
    # values of nested blocks are read as such, or stand in place of those of the same names
    blocks = ("features", "head", "fine_tuning")
    keys = keys.difference(blocks).union(*(params["train"][name] for name in blocks))
    assert {key for key in keys if not re.search(rf"\.{key}\b", code)} == set()


@pytest.mark.parametrize("arguments", [["-c", "import cropperhead"], ["-m", "cropperhead.cli"]])
def test_importing_and_asking_for_help_loads_nothing_heavy(arguments):
    heavy = {
        "tensorflow",
        "keras",
        "mlflow",
        "great_expectations",
        "pandas",
        "pyarrow",
        "PIL",
        "numpy",
    }
    code = (
        arguments[1] if arguments[0] == "-c" else "from cropperhead.cli.main import main; main([])"
    )
    script = f"""
import sys
try:
    {code}
except SystemExit:
    pass
print(*({{name.split('.')[0] for name in sys.modules}} & {heavy!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("work", "spared"),
    [
        (reading._read_chunk, {"pandas", "pyarrow", "sqlalchemy", "sklearn", "jinja2"}),
        (predict.predict_photos, {"pandas", "pyarrow", "scipy", "imagehash", "tensorflow"}),
    ],
)
def test_the_processes_that_read_photos_load_nothing_that_they_do_not_need(work, spared):
    needs = reading._IMPORTS if work is reading._read_chunk else ()
    script = f"""
import sys
import {", ".join([work.__module__, *needs])}
print(*({{name.split('.')[0] for name in sys.modules}} & {spared!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_the_command_line_prints_its_help():
    done = subprocess.run(
        [sys.executable, "-m", "cropperhead.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "demo-library" in done.stdout


def test_what_is_plotted_is_named_once_with_its_titles():
    # a stage's own `plots` would be drawn a second time, by their file's name
    assert [name for name, stage in STAGES.items() if "plots" in stage] == []


def test_every_command_in_the_readme_exists_and_every_command_is_in_it():
    named = set(re.findall(r"cropperhead ([a-z][a-z-]+)", README))
    assert named == set(COMMANDS)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)", README)) <= targets


def test_every_stage_has_a_line_in_the_readme():
    for stage in STAGES:
        assert re.search(rf"^\|? ?\*?\*?`?{stage}`?", README, re.MULTILINE), stage


def test_no_file_names_a_machine_s_own_path_or_a_registry():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    forbidden = re.compile(
        r"(?<![\w.])/(work|root|home|Users)/(?!me/)|pypi\.org|pythonhosted|registry\.npmjs"
    )
    # what others wrote names the folders of an emulated machine
    names = [name for name in listed.stdout.splitlines() if "/vendor/" not in name]
    texts = [ROOT / name for name in names if name != "tests/test_structure.py"]
    guilty = [str(file) for file in texts if file.is_file() and forbidden.search(_text(file))]
    assert guilty == []


# Packages and modules that open files of a library
OPENING = ("photos", "editors", "library", "writeback", "suggest", "inference", "api.py")
OPENERS = {"open", "read_bytes", "read_text", "imread", "connect", "copyfile", "copy2", "fromfile"}
# Calls that open something else, or take a path that `regular_file` has checked
CHECKED = {
    ("photos/image.py", "Image.open"),  # open files
    ("photos/raw.py", "rawpy.imread"),  # after its header, which `regular_file` opened
    ("editors/lightroom_catalog.py", "sqlite3.connect"),  # after its header and its logs
    ("editors/lightroom_catalog.py", "shutil.copyfile"),
    ("library/replacing.py", "os.open"),  # the journal, to append to it
    ("library/replacing.py", "target.open"),  # a file of its own
    ("suggest/deliver.py", "Image.open"),  # open files
    ("suggest/predict.py", "Path(os.devnull).open"),
    ("inference/litert.py", "archive.open"),
}


def test_files_of_a_library_are_opened_in_one_way():
    package = ROOT / "src" / "cropperhead"
    files = [file for part in OPENING for file in _sources(package / part)]
    opened = {
        (file.relative_to(package).as_posix(), call) for file in files for call in _calls(file)
    }
    assert opened == CHECKED


def _sources(path):
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _calls(file):
    """The calls of a source file that may open a path, other than those of `regular_file`."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "cropperhead.system.regular_file"
        for alias in node.names
    }
    names = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        name
        for name in names
        if name.rpartition(".")[2] in OPENERS
        and not name.startswith("regular_file.")
        and name not in imported
    }


def test_every_file_that_the_security_page_names_exists():
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_/]+/[a-z_]+\.py|api\.py)`", page))
    assert len(named) > 5
    missing = [name for name in named if not (ROOT / "src" / "cropperhead" / name).is_file()]
    assert missing == []
    assert "(SECURITY.md)" in README


def _text(file) -> str:
    return file.read_bytes().decode("utf-8", "ignore")
