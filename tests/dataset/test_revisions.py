import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import label_table

from cropperhead.cli.main import main
from cropperhead.dataset import revisions
from cropperhead.errors import DataError

LABELS, SPLITS = "data/labels.parquet", "data/splits.parquet"
PIPELINE = f"""
stages:
  validate:
    cmd: 'true'
    outs:
      - {LABELS}
      - reports/validate.json:
          cache: false
  split:
    cmd: 'true'
    outs:
      - {SPLITS}
"""


def run(folder: Path, *command: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    who = {
        f"GIT_{role}_{what}": "a@b.c"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        command, cwd=folder, env=os.environ | who | {"PATH": path}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def assign_splits(labels: pd.DataFrame) -> pd.DataFrame:
    photos = labels["photo"].drop_duplicates()
    places = ["test" if i % 5 == 0 else "train" for i in range(len(photos))]
    return pd.DataFrame({"photo": photos, "group": photos, "split": places})


def store(folder: Path, count: int) -> None:
    labels = label_table(count)
    (folder / "data").mkdir(exist_ok=True)
    (folder / "reports").mkdir(exist_ok=True)
    labels.to_parquet(folder / LABELS, index=False)
    assign_splits(labels).to_parquet(folder / SPLITS, index=False)
    (folder / "reports" / "validate.json").write_text("{}\n")


@pytest.fixture(scope="module")
def commits(tmp_path_factory) -> Path:
    """Commits: no pipeline (`bare`), no data yet (`planned`), 20 photos (`first`), then 30."""
    folder = tmp_path_factory.mktemp("project")
    run(folder, "git", "init", "--quiet")
    run(folder, "dvc", "init", "--quiet")
    (folder / ".gitignore").write_text("/data/\n")
    for name, content in (("bare", None), ("planned", PIPELINE)):
        if content:
            (folder / "dvc.yaml").write_text(content)
        run(folder, "git", "add", "--all")
        run(folder, "git", "commit", "--quiet", "--message", name)
        run(folder, "git", "tag", name)
    for name, count in (("first", 20), ("second", 30)):
        store(folder, count)
        run(folder, "dvc", "commit", "--quiet", "--force")
        run(folder, "git", "add", "--all")
        run(folder, "git", "commit", "--quiet", "--message", name)
        run(folder, "git", "tag", name)
    return folder


@pytest.fixture
def project(commits, tmp_path) -> Path:
    return Path(shutil.copytree(commits, tmp_path / "project"))


def test_tables_are_those_of_the_revision_and_not_of_the_workspace(commits):
    version = revisions.read_revision(commits, "first")
    pd.testing.assert_frame_equal(version.labels, label_table(20))
    assert version.splits["split"].value_counts().to_dict() == {"train": 16, "test": 4}
    assert len(revisions.read_workspace(commits).labels) == 30


def test_a_branch_or_tag_is_named_with_its_commit(commits):
    commit = subprocess.run(
        ["git", "rev-parse", "first"], cwd=commits, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert revisions.read_revision(commits, "first").name == f"first ({commit[:7]})"
    assert revisions.read_revision(commits, commit[:9]).name == commit[:9]


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        ("nowhere", "nowhere: unknown Git revision 'nowhere'. Expected a commit, branch or tag"),
        ("bare", "bare: it has no dvc.yaml;.* `git log --oneline dvc.lock` lists the commits"),
        ("planned", "planned: it has no data/labels.parquet; `dvc repro` had not run"),
    ],
)
def test_the_error_for_a_revision_without_tables_says_what_to_do(commits, revision, message):
    with pytest.raises(DataError, match=message):
        revisions.read_revision(commits, revision)


def test_without_a_commit_the_error_says_where_to_run(tmp_path):
    expected = "Run from the root folder of a project."
    with pytest.raises(DataError, match=f"is not a git repository. {expected}"):
        revisions.read_revision(tmp_path, "main")
    run(tmp_path, "git", "init", "--quiet")
    with pytest.raises(DataError, match=f"main: Empty git repo. {expected}"):
        revisions.read_revision(tmp_path, "main")


def test_the_error_for_tables_missing_from_the_cache_says_what_to_do(project):
    shutil.rmtree(project / ".dvc" / "cache")
    with pytest.raises(DataError, match=r"longer.*`dvc fetch --all-commits data/labels\.parquet`"):
        revisions.read_revision(project, "first")


def test_tables_missing_from_the_cache_come_from_the_remote(project, tmp_path):
    run(project, "dvc", "remote", "add", "--default", "--local", "there", str(tmp_path / "remote"))
    run(project, "dvc", "push", "--quiet", "--all-tags")
    shutil.rmtree(project / ".dvc" / "cache")
    assert len(revisions.read_revision(project, "first").labels) == 20


def test_a_pipeline_with_other_stages_is_an_error(project):
    (project / "dvc.yaml").write_text("stages: {}\n")
    with pytest.raises(DataError, match=r"workspace: dvc\.yaml has no stage validate"):
        revisions.read_workspace(project)


def test_a_folder_that_is_not_a_project_is_an_error(tmp_path):
    with pytest.raises(DataError, match="is not a git repository"):
        revisions.read_revision(tmp_path, "HEAD")


def test_the_error_for_missing_tables_says_what_to_do(project):
    (project / SPLITS).unlink()
    with pytest.raises(DataError, match=r"splits\.parquet: not found.*`dvc repro`.*`dvc checkout`"):
        revisions.read_workspace(project)


def test_the_command_writes_a_page_and_its_picture(commits, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(commits)
    assert main(["data-diff", "first", "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "data-diff.md").read_text()
    assert "## Added: 10" in page  # 30 photos of the first 20 and ten more
    assert (tmp_path / "out" / "data-diff.png").read_bytes().startswith(b"\x89PNG")
    assert "added 10, removed 0" in capsys.readouterr().out


def test_the_command_s_error_is_one_sentence(commits, monkeypatch, capsys):
    monkeypatch.chdir(commits)
    assert main(["data-diff", "nowhere"]) == 1
    assert "nowhere: unknown Git revision" in capsys.readouterr().err
