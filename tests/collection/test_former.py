"""Photos that the first CropperHead's service collected."""

import json
import os

import pytest
from sent_photos import jpeg

from cropperhead.cli.main import main
from cropperhead.collection import former
from cropperhead.errors import CollectionError


def document(name, **more) -> dict:
    """A label as mongoexport writes it: extended JSON, with a crop that says nothing."""
    crop = {"top": 12.5, "left": 3.0, "bottom": 700, "right": 912}
    return {"_id": {"$oid": "5eb3c0ffee00000000000001"}, "filename": name, **crop, **more}


@pytest.fixture
def bucket(tmp_path):
    folder = tmp_path / "bucket" / "images"
    folder.mkdir(parents=True)
    (folder / "one.jpg").write_bytes(jpeg(seed=1, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"))
    (folder / "two.jpg").write_bytes(jpeg(seed=2))
    (folder / "progressive.jpg").write_bytes(jpeg(seed=3, progressive=True))
    return folder.parent


def export(tmp_path, *documents, array=False):
    file = tmp_path / "labels.json"
    lines = [json.dumps(each) for each in documents]
    file.write_text(f"[{','.join(lines)}]" if array else "\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize("array", [False, True])
def test_each_named_photo_is_taken_over_once_without_its_metadata(tmp_path, bucket, array):
    file = export(tmp_path, document("one.jpg"), document("two"), document("one.jpg"), array=array)
    out = tmp_path / "out"
    taken = former.take_over(file, bucket, out)
    assert (taken.documents, taken.photos, taken.refused) == (3, 2, ())
    photos = sorted(out.iterdir())
    assert [photo.suffix for photo in photos] == [".jpg", ".jpg"]
    assert all(b"Exif" not in photo.read_bytes() for photo in photos)
    assert former.take_over(file, bucket, out) == taken
    assert sorted(out.iterdir()) == photos


def test_what_cannot_be_taken_over_is_named_with_the_reason(tmp_path, bucket, capsys):
    file = export(
        tmp_path, document("one.jpg"), document("progressive.jpg"), document("gone.jpg"), {"a": 1}
    )
    out = tmp_path / "out"
    assert main(["collected", "import-photos", str(file), str(bucket), str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == f"1 photo of 4 documents is in {out}, 3 left out\n"
    reasons = dict(line.split(": ", 1) for line in said.err.splitlines())
    assert reasons["document 4"] == "it has no filename"
    assert "expected a baseline JPEG" in reasons["progressive.jpg"]
    assert reasons["gone.jpg"] == "no file of this name is in the folder"


def test_a_name_reaches_no_file_outside_the_folder(tmp_path, bucket):
    (tmp_path / "secret.jpg").write_bytes(jpeg(seed=4))
    file = export(tmp_path, document("../../secret.jpg"), document(str(tmp_path / "secret.jpg")))
    taken = former.take_over(file, bucket, tmp_path / "out")
    assert (taken.photos, len(taken.refused)) == (0, 1)


def test_a_pipe_and_a_link_among_the_photos_are_left_out(tmp_path, bucket):
    os.mkfifo(bucket / "pipe.jpg")
    (bucket / "link.jpg").symlink_to("images/one.jpg")
    file = export(tmp_path, document("pipe.jpg"), document("link.jpg"))
    taken = former.take_over(file, bucket, tmp_path / "out")
    assert taken.photos == 0
    kinds = {name: reason.partition(",")[0] for name, reason in taken.refused}
    assert kinds == {"pipe.jpg": "it is a pipe", "link.jpg": "it is a link"}


def test_a_file_that_is_no_export_is_refused(tmp_path, bucket):
    file = tmp_path / "labels.json"
    file.write_text("filename,top\none.jpg,3\n")
    with pytest.raises(CollectionError, match="expected the file that mongoexport wrote"):
        former.take_over(file, bucket, tmp_path / "out")
    with pytest.raises(CollectionError, match="No such file"):
        former.take_over(export(tmp_path), tmp_path / "nowhere", tmp_path / "out")
