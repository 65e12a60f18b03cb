import pytest

from cropperhead.errors import SetupError
from cropperhead.system.git import run_git


def test_git_s_own_message_is_raised_unless_its_status_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(SetupError, match="git rev-parse: fatal: not a git repository"):
        run_git("rev-parse", "HEAD", folder=tmp_path)
    assert run_git("rev-parse", "HEAD", folder=tmp_path, allowed=(128,)) == ""


def test_a_missing_git_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match=r"git: cannot be run\. Install it"):
        run_git("--version")
