"""The Python that stages run with, whatever the shell."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, label_table

ENVIRONMENT = Path(sys.prefix)
SYSTEM = "/usr/bin:/bin"
PRINT_CODE = "import cropperhead, sys; print(cropperhead.__file__, *sys.argv[1:])"


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a shell that has nothing but the system's path and what is given."""
    variables = {"PATH": SYSTEM, "HOME": str(folder)} | environment
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of what git keeps of the stages' code, with a stage that prints which code it runs."""
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "stages" / "print_code.py").write_text(PRINT_CODE)
    return tmp_path


def test_dvc_finds_the_project_s_environment_where_none_is_active(copy):
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, copy / name)
    (copy / ".venv").symlink_to(ENVIRONMENT)
    (copy / "data" / "extracted").mkdir(parents=True)
    (copy / "reports").mkdir()
    label_table(100).to_parquet(copy / "data" / "labels.parquet")
    dvc = (str(ENVIRONMENT / "bin" / "python"), "-m", "dvc")
    run(copy, *dvc, "init", "--no-scm").check_returncode()
    done = run(copy, *dvc, "repro", "--single-item", "split")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(pd.read_parquet(copy / "data" / "splits.parquet")) == 100


@pytest.mark.parametrize("active", [True, False])
def test_a_queued_experiment_runs_its_own_code_with_the_project_s_environment(
    copy, tmp_path_factory, active
):
    project = tmp_path_factory.mktemp("project")
    (project / ".venv").symlink_to(ENVIRONMENT)
    places = f"{ENVIRONMENT / 'bin'}:{SYSTEM}" if active else SYSTEM
    variables = {"PATH": places, "DVC_ROOT": str(project)}
    done = run(copy, "sh", "stages/run.sh", "print_code", "a b", **variables)
    expected = copy / "src" / "cropperhead" / "__init__.py"
    assert done.stdout == f"{expected} a b\n", done.stderr


def test_a_stage_s_threads_sleep_while_they_wait_unless_the_user_wants_otherwise(copy):
    print_policy = "import os; print(os.environ['OMP_WAIT_POLICY'])"
    (copy / "stages" / "print_policy.py").write_text(print_policy)
    command = ("sh", "stages/run.sh", "print_policy")
    variables = {"PATH": f"{ENVIRONMENT / 'bin'}:{SYSTEM}"}
    assert run(copy, *command, **variables).stdout == "passive\n"
    variables["OMP_WAIT_POLICY"] = "active"
    assert run(copy, *command, **variables).stdout == "active\n"


def test_a_missing_environment_is_one_sentence_that_says_how_to_get_it(copy):
    (copy / "dirname").symlink_to(shutil.which("dirname"))
    done = run(copy, "/bin/sh", "stages/run.sh", "print_code", PATH=str(copy))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        "No Python here has CropperHead's pipeline. Run `make setup`, or activate the environment "
        "in which you ran `pip install --editable '.[pipeline]'`."
    )


def test_a_stage_that_fails_leaves_its_last_report(copy):
    shutil.copy(ROOT / "dvc.yaml", copy)
    params = (ROOT / "params.yaml").read_text()
    missing = copy / "unplugged"
    (copy / "params.yaml").write_text(
        params.replace("library: data/demo-library", f"library: {missing}")
    )
    (copy / ".venv").symlink_to(ENVIRONMENT)
    report = copy / "reports" / "scan.json"
    report.parent.mkdir()
    report.write_text("the last one")
    dvc = (str(ENVIRONMENT / "bin" / "python"), "-m", "dvc")
    run(copy, *dvc, "init", "--no-scm").check_returncode()
    done = run(copy, *dvc, "repro", "--single-item", "scan")
    assert done.returncode != 0
    assert f"{missing}: no such folder. Set extract.library in params.yaml" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert report.read_text() == "the last one"


def test_ctrl_c_while_a_stage_imports_is_a_sentence(copy):
    script = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nsignal.pause()\n"
    (copy / "stages" / "interrupted.py").write_text(script)
    # a shell that runs in the background ignores Ctrl-C, and so would what it starts
    program = "import signal, os, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = f"{program}; os.execvp('sh', ['sh', 'stages/run.sh', 'interrupted'])"
    places = f"{ENVIRONMENT / 'bin'}:{SYSTEM}"
    done = run(copy, sys.executable, "-c", command, PATH=places)
    assert done.returncode == 1
    assert done.stderr == "Interrupted. Run `dvc repro` again to resume.\n"
