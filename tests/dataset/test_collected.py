import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from sent_photos import crop, jpeg, text

from cropperhead import params
from cropperhead.collection import handover, migrate, sent, uploads
from cropperhead.collection.settings import CONSENT, open_collection
from cropperhead.dataset import collected, extract, ledger, shards, split
from cropperhead.errors import CollectionError
from cropperhead.library import scan
from cropperhead.library.store import find_library

PARAMS = params.load(ROOT / "params.yaml")
FULL = crop(0, 0, 1, 1)
SUGGESTED = [0.05, 0.1, 0.9, 0.95, 0.0]  # sent_photos.fields'


@pytest.fixture
def place(tmp_path):
    """An empty collection: what to send to it, and its folder."""
    folder = tmp_path / "collection"
    opened = open_collection(str(folder))
    migrate.prepare(opened)
    yield opened, str(folder)
    opened.database.close()


def send(opened, photo, accept=True, **changes):
    one = sent.parse_crop(text(**changes))
    upload = uploads.check_upload(photo)
    opened.store(upload, one, CONSENT, "accepted" if accept else "new")
    return f"collected/{upload.sha256}.jpg", one


class Project:
    """The stages scan and extract with a collection and no library."""

    def __init__(self, folder, collection):
        extraction = PARAMS.extract
        self.params = dataclasses.replace(extraction, library="", collected=collection, workers=1)
        self.folder = folder

    def run(self):
        manifest = scan.manifest(collected.scan_sources(self.params).entries)
        before = ledger.Ledger.load(self.folder / "ledger.parquet", "code")
        library = find_library(self.params.library)
        table = extract.update_shards(
            library, manifest, self.folder / "shards", before, self.params
        )
        self.outcomes = dict(
            zip(*table.select(["file", "outcome"]).to_pydict().values(), strict=True)
        )
        self.left_out = [one.kind for one in ledger.left_out_versions(table)]
        self.summary = collected.summarise(manifest)
        return shards.read_labels(self.folder / "shards")


@pytest.fixture
def project(place, tmp_path):
    return Project(tmp_path, place[1])


def test_an_accepted_crop_is_a_label_with_what_was_suggested_beside_it(place, project):
    name, one = send(place[0], jpeg(200, 120), crop=crop(0.1, 0.2, 0.8, 0.9, -2.0))
    (label,) = project.run().to_dict("records")
    assert [label[f"crop_{side}"] for side in crop()] == [0.1, 0.2, 0.8, 0.9, -2.0]
    assert [label[f"suggested_{side}"] for side in crop()] == SUGGESTED
    assert (label["suggested_by"], label["source"]) == ("small-1a2b", "collected")
    assert label["author"] == f"sender {one.author[:12]}"
    assert (label["photo"], label["width"], label["height"]) == (name, 200, 120)
    assert (label["image_width"], label["image_height"]) == (200, 120)


def test_only_accepted_crops_count(place, project):
    send(place[0], jpeg(), accept=False)
    send(place[0], jpeg())
    assert len(project.run()) == 1


def test_a_withdrawn_crop_leaves_the_labels_and_its_picture(place, project):
    opened, _ = place
    _, gone = send(opened, jpeg(), receipt="01" * 16)
    kept, _ = send(opened, jpeg())
    assert len(project.run()) == 2
    assert opened.withdraw(gone.id, gone.receipt)
    assert project.run()["photo"].tolist() == [kept]
    assert [photo for photo, _ in shards.iter_images(project.folder / "shards")] == [kept]


def test_what_has_not_changed_is_not_read_again(place, project, monkeypatch):
    send(place[0], jpeg())
    first = project.run()
    monkeypatch.setattr(handover, "read_photo", lambda *_: pytest.fail("it is read again"))
    pd.testing.assert_frame_equal(project.run(), first)


def test_two_people_s_crops_of_one_photo_are_two_labels_of_one_photo(place, project):
    photo = jpeg()
    for sender in ("01" * 16, "02" * 16):
        send(place[0], photo, sender=sender)
    labels = project.run()
    assert labels["photo"].nunique() == 1
    assert labels["author"].nunique() == 2


def test_of_one_person_s_crops_of_a_photo_the_last_one_counts(place, project, monkeypatch):
    photo, clock = jpeg(), iter([100, 200])
    monkeypatch.setattr("cropperhead.collection.intake.time.time", lambda: next(clock))
    send(place[0], photo, crop=crop(top=0.3))
    send(place[0], photo, crop=crop(top=0.25))
    monkeypatch.undo()
    assert project.run()["crop_top"].tolist() == [0.25]
    assert handover.read_accepted(place[1])[0].superseded == 1


def test_an_unchanged_suggestion_that_was_shown_is_no_label(place, project):
    suggestion = crop(*SUGGESTED)
    shown, _ = send(place[0], jpeg(1000, 500), crop=suggestion)
    # 0.001 of 1,000 px is 1 px, which an editor's rounding may be
    close, _ = send(place[0], jpeg(1000, 500), crop=suggestion | {"left": 0.101})
    blind, _ = send(place[0], jpeg(1000, 500), crop=suggestion, shown="whole", started_from="whole")
    other, _ = send(place[0], jpeg(1000, 500), crop=suggestion | {"left": 0.102})
    labels = project.run()
    assert set(labels["photo"]) == {blind, other}
    assert project.outcomes[shown] == project.outcomes[close] == "suggested"
    assert project.left_out == ["suggested", "suggested"]


def test_a_suggestion_that_was_not_shown_first_was_not_corrected(place, project):
    send(place[0], jpeg(), shown="whole", started_from="whole")
    (label,) = project.run().to_dict("records")
    assert label["suggested_by"] == ""
    assert np.isnan(label["suggested_top"])


def test_the_whole_photo_is_no_crop(place, project):
    name, _ = send(place[0], jpeg(), crop=FULL)
    assert project.run().empty
    assert project.outcomes[name] == "uncropped"


def test_a_photo_that_the_store_has_lost_is_listed_and_read_again(place, project):
    opened, _ = place
    photo = jpeg()
    name, _ = send(opened, photo)
    upload = uploads.check_upload(photo)
    opened.objects.delete(upload.sha256)
    assert project.run().empty
    assert project.outcomes[name] == "rejected"
    opened.objects.put(upload.sha256, upload.jpeg)
    assert len(project.run()) == 1


def test_what_people_agreed_to_is_summarised(place, project):
    send(place[0], jpeg(), sender="01" * 16)
    send(place[0], jpeg(), shown="whole", started_from="whole")
    project.run()
    assert project.summary == {
        "photos": 2,
        "crops": 2,
        "senders": 2,
        "not_anchored": 1,
        "consents": {CONSENT: 2},
    }


def test_without_a_collection_nothing_is_counted():
    assert collected.list_entries("") == []
    assert collected.summarise(scan.manifest([])) == {}


def test_a_place_without_a_collection_is_an_error(tmp_path):
    with pytest.raises(CollectionError, match="it holds no collection"):
        collected.list_entries(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_exported_crops_give_the_same_labels(place, project, tmp_path):
    for count in range(3):
        send(place[0], jpeg(), sender=f"{count:02}" * 16, crop=crop(top=0.1 * count))
    send(place[0], jpeg(), accept=False)
    exported = tmp_path / "exported"
    assert handover.export(place[1], exported) == (3, 3)
    assert len(list((exported / "photos").iterdir())) == 3
    other = tmp_path / "other"
    other.mkdir()
    pd.testing.assert_frame_equal(Project(other, str(exported)).run(), project.run())


def test_an_export_holds_neither_ids_nor_receipts_and_the_same_bytes_each_time(place, tmp_path):
    _, one = send(place[0], jpeg())
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        handover.export(place[1], folder)
    lines = (first / "crops.jsonl").read_bytes()
    assert lines == (second / "crops.jsonl").read_bytes()
    for secret in (one.id, one.receipt, one.author):
        assert secret.encode() not in lines
    assert json.loads((first / "consents.json").read_text()) == {
        sent.hash_consent(CONSENT): CONSENT
    }


def test_exporting_again_deletes_what_was_withdrawn(place, tmp_path):
    opened, folder = place
    _, one = send(opened, jpeg())
    send(opened, jpeg())
    handover.export(folder, tmp_path / "out")
    opened.withdraw(one.id, one.receipt)
    assert handover.export(folder, tmp_path / "out") == (1, 1)
    assert len(list((tmp_path / "out" / "photos").iterdir())) == 1


def test_an_export_replaces_nobody_s_files(place, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file.txt").write_text("")
    with pytest.raises(CollectionError, match="it holds other files"):
        handover.export(place[1], tmp_path / "mine")


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"consent": 5}'])
def test_an_export_that_cannot_be_read_is_named(tmp_path, line):
    (tmp_path / "crops.jsonl").write_text(line + "\n")
    (tmp_path / "consents.json").write_text("{}")
    with pytest.raises(CollectionError, match="it cannot be read as exported crops"):
        collected.list_entries(str(tmp_path))


def labels_of(senders, hashes):
    count = len(senders)
    return pd.DataFrame(
        {
            "photo": [f"collected/{place}.jpg" for place in range(count)],
            "author": senders,
            "source": "collected",
            "number": range(count),
            "perceptual_hash": [f"{value:016x}" for value in hashes],
            "camera": None,
            "captured": None,
            "document_ids": "",
        }
    ).assign(origin=lambda table: table["photo"])


def test_one_sender_s_photos_of_one_scene_stay_together_and_strangers_do_not():
    # 60 unlike photos, and four that differ from the first in 10 bits: too many for near-duplicates
    rng = np.random.default_rng(1)
    hashes = [int(value) for value in rng.integers(0, 2**63, 60)]
    hashes += [hashes[0] ^ 0b1111111111, hashes[0] ^ 0b11111111110000000000]
    hashes += [hashes[0] ^ (0b1111111111 << 20), hashes[0] ^ (0b1111111111 << 30)]
    labels = labels_of(["one"] * 62 + ["two"] * 2, hashes)
    splits = split.assign_splits(labels, PARAMS.split)
    groups = dict(zip(splits["photo"], splits["group"], strict=True))
    assert groups["collected/60.jpg"] == groups["collected/61.jpg"] == "collected/0.jpg"
    assert groups["collected/62.jpg"] != "collected/0.jpg"
    # the strangers' two differ from each other by 20 bits
    assert groups["collected/63.jpg"] == "collected/63.jpg"
    assert splits["joined_by"].tolist().count("same sender's scene") == 2
