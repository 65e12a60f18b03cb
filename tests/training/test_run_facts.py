"""What a run is called, in a project under git."""

import subprocess

import pytest
from conftest import ROOT

from cropperhead import params
from cropperhead.training import run_facts


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder whose params.yaml is committed."""
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    git("init")
    commit()
    return tmp_path


def git(*arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    done = subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)
    return done.stdout.decode().strip()


def commit():
    git("add", ".")
    git("commit", "--message", "all")
    return git("rev-parse", "HEAD")


def values():
    return params.effective(params.load())


def change(project, *replaced):
    file = project / "params.yaml"
    text = file.read_text()
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)


@pytest.mark.usefixtures("project")
def test_a_run_of_the_committed_params_is_named_by_quality_and_seed():
    assert run_facts.run_name(values()) == "standard seed 7"


def test_a_run_is_named_by_the_params_that_were_changed_since_the_commit(project):
    change(project, ("  seed: 7", "  seed: 8"), ("salt: cropperhead", "salt: other"))
    # in the order of params.yaml; `split` is a block of its own, `train` goes without saying
    assert run_facts.run_name(values()) == "split.salt=other, seed=8"


def test_a_name_has_three_changes_and_the_number_of_the_others(project):
    head = ("  head:", "  head:\n    epochs: 3\n    dropout: 0.1")
    change(project, head, ("    epochs: 24\n", ""), ("    dropout: 0.4\n", ""))
    change(project, ("  seed: 7", "  seed: 8"), ("  patience: 10", "  patience: 11"))
    change(project, ("burst_seconds: 2.0", "burst_seconds: 3.0"))
    assert run_facts.run_name(values()) == "split.burst_seconds=3.0, seed=8, patience=11, 2 more"


def test_an_experiment_is_compared_with_the_commit_that_it_started_from(project, monkeypatch):
    start = git("rev-parse", "HEAD")
    change(project, ("  seed: 7", "  seed: 8"))
    commit()
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", start)
    monkeypatch.setenv("DVC_EXP_NAME", "windy-owl")
    assert run_facts.run_name(values()) == "seed=8"
    assert run_facts.run_tags(values())["dvc_experiment"] == "windy-owl"


def test_a_changed_value_that_the_network_does_not_use_is_named(project, capsys):
    change(
        project, ("  learning_rate: 0.002", "  learning_rate: 0.001"), ("  seed: 7", "  seed: 8")
    )
    change(project, ("  overlap_weight: 3.0", "  overlap_weight: 2.0"))
    change(project, ("predecessor_loss: squared_error", "predecessor_loss: clip_penalty"))
    run_facts.warn_of_unused(params.load())
    assert capsys.readouterr().err.splitlines() == [
        "params.yaml: train.learning_rate is 0.001 now, which train.quality standard does not use: "
        "change train.head.learning_rate.",
        "params.yaml: train.predecessor_loss is clip_penalty now, which train.quality standard "
        "does not use.",
    ]
    commit()
    run_facts.warn_of_unused(params.load())
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("project")
def test_a_run_names_the_processor_and_its_threads():
    tags = run_facts.run_tags(values())
    assert (tags["threads"], tags["git_dirty"]) == ("2", "false")
    assert tags["processor"]
    assert "dvc_experiment" not in tags


@pytest.mark.parametrize("content", ["train: {}", "[", ""])
def test_committed_params_of_another_version_change_nothing(project, content):
    now = values()
    (project / "params.yaml").write_text(content)
    commit()
    assert run_facts.run_name(now) == "standard seed 7"


@pytest.mark.usefixtures("project")
def test_a_folder_without_git_has_no_commit(monkeypatch):
    now = values()
    monkeypatch.setenv("GIT_DIR", "nowhere")
    assert run_facts.run_name(now) == "standard seed 7"
    assert run_facts.run_tags(now)["git_commit"] == "unknown"
