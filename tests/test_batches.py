import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cropperhead import batches, shards
from cropperhead.errors import DataError


def jpeg(width, height, colour):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


PICTURES = {
    "a/wide.jpg": jpeg(60, 30, (255, 0, 0)),
    "b/tall.jpg": jpeg(30, 40, (0, 255, 0)),
    "c/even.jpg": jpeg(32, 32, (0, 0, 255)),
}


def row(number, photo, author="photographer", top=0.0):
    crop = {"crop_top": top, "crop_left": 0.0, "crop_bottom": 1.0, "crop_right": 0.5}
    return {
        "photo": photo, "author": author, "source": "lightroom", "number": number,
        "width": 600, "height": 300, **crop, "crop_angle": 0.0, "orientation": 1,
        "camera": None, "captured": None, "sha256": "", "perceptual_hash": "0" * 16,
        "image_width": 60, "image_height": 30, "image": PICTURES[photo],
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    shards.write([row(0, "a/wide.jpg"), row(0, "a/wide.jpg", "guest", top=0.2)], tmp_path)
    shards.write([row(1, "b/tall.jpg", top=0.1), row(2, "c/even.jpg")], tmp_path)
    return tmp_path


def test_photos_come_in_the_order_asked_for_squashed_with_the_aspect_they_had(folder):
    photos = batches.read(folder, ["c/even.jpg", "a/wide.jpg"], size=16)
    assert photos.names == ["c/even.jpg", "a/wide.jpg"]
    assert photos.images.shape == (2, 16, 16, 3)
    assert photos.images.dtype == np.uint8
    assert np.allclose(photos.aspect, [32 / 32, 60 / 30])
    # JPEG at quality 95 keeps a flat colour within a few of 255
    assert np.abs(photos.images[:, 8, 8] - np.array([[0, 0, 255], [255, 0, 0]])).max() <= 4


def test_a_photo_that_no_shard_holds_is_named(folder):
    with pytest.raises(DataError, match=r"1 of 2 photos are not in the shards, gone\.jpg first"):
        batches.read(folder, ["a/wide.jpg", "gone.jpg"], size=16)


def test_a_photo_of_two_authors_is_read_once_and_gives_two_examples(folder):
    crops = batches.examples(folder, shards.read_labels(folder), size=16)
    assert crops.photos.names == ["a/wide.jpg", "b/tall.jpg", "c/even.jpg"]
    assert crops.photo.tolist() == [0, 0, 1, 2]
    assert np.allclose(crops.limits[:, 0], [0.2, 0.0, 0.1, 0.0])  # guest before photographer
    assert np.allclose(crops.aspect, [2, 2, 0.75, 1])
    assert len(crops) == 4


def test_labels_without_a_row_are_refused(folder):
    nothing = pd.DataFrame({"photo": []})
    with pytest.raises(DataError, match="no label to learn from"):
        batches.examples(folder, nothing, size=16)


def test_mirrored_photos_are_turned_left_to_right():
    image = np.arange(2 * 2 * 3, dtype=np.uint8).reshape(1, 2, 2, 3)
    photos = batches.Photos(["a"], image, np.ones(1, np.float32))
    assert np.array_equal(photos.mirrored().images[0, :, 0], image[0, :, 1])


def numbered_examples(count):
    """Photos whose every pixel is their number times ten, so that a batch tells who is in it."""
    values = np.arange(count, dtype=np.uint8) * 10
    images = np.broadcast_to(values[:, None, None, None], (count, 4, 4, 3)).copy()
    aspect = np.linspace(0.5, 2, count, dtype=np.float32)
    photos = batches.Photos([str(i) for i in range(count)], images, aspect)
    limits = np.zeros((count, 5), np.float32)
    limits[:, 0] = np.arange(count) / 100
    return batches.Examples(photos, np.arange(count), limits)


def epoch(dataset, steps):
    return list(dataset.take(steps).as_numpy_iterator())


def test_an_epoch_has_every_example_once_with_its_own_crop_and_aspect():
    crops = numbered_examples(7)
    got = epoch(batches.training_batches(crops, size=3, jitter=0.0, seed=1), 3)
    assert [len(limits) for _, limits in got] == [3, 3, 1]
    numbers = np.concatenate([inputs["image"][:, 0, 0, 0] for inputs, _ in got]) / 10
    assert sorted(numbers) == [0, 1, 2, 3, 4, 5, 6]
    tops = np.concatenate([limits[:, 0] for _, limits in got])
    assert np.allclose(tops, numbers / 100)
    aspects = np.concatenate([inputs["aspect"][:, 0] for inputs, _ in got])
    assert np.allclose(aspects, crops.photos.aspect[numbers.astype(int)])


def test_the_next_epoch_has_another_order_and_other_changes():
    dataset = batches.training_batches(numbered_examples(8), size=8, jitter=0.2, seed=1)
    (first, _), (second, _) = epoch(dataset, 2)
    assert not np.array_equal(first["aspect"], second["aspect"])


def test_one_seed_gives_the_same_batches_and_another_seed_others():
    def drawn(seed):
        dataset = batches.training_batches(numbered_examples(8), size=4, jitter=0.2, seed=seed)
        return np.concatenate([inputs["image"] for inputs, _ in epoch(dataset, 4)])

    assert np.array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))


def test_an_epoch_has_as_many_batches_as_hold_every_example():
    assert batches.steps(numbered_examples(7), size=3) == 3
    assert batches.steps(numbered_examples(6), size=3) == 2
