import pytest
import yaml
from sent_photos import jpeg, text

from cropperhead.cli.main import main
from cropperhead.collection import migrate, sent, uploads
from cropperhead.collection.settings import CONSENT, open_collection


@pytest.fixture
def place(tmp_path):
    """A collection with one accepted crop."""
    folder = tmp_path / "collection"
    opened = open_collection(str(folder))
    migrate.prepare(opened)
    opened.store(uploads.check_upload(jpeg()), sent.parse_crop(text()), CONSENT, "accepted")
    yield opened, str(folder)
    opened.database.close()


def test_accepted_crops_are_exported(place, tmp_path, capsys):
    assert main(["collected", "export", str(tmp_path / "out"), "--from", place[1]]) == 0
    assert capsys.readouterr().out == f"1 crop of 1 photo is in {tmp_path / 'out'}\n"
    assert len((tmp_path / "out" / "crops.jsonl").read_text().splitlines()) == 1


def test_a_photo_that_is_missing_fails_the_check(place, capsys):
    opened, folder = place
    assert main(["collected", "check", "--from", folder]) == 0
    printed = capsys.readouterr().out
    assert "        1 accepted\n" in printed
    assert "        1 photo, 0.0 MB\n" in printed
    (name,) = opened.objects.names(0)
    opened.objects.delete(name)
    assert main(["collected", "check", "--from", folder]) == 1
    assert capsys.readouterr().err == f"missing: {name}\n"


def test_without_a_place_there_is_nothing_to_export(tmp_path, capsys):
    assert main(["collected", "export", str(tmp_path / "out")]) == 2
    assert "--from PLACE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["collected", "export", "out", "--from", "nowhere"], 1),
        (["collected", "check", "--from", "nowhere"], 1),
        (["collected", "check", "--from", "."], 1),
        (["serve", "--describe"], 0),
    ],
)
def test_a_command_that_only_looks_leaves_nothing_behind(
    tmp_path, monkeypatch, capsys, command, status
):
    monkeypatch.chdir(tmp_path)
    assert main(command) == status
    assert status == 0 or "it holds no collection" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_password_s_hash_is_printed_and_a_short_one_refused(capsys):
    assert main(["collected", "hash-password", "--password", "long enough for it"]) == 0
    assert capsys.readouterr().out.startswith("$argon2id$")
    assert main(["collected", "hash-password", "--password", "short"]) == 1


def test_what_is_in_force_is_described(monkeypatch, capsys):
    monkeypatch.setenv("CROPPERHEAD_COLLECTION_MAX_CROPS", "7")
    assert main(["serve", "--collect", "here", "-S", "publish=all", "--describe"]) == 0
    described = yaml.safe_load(capsys.readouterr().out)
    found = {name: described[name] for name in ("place", "publish", "max_crops")}
    assert found == {"place": "here", "publish": "all", "max_crops": 7}


def test_a_collection_s_settings_need_a_collection(capsys):
    assert main(["serve", "-S", "publish=all"]) == 2
    assert "pass --collect, too" in capsys.readouterr().err


def test_a_study_that_is_not_there_cannot_be_served(tmp_path, capsys):
    command = ["serve", "--study", str(tmp_path), "-S", f"place={tmp_path / 'votes'}"]
    assert main([*command, "--no-browser"]) == 1
    assert "no study is there" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_collection_that_others_can_reach_needs_a_password(tmp_path, monkeypatch, capsys):
    for name in ("CROPPERHEAD_MODERATION_PASSWORD", "CROPPERHEAD_MODERATION_PASSWORD_HASH"):
        monkeypatch.delenv(name, raising=False)
    command = ["serve", "--collect", str(tmp_path), "--host", "0.0.0.0", "--no-browser"]
    assert main(command) == 1
    assert "needs a moderation password" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
