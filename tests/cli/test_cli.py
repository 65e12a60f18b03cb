import os
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

from cropperhead import __version__
from cropperhead.cli import extract
from cropperhead.cli.main import COMMANDS, main
from cropperhead.errors import DataError
from cropperhead.system import stage


def test_an_error_is_one_sentence_and_status_1(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("a user's file")
    assert main(["demo-library", str(tmp_path), "--photos", "24"]) == 1
    printed = capsys.readouterr().err.strip()
    assert str(tmp_path) in printed
    assert "Traceback" not in printed
    assert (tmp_path / "mine.txt").read_text() == "a user's file"


def test_an_error_of_the_system_names_the_file(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["demo-library", str(tmp_path / "file" / "folder")]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'file' / 'folder'}: Not a directory\n"


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, 130), (DataError, 1), (OSError("it is full"), 1)]
)
def test_each_way_to_end_has_its_own_status(monkeypatch, capsys, error, status):
    def end(**_):
        raise error

    monkeypatch.setattr(extract.command, "callback", end)
    assert main(["extract", "--dry-run", "photos"]) == status
    assert capsys.readouterr().err.strip() in {"", "disk: it is full"}


def test_a_command_that_is_told_to_end_has_the_status_of_the_signal(monkeypatch):
    def end(**_):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(extract.command, "callback", end)
    assert main(["extract", "--dry-run", "photos"]) == 143  # 128 + 15


def test_a_reader_that_closes_the_pipe_ends_it_silently_with_status_141():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "cropperhead.cli", "--help"]
    with os.fdopen(writer) as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["crop-everything"], "No such command 'crop-everything'."),
        (["sugest", "photos"], "No such command 'sugest'. Did you mean 'suggest'?"),
        (["extract"], "Missing argument 'LIBRARY'."),
        (["extract", "photos"], "Pass either --dry-run or --out DIR."),
        (["extract", "photos", "--dry-run", "--out", "out"], "Pass either --dry-run or --out DIR."),
        (["extract", "photos", "--dry"], "No such option '--dry'."),
        (["convert", "photos", "--to", "art"], "'art' is not one of 'lightroom', 'darktable'"),
        (["suggest", "-"], "Pass a photo, a folder or a pattern."),
    ],
)
def test_wrong_usage_has_status_2_and_a_hint(capsys, arguments, message):
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("Usage: cropperhead ")
    assert message in printed


def test_the_version_and_the_help_of_each_command_are_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"cropperhead {__version__}\n"
    for command in COMMANDS:
        assert main([command, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: cropperhead {command} [OPTIONS]")


def test_help_lists_all_commands_and_imports_none_of_them():
    code = (
        "import sys; from cropperhead.cli.main import main; main(['--help'])\n"
        "print(*sorted(name for name in sys.modules if name.startswith('cropperhead.cli.')))"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert printed.splitlines()[-1] == "cropperhead.cli.main"
    assert all(f"\n  {command} " in printed for command in COMMANDS)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("cropperhead sug", "suggest"),
        ("cropperhead suggest --str", "--straighten-only"),
        ("cropperhead convert --to darkt", "darktable"),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_completions(words, expected, shell):
    incomplete = words.split()[-1]
    position = incomplete if shell == "fish" else str(len(words.split()) - 1)
    request = {
        "_CROPPERHEAD_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": position,
    }
    printed = subprocess.check_output(
        [sys.executable, "-m", "cropperhead.cli"], env=os.environ | request, text=True
    )
    assert expected in printed


def test_a_stage_ends_with_its_error_s_sentence():
    def unsound() -> None:
        raise DataError("split: no photo fell to test.")

    with pytest.raises(SystemExit, match="no photo fell to test"):
        stage.run(unsound)


@pytest.mark.parametrize("command", [["gate"], ["data-diff", "HEAD"]])
def test_a_package_that_a_small_installation_lacks_is_named_in_one_sentence(command):
    code = (
        "import sys; sys.modules['pandas'] = None\n"  # as if it were not installed
        "from cropperhead.cli.main import main\n"
        f"sys.exit(main({command!r}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert run.returncode == 1
    assert run.stderr == (
        "This command needs pandas, which is not installed. "
        "Install it: pip install 'cropperhead[pipeline]'\n"
    )


EARLY = """
import sys
from multiprocessing import forkserver
from cropperhead.cli.main import main

sys.argv = ["cropperhead", "suggest", "--model", sys.argv[1], "."]
main()  # which ends with an error
print(forkserver._forkserver._forkserver_pid is not None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copies only on Linux")
@pytest.mark.parametrize(("model", "starts"), [("damaged.tflite", True), ("empty", False)])
def test_worker_processes_are_prepared_only_for_a_model_that_runs_in_them(tmp_path, model, starts):
    (tmp_path / "damaged.tflite").write_bytes(b"no model")
    (tmp_path / "empty").mkdir()  # a model is missing
    command = [sys.executable, "-c", EARLY, tmp_path / model]
    printed = subprocess.check_output(command, cwd=tmp_path, stderr=subprocess.STDOUT, text=True)
    assert printed.startswith(f"{tmp_path / model}: no")  # its error
    assert printed.endswith(f"\n{starts}\n")


def test_a_comparison_without_a_model_ends_before_tensorflow_is_imported(
    tmp_path, monkeypatch, capsys
):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cropperhead.report.other_library", None)
    monkeypatch.delattr("cropperhead.report.other_library", raising=False)
    assert main(["compare", ".", "--out", "out"]) == 1
    assert capsys.readouterr().err.startswith("models/model.keras: not found. Run `dvc repro`")
