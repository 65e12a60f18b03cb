import dataclasses
import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import scene
from test_batches import row

from cropperhead import params
from cropperhead.dataset import shards
from cropperhead.errors import DataError
from cropperhead.params import FeaturesParams
from cropperhead.training import fields
from cropperhead.training.batches import read_photos
from cropperhead.training.networks.features import read_features


def picture(seed, width=60, height=30):
    buffer = io.BytesIO()
    scene(seed, width, height).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def add(folder, *photos):
    """A shard of photos, each a name and its picture's seed."""
    rows = [row(number, name, image=picture(seed)) for number, (name, seed) in enumerate(photos)]
    shards.write_shard(rows, folder)


@pytest.fixture
def chosen(features, monkeypatch):
    monkeypatch.setattr(fields, "_FILE_PHOTOS", 2)
    train, own = params.load().train, FeaturesParams(str(features), 32)
    return dataclasses.replace(train, quality="standard", features=own)


@pytest.fixture
def folders(tmp_path):
    shard_folder = tmp_path / "extracted"
    add(shard_folder, ("a.jpg", 1), ("b.jpg", 2), ("c.jpg", 3))
    return shard_folder, tmp_path / "fields"


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_fields_are_those_of_the_photo_and_of_its_mirror_image(folders, chosen):
    assert fields.update_fields(*folders, chosen) == 3
    read = fields.read_fields(*folders, ["c.jpg", "a.jpg"], chosen.features)
    assert read.names == ["c.jpg", "a.jpg"]
    assert read.aspect.tolist() == [2.0, 2.0]
    assert (read.fields.shape, read.fields.dtype) == ((2, 2, 2, 2, 96), np.float16)
    photos = read_photos(folders[0], ["c.jpg", "a.jpg"], 32)
    features = read_features(chosen.features)
    for look, seen in enumerate((photos, photos.mirror())):
        expected = np.stack(list(fields.compute_fields(seen.images[:], features, 32)))[:, 0]
        assert np.array_equal(read.fields[:][:, look], expected)
    assert not np.array_equal(read.fields[:][:, 0], read.fields[:][:, 1])


def test_a_photo_has_the_same_fields_whatever_is_computed_with_it(folders, chosen, tmp_path):
    fields.update_fields(*folders, chosen)
    alone = tmp_path / "alone"
    add(alone, ("b.jpg", 2))
    fields.update_fields(alone, tmp_path / "its", chosen)
    one = fields.read_fields(alone, tmp_path / "its", ["b.jpg"], chosen.features)
    both = fields.read_fields(*folders, ["b.jpg"], chosen.features)
    assert np.array_equal(one.fields[:], both.fields[:])


def test_only_new_photos_are_computed_and_moved_ones_are_known_by_their_content(folders, chosen):
    folder, out = folders
    fields.update_fields(*folders, chosen)
    before = contents(out)
    assert sorted(before) == ["fields-00000.parquet", "fields-00001.parquet"]  # two and one
    assert fields.update_fields(*folders, chosen) == 0
    assert contents(out) == before
    add(folder, ("d.jpg", 4), ("a copy.jpg", 1))
    assert fields.update_fields(*folders, chosen) == 1
    after = contents(out)
    assert sorted(after) == [*sorted(before), "fields-00002.parquet"]
    assert {name: after[name] for name in before} == before
    both = fields.read_fields(*folders, ["a copy.jpg", "a.jpg"], chosen.features)
    assert np.array_equal(both.fields[:][0], both.fields[:][1])


def test_the_fields_of_deleted_photos_are_dropped(folders, chosen):
    folder, out = folders
    fields.update_fields(*folders, chosen)
    before = contents(out)
    shards.drop_photos(folder, ["a.jpg", "c.jpg"])
    assert fields.update_fields(*folders, chosen) == 0
    assert [file.name for file in out.iterdir()] == ["fields-00000.parquet"]
    [kept] = pq.read_table(out / "fields-00000.parquet").to_pylist()
    assert kept["fields"] in before["fields-00000.parquet"]  # unchanged
    with pytest.raises(DataError, match=r"1 of 1 photo not found.*dvc repro --force fields"):
        add(folder, ("new.jpg", 9))
        fields.read_fields(*folders, ["new.jpg"], chosen.features)


def test_fields_of_other_features_or_another_size_are_computed_again(folders, chosen, tmp_path):
    fields.update_fields(*folders, chosen)
    features = read_features(chosen.features)
    file = tmp_path / "other.npz"
    np.savez(file, **{f"{i:03d}": 2 * each for i, each in enumerate(features.weights)})
    other = dataclasses.replace(chosen, features=FeaturesParams(str(file), 32))
    with pytest.raises(DataError, match="3 of 3 photos not found"):
        fields.read_fields(*folders, ["a.jpg", "b.jpg", "c.jpg"], other.features)
    assert fields.update_fields(*folders, other) == 3
    larger = dataclasses.replace(chosen, features=FeaturesParams(chosen.features.source, 64))
    assert fields.update_fields(*folders, larger) == 3
    assert fields.read_fields(*folders, ["a.jpg"], larger.features).fields.shape[2:] == (4, 4, 96)


def test_an_interruption_keeps_the_files_that_are_complete_and_ends_with_the_same_bytes(
    folders, chosen, tmp_path, monkeypatch
):
    once = tmp_path / "once"
    fields.update_fields(folders[0], once, chosen)
    write = fields._write

    def interrupted(rows, file, version):
        if file.name == "fields-00001.parquet":
            raise KeyboardInterrupt
        write(rows, file, version)

    monkeypatch.setattr(fields, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fields.update_fields(*folders, chosen)
    monkeypatch.undo()
    monkeypatch.setattr(fields, "_FILE_PHOTOS", 2)
    assert [file.name for file in folders[1].iterdir()] == ["fields-00000.parquet"]
    assert fields.update_fields(*folders, chosen) == 1
    assert contents(folders[1]) == contents(once)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PAR1"])
def test_a_damaged_file_is_replaced(folders, chosen, content):
    fields.update_fields(*folders, chosen)
    before = contents(folders[1])
    (folders[1] / "fields-00000.parquet").write_bytes(content)
    (folders[1] / "fields-00002.unfinished").write_bytes(b"half")
    assert fields.update_fields(*folders, chosen) == 2
    assert sorted(contents(folders[1])) == ["fields-00001.parquet", "fields-00002.parquet"]
    assert contents(folders[1])["fields-00002.parquet"] == before["fields-00000.parquet"]


def test_networks_without_features_leave_what_is_there(folders, chosen):
    fast = dataclasses.replace(chosen, quality="fast")
    assert fields.update_fields(*folders, fast) == 0
    assert list(folders[1].iterdir()) == []
    fields.update_fields(*folders, chosen)
    before = contents(folders[1])
    assert fields.update_fields(*folders, fast) == 0
    assert contents(folders[1]) == before
