"""A review without a browser: what is remembered, what is written, and what never is."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest
from conftest import ROOT, save_photo, scene, settings, xmp

from cropperhead.cli.main import main
from cropperhead.errors import LibraryError, RejectedFile, WritingError
from cropperhead.geometry.crops import Crop
from cropperhead.library import edited_photo, journal, scan
from cropperhead.photos import exiftool
from cropperhead.web import review as reviews
from cropperhead.web.review import ACCEPTED, FAILED, KEPT, REJECTED, SUGGESTED, UNDECIDED, Review

pytestmark = pytest.mark.usefixtures("one_process")

ORIENTATION = 0x0112
MINE = Crop(0.1, 0.15, 0.8, 0.9, 2.0)
PATIENCE_S = 120


@contextmanager
def reviewing(folder, model, editor="darktable"):
    review = Review(folder, editor, model, "model1")
    review.start()
    try:
        wait(lambda: all(photo.state != reviews.WAITING for photo in review.photos))
        yield review
    finally:
        review.close()


def wait(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def write_all(review):
    review.write_accepted()
    wait(lambda: not review.progress.is_running)
    assert review.progress.problem == ""


def hashes(folder):
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    inside = [file for file in files if ".cropperhead" not in file.parts]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in inside}


def crop_in(folder, name):
    with exiftool.tag_reader() as reader:
        [photo] = edited_photo.read(folder, scan.find_photos(folder, [name], [], ()), reader)
    return photo.crops[0]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three photos: one turned, one with a sidecar of other settings; and one that is cropped."""
    folder = tmp_path_factory.mktemp("photos")
    save_photo(folder / "a.jpg", image=scene(1))
    save_photo(folder / "b.jpg", image=scene(2), exif={ORIENTATION: 6})
    save_photo(folder / "c.png", image=scene(3))
    (folder / "c.png.xmp").write_bytes(xmp({"Exposure2012": "+0.50"}))
    save_photo(folder / "own.jpg", image=scene(4), packet=xmp(settings(0.1, 0.2, 0.8, 0.9)))
    (folder / "broken.jpg").write_bytes((folder / "a.jpg").read_bytes()[:900])
    return folder


@pytest.fixture
def folder(photos, tmp_path):
    return shutil.copytree(photos, tmp_path / "photos")


def test_a_review_writes_what_is_accepted_and_undo_restores_every_byte(folder, model):
    before = hashes(folder)
    with reviewing(folder, model) as review:
        by_name = {photo.name: index for index, photo in enumerate(review.photos)}
        states = {photo.name: photo.state for photo in review.photos}
        assert states == {
            "a.jpg": SUGGESTED,
            "b.jpg": SUGGESTED,
            "broken.jpg": FAILED,
            "c.png": SUGGESTED,
            "own.jpg": KEPT,
        }
        review.decide(by_name["a.jpg"], ACCEPTED, None)
        review.decide(by_name["b.jpg"], ACCEPTED, MINE)
        review.decide(by_name["c.png"], REJECTED, None)
        assert hashes(folder) == before  # nothing is written before it is asked for
        write_all(review)
        assert [photo.problem for photo in review.photos] == ["", "", "", "", ""]
        assert set(hashes(folder)) - set(before) == {
            str(folder / "a.jpg.xmp"),
            str(folder / "b.jpg.xmp"),
        }
        # the suggestion is one that nobody has changed; the other is a person's correction of one
        suggested, corrected = crop_in(folder, "a.jpg"), crop_in(folder, "b.jpg")
        assert suggested.is_untouched
        assert not corrected.is_untouched
        expected = review.photos[by_name["b.jpg"]].crops[0]
        assert corrected.mark.crop.limits() == pytest.approx(expected.limits(), abs=1e-6)
        # darktable keeps float32; 1.5 px of 384 is what counts as the same
        assert corrected.crop.limits()[:4] == pytest.approx(MINE.limits()[:4], abs=1e-3)
    result = journal.undo(folder)
    assert result.kept == {}
    assert hashes(folder) == before


def test_a_person_s_crop_is_never_replaced(folder, model):
    with reviewing(folder, model) as review:
        names = [photo.name for photo in review.photos]
        with pytest.raises(WritingError, match="A person has cropped it"):
            review.decide(names.index("own.jpg"), ACCEPTED, MINE)
        review.decide(names.index("a.jpg"), ACCEPTED, None)
        # somebody crops it elsewhere before it is written
        save_photo(folder / "a.jpg", image=scene(1), packet=xmp(settings(0.2, 0.2, 0.7, 0.8)))
        before = hashes(folder)
        write_all(review)
        assert "a person has cropped it" in review.photos[names.index("a.jpg")].problem
        assert hashes(folder) == before


def test_a_decision_can_be_changed_and_undone_after_it_was_written(folder, model):
    before = hashes(folder)
    with reviewing(folder, model) as review:
        review.decide(0, ACCEPTED, None)
        write_all(review)
        assert crop_in(folder, "a.jpg").is_untouched
        review.decide(0, ACCEPTED, MINE)
        write_all(review)
        assert not crop_in(folder, "a.jpg").is_untouched
        review.decide(0, UNDECIDED, None)
        assert hashes(folder) == before
        assert not review.photos[0].is_to_be_written


def test_what_somebody_changed_in_the_editor_since_is_kept(folder, model):
    with reviewing(folder, model) as review:
        review.decide(0, ACCEPTED, None)
        write_all(review)
        sidecar = folder / "a.jpg.xmp"
        sidecar.write_bytes(sidecar.read_bytes() + b"\n")
        before = hashes(folder)
        with pytest.raises(WritingError, match="changed since it was written"):
            review.decide(0, REJECTED, None)
        assert hashes(folder) == before


def test_a_review_goes_on_where_it_was_left(folder, model, tmp_path):
    with reviewing(folder, model) as review:
        review.decide(0, ACCEPTED, MINE)
        review.decide(1, REJECTED, None)
        write_all(review)
        crops = [photo.crops for photo in review.photos]
    with (folder / ".cropperhead" / "review.jsonl").open("ab") as log:
        log.write(b'{"kind": "decision", "phot')  # the server was killed in this moment
    # what was predicted is not predicted again: there is no such model
    gone = tmp_path / "gone.tflite"
    with reviewing(folder, gone) as review:
        assert [photo.decision for photo in review.photos[:2]] == [ACCEPTED, REJECTED]
        assert review.photos[0].crop == MINE
        assert review.photos[0].writes == 1
        assert review.photos[0].state == SUGGESTED
        assert [photo.crops for photo in review.photos] == crops
        review.decide(1, ACCEPTED, None)
    with reviewing(folder, gone) as review:
        assert review.photos[1].decision == ACCEPTED


@pytest.mark.parametrize(
    "content",
    [
        b'{"kind": "decision", "photo": "a.jpg", "decision": "accepted", "crop": [1, 2]}\n',
        b'{"kind": "crops", "photo": "a.jpg", "model": "model1", "trace": 3, "crops": 5}\n',
        b'{"kind": "written", "photo": "a.jpg", "writes": "many"}\n',
        b'{"kind": "written", "photo": "../../x.jpg", "writes": 3}\n',
        b"\xff\xfe" * 100_000,
        b"[" * 60_000 + b"\n",
        b"null\n",
    ],
)
def test_a_foreign_log_changes_nothing(folder, content):
    (folder / ".cropperhead").mkdir()
    (folder / ".cropperhead" / "review.jsonl").write_bytes(content)
    review = Review(folder, "darktable", folder, "model1")
    assert {(photo.decision, photo.writes) for photo in review.photos} == {(UNDECIDED, 0)}


def test_a_log_that_is_a_link_is_neither_read_nor_written(folder, tmp_path):
    target = tmp_path / "precious.txt"
    target.write_text("precious")
    (folder / ".cropperhead").mkdir()
    (folder / ".cropperhead" / "review.jsonl").symlink_to(target)
    review = Review(folder, "darktable", folder, "model1")
    review.log.add("decision", "a.jpg", decision=ACCEPTED, crop=None)
    assert target.read_text() == "precious"
    assert review.log.problem.startswith("Decisions are not kept")


def test_a_folder_without_photos_is_an_error(tmp_path):
    with pytest.raises(LibraryError, match="no photo is in it"):
        Review(tmp_path, "darktable", tmp_path, "model1")


def test_a_folder_that_vanishes_is_a_problem_of_each_photo(folder, model):
    with reviewing(folder, model) as review:
        review.decide(0, ACCEPTED, None)
        shutil.rmtree(folder)
        review.write_accepted()
        wait(lambda: not review.progress.is_running)
        assert review.photos[0].problem or review.progress.problem
        assert not folder.exists()


def test_a_photo_that_vanishes_is_a_problem_of_its_own(folder, model):
    with reviewing(folder, model) as review:
        for index in (0, 1):
            review.decide(index, ACCEPTED, None)
        (folder / "a.jpg").unlink()
        write_all(review)
        assert review.photos[0].problem
        assert (review.photos[1].writes, review.photos[1].problem) == (1, "")
        assert not (folder / "a.jpg.xmp").exists()
        with pytest.raises(RejectedFile):
            review.picture(0, 100)


@contextmanager
def command(folder, model):
    """The command `review` in a process of its own, and its address."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    arguments = ["review", str(folder), "--no-browser", "--model", str(model)]
    process = subprocess.Popen(
        [sys.executable, "-m", "cropperhead.cli", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process, re.search(r"http\S+/", process.stdout.readline())[0]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_undo_restores_every_byte_after_a_server_was_killed_while_it_wrote(folder, model):
    for number in range(12):
        save_photo(folder / f"more{number}.jpg", image=scene(10 + number))
    before = hashes(folder)
    with command(folder, model) as (process, address):
        client = httpx.Client(base_url=address, timeout=PATIENCE_S)
        wait(lambda: all(one["state"] != "waiting" for one in photos_of(client)))
        open_ones = [one for one in photos_of(client) if one["state"] == "suggested"]
        for one in open_ones:
            answer = client.post(f"photos/{one['index']}/decision", json={"decision": "accepted"})
            assert answer.status_code == 200
        assert client.post("write").status_code == 200
        wait((folder / "a.jpg.xmp").exists)
        process.send_signal(signal.SIGKILL)
        process.wait()
        client.close()
    assert main(["suggest", str(folder), "--undo"]) == 0
    assert hashes(folder) == before


def test_copies_that_cropperhead_made_are_not_reviewed(folder, model):
    copy = folder / "copies" / "a.jpg"
    assert (
        main(["suggest", str(folder / "a.jpg"), "--apply", str(copy.parent), "--model", str(model)])
        == 0
    )
    assert copy.exists()
    review = Review(folder, "darktable", model, "model1")
    assert [photo.name for photo in review.photos] == sorted(
        ["a.jpg", "b.jpg", "broken.jpg", "c.png", "own.jpg"]
    )


def photos_of(client):
    return client.get("photos").json()["photos"]


def test_the_command_says_what_is_wrong_in_one_sentence(tmp_path, model, capsys):
    assert main(["review", str(tmp_path / "none"), "--model", str(model)]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'none'}: no such folder.\n"
    assert main(["review", str(tmp_path), "--tighter", "--looser"]) == 2
    assert "--tighter excludes --looser." in capsys.readouterr().err
    assert main(["review", str(tmp_path), "--model", str(tmp_path / "m.tflite")]) == 1
    assert "there is no such model" in capsys.readouterr().err
