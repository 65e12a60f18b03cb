import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cropperhead.dataset import shards
from cropperhead.errors import DataError
from cropperhead.training import batches
from cropperhead.training.batches import Examples, PhotoArrays


def jpeg(width, height, colour):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


PICTURES = {
    "a/wide.jpg": jpeg(60, 30, (255, 0, 0)),
    "b/tall.jpg": jpeg(30, 40, (0, 255, 0)),
    "c/even.jpg": jpeg(32, 32, (0, 0, 255)),
}


def row(number, photo, author="photographer", top=0.0, image=None):
    crop = {"crop_top": top, "crop_left": 0.0, "crop_bottom": 1.0, "crop_right": 0.5}
    return {
        "photo": photo, "author": author, "source": "lightroom", "number": number,
        "width": 600, "height": 300, **crop, "crop_angle": 0.0, "orientation": 1,
        "camera": None, "captured": None, "sha256": "", "perceptual_hash": "0" * 16,
        "image_width": 60, "image_height": 30, "image": image or PICTURES[photo],
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    shards.write_shard([row(0, "a/wide.jpg"), row(0, "a/wide.jpg", "guest", top=0.2)], tmp_path)
    shards.write_shard([row(1, "b/tall.jpg", top=0.1), row(2, "c/even.jpg")], tmp_path)
    return tmp_path


def test_photos_come_in_the_order_asked_for_squashed_with_the_aspect_they_had(folder):
    photos = batches.read_photos(folder, ["c/even.jpg", "a/wide.jpg"], size=16)
    assert photos.names == ["c/even.jpg", "a/wide.jpg"]
    assert photos.images.shape == (2, 16, 16, 3)
    assert photos.images[:].dtype == np.uint8
    assert np.allclose(photos.aspect, [32 / 32, 60 / 30])
    # JPEG at quality 95 keeps a flat colour within a few of 255
    assert np.abs(photos.images[:][:, 8, 8] - np.array([[0, 0, 255], [255, 0, 0]])).max() <= 4


def test_a_photo_that_no_shard_holds_is_named(folder):
    with pytest.raises(DataError, match=r"1 of 2 photos not in the shards, gone\.jpg first"):
        batches.read_photos(folder, ["a/wide.jpg", "gone.jpg"], size=16)


def test_reading_gives_the_same_however_many_threads_decode(tmp_path):
    names = [f"{i:03d}.jpg" for i in range(150)]  # more than are in hand at a time
    pictures = [jpeg(20 + i, 20, (i, i, i)) for i in range(150)]
    shards.write_shard([row(i, names[i], image=pictures[i]) for i in range(150)], tmp_path)
    one, three, many = (
        batches.read_photos(tmp_path, names, size=8, threads=n) for n in (1, 3, None)
    )
    assert np.allclose(one.aspect, [(20 + i) / 20 for i in range(150)])
    assert np.abs(one.images[:][:, 4, 4, 0] - np.arange(150)).max() <= 4
    assert np.array_equal(one.images[:], three.images[:])
    assert np.array_equal(one.images[:], many.images[:])


def test_a_photo_of_two_authors_is_read_once_and_gives_two_examples(folder):
    crops = batches.read_examples(folder, shards.read_labels(folder), size=16)
    assert crops.photos.names == ["a/wide.jpg", "b/tall.jpg", "c/even.jpg"]
    assert crops.photo.tolist() == [0, 0, 1, 2]
    assert np.allclose(crops.limits[:, 0], [0.2, 0.0, 0.1, 0.0])  # guest before photographer
    assert np.allclose(crops.aspect, [2, 2, 0.75, 1])
    assert len(crops) == 4


def test_labels_without_a_row_are_refused(folder):
    nothing = pd.DataFrame({"photo": []})
    with pytest.raises(DataError, match="no label to learn from"):
        batches.read_examples(folder, nothing, size=16)


def test_mirrored_photos_are_turned_left_to_right():
    image = np.arange(2 * 2 * 3, dtype=np.uint8).reshape(1, 2, 2, 3)
    photos = batches.PhotoArrays(["a"], image, np.ones(1, np.float32))
    assert np.array_equal(photos.mirror().images[0, :, 0], image[0, :, 1])


def numbered_pictures(count, size=4):
    """Pictures on disk, each with its place in the upper left pixel's red."""
    pictures = batches.PixelFile(count, size)
    for place in range(count):
        picture = np.full((size, size, 3), 99, np.uint8)
        picture[0, 0, 0] = place
        pictures[place] = picture
    return pictures


def test_pictures_on_disk_are_read_by_slices_and_by_places_as_an_arrays_are():
    pictures = numbered_pictures(10)
    assert len(pictures) == 10
    assert pictures.shape == (10, 4, 4, 3)
    assert pictures[2:5][:, 0, 0, 0].tolist() == [2, 3, 4]
    assert pictures[::-4][:, 0, 0, 0].tolist() == [9, 5, 1]
    assert pictures[np.array([7, 0, 7, -1])][:, 0, 0, 0].tolist() == [7, 0, 7, 9]
    assert [picture[0, 0, 0] for picture in pictures] == list(range(10))
    assert (pictures[:][:, 1:] == 99).all()
    assert pictures[10:].shape == (0, 4, 4, 3)
    with pytest.raises(IndexError, match="index 10 is out of bounds"):
        pictures[np.array([10])]


def test_pictures_begin_black_and_are_written_one_by_one():
    pictures = batches.PixelFile(3, 4)
    pictures[-1] = np.full((4, 4, 3), 7, np.uint8)[:, ::-1]  # of any order in memory
    assert pictures[:].sum(axis=(1, 2, 3)).tolist() == [0, 0, 4 * 4 * 3 * 7]


def test_a_piece_that_was_read_is_an_array_of_its_own():
    pictures = numbered_pictures(2)
    pictures[:][:] = 0
    assert pictures[:].any()


def test_pictures_have_no_name_that_could_stay_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    pictures = numbered_pictures(5)
    assert list(tmp_path.iterdir()) == []
    assert pictures[4:5][0, 0, 0, 0] == 4


def test_a_disk_without_the_room_is_named_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # 10^9 x 1000 x 1000 x 3 bytes
    with pytest.raises(DataError, match=rf"{tmp_path}: pixels need 3000000\.0 GB, .* set TMPDIR"):
        batches.PixelFile(10**9, 1000)


def test_the_first_photos_are_in_memory_wherever_all_are():
    photos = batches.PhotoArrays(list("abc"), numbered_pictures(3), np.ones(3, np.float32))
    first = photos.first(2)
    assert first.names == ["a", "b"]
    assert isinstance(first.images, np.ndarray)
    assert first.inputs()["image"][:, 0, 0, 0].tolist() == [0, 1]
    assert photos.inputs()["image"].shape == (3, 4, 4, 3)


def numbered_examples(count):
    """Photos whose left half is their number times ten, so that a batch tells who is in it.

    The right half is 255, so that it tells who is mirrored. Limits: top a hundredth of the number,
    left 0.1, bottom 0.9, right 0.7, angle 3.
    """
    images = np.full((count, 4, 4, 3), 255, np.uint8)
    images[:, :, :2] = 10 * np.arange(count)[:, None, None, None]
    aspect = np.linspace(0.5, 2, count, dtype=np.float32)
    photos = batches.PhotoArrays([str(i) for i in range(count)], images, aspect)
    limits = np.tile(np.array([0.0, 0.1, 0.9, 0.7, 3.0], np.float32), (count, 1))
    limits[:, 0] = np.arange(count) / 100
    return batches.Examples(photos, np.arange(count), limits)


def on_disk(crops):
    """The same crops, of pictures on disk."""
    pictures = batches.PixelFile(len(crops.photos.names), crops.photos.images.shape[1])
    for place, image in enumerate(crops.photos.images):
        pictures[place] = image
    return replace(crops, photos=replace(crops.photos, images=pictures))


def taken(crops, count, size=3, jitter=0.2, seed=1, start=0):
    """The first so many training batches, (inputs, limits) each."""
    dataset = batches.training_batches(crops, size, jitter, seed, start)
    return list(dataset.take(count).as_numpy_iterator())


def joined(got):
    """Image, aspect and limits of batches, each as one array."""
    return (
        np.concatenate([inputs["image"] for inputs, _ in got]),
        np.concatenate([inputs["aspect"] for inputs, _ in got]),
        np.concatenate([limits for _, limits in got]),
    )


def same(some, others):
    pairs = zip(joined(some), joined(others), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def numbers(images):
    """Which photos are in a batch without jitter."""
    return np.round(images.min(axis=(1, 2, 3)) / 10).astype(int)


def test_a_pass_has_every_example_once_with_its_own_crop_and_aspect():
    crops = numbered_examples(7)
    images, aspect, limits = (part[:7] for part in joined(taken(crops, 3, jitter=0.0)))
    assert sorted(numbers(images)) == [0, 1, 2, 3, 4, 5, 6]
    assert np.allclose(limits[:, 0], numbers(images) / 100)
    assert np.allclose(aspect[:, 0], crops.photos.aspect[numbers(images)])


def test_batches_are_of_the_types_and_shapes_that_a_network_takes():
    inputs, limits = batches.training_batches(numbered_examples(7), 3, 0.2, 1).element_spec
    assert inputs["image"].shape.as_list() == [3, 4, 4, 3]
    assert inputs["aspect"].shape.as_list() == [3, 1]
    assert limits.shape.as_list() == [3, 5]
    assert {spec.dtype.name for spec in (*inputs.values(), limits)} == {"float32"}


def test_every_pass_has_another_order_and_leaves_nobody_out():
    # 12 batches of three are five passes of seven, and one more photo
    images, _, _ = joined(taken(numbered_examples(7), 12, jitter=0.0))
    orders = [tuple(numbers(images[i : i + 7])) for i in range(0, 35, 7)]
    assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2, 3, 4, 5, 6)}
    assert len(set(orders)) == 5


def test_all_batches_are_full_also_of_fewer_photos_than_a_batch_holds():
    got = taken(numbered_examples(2), 4, size=5, jitter=0.0)
    assert [len(limits) for _, limits in got] == [5, 5, 5, 5]
    images, _, _ = joined(got)  # 20 places are ten passes of two
    assert sorted(numbers(images)) == [0] * 10 + [1] * 10


def test_about_half_of_the_photos_are_mirrored_and_their_crops_with_them():
    got = taken(numbered_examples(8), 100, size=4, jitter=0.0)
    images, _, limits = joined(got)
    turned = images[:, 0, 0, 0] == 255
    # binomial, n 400, p 1/2: standard deviation 10, four of them either way
    assert 160 < turned.sum() < 240
    assert (images[turned, :, :2] == 255).all()
    assert (images[~turned, :, 2:] == 255).all()
    # left and right change places: 1 - 0.7, 1 - 0.1; the angle turns round
    assert np.allclose(limits[turned, 1:], [0.3, 0.9, 0.9, -3], atol=1e-6)
    assert np.allclose(limits[~turned, 1:], [0.1, 0.9, 0.7, 3], atol=1e-6)


def test_without_jitter_pixels_stay_as_they_were_read(folder):
    crops = batches.read_examples(folder, shards.read_labels(folder), size=16)
    images, _, limits = joined(taken(crops, 2, size=2, jitter=0.0))
    known = {image.tobytes() for image in crops.photos.images}
    known |= {image.tobytes() for image in crops.photos.mirror().images}
    assert {image.astype(np.uint8).tobytes() for image in images} <= known
    assert np.array_equal(images, images.astype(np.uint8))
    assert sorted(limits[:, 0]) == pytest.approx([0.0, 0.0, 0.1, 0.2])


def test_a_stream_that_starts_late_gives_what_one_from_the_beginning_gives_from_there():
    crops = numbered_examples(7)  # batch 7 is the 22nd to 24th place: the beginning of a pass
    assert same(taken(crops, 4, start=7), taken(crops, 11)[7:])


def test_pictures_on_disk_give_the_batches_that_pictures_in_memory_give():
    crops = numbered_examples(7)
    assert same(taken(on_disk(crops), 5), taken(crops, 5))


def test_one_seed_gives_the_same_batches_and_another_seed_others():
    crops = numbered_examples(8)
    assert same(taken(crops, 4), taken(crops, 4))
    assert not same(taken(crops, 4), taken(crops, 4, seed=2))


def test_a_pass_has_as_many_batches_as_hold_every_example():
    assert batches.count_batches(numbered_examples(7), size=3) == 3
    assert batches.count_batches(numbered_examples(6), size=3) == 2


def test_two_sets_of_examples_are_one_with_every_crop_on_its_own_photo():
    photos = [np.full((n, 4, 4, 3), shade, np.uint8) for n, shade in ((2, 10), (1, 90))]
    one = Examples(
        PhotoArrays(["a", "b"], photos[0], np.array([1.5, 0.7], np.float32)),
        np.array([1, 0, 0]),
        np.arange(15, dtype=np.float32).reshape(3, 5),
    )
    two = Examples(
        PhotoArrays(["c"], photos[1], np.array([1.0], np.float32)),
        np.array([0, 0]),
        np.ones((2, 5), np.float32),
    )
    both = batches.concatenate(one, two)
    assert both.photos.names == ["a", "b", "c"]
    assert both.photo.tolist() == [1, 0, 0, 2, 2]
    assert both.aspect == pytest.approx([0.7, 1.5, 1.5, 1, 1])
    assert both.photos.images[both.photo][:, 0, 0, 0].tolist() == [10, 10, 10, 90, 90]
    assert both.limits[3:].tolist() == [[1] * 5] * 2
    assert both.limits.dtype == np.float32


def test_fields_are_drawn_of_the_mirror_image_where_it_is_flipped():
    fields = np.arange(3 * 2 * 4, dtype=np.float16).reshape(3, 2, 2, 1, 2)
    disk = batches.ArrayFile(3, fields.shape[1:], np.float16)
    for place, each in enumerate(fields):
        disk[place] = each
    photos = batches.FieldArrays(list("abc"), disk, np.ones(3, np.float32))
    name, drawn = photos.draw(np.array([2, 0, 2]), np.array([False, True, True]))
    assert (name, drawn.dtype) == ("fields", np.float32)
    assert np.array_equal(drawn, [fields[2, 0], fields[0, 1], fields[2, 1]])
    both = photos.concatenate(photos.first(1))
    assert both.names == ["a", "b", "c", "a"]
    assert np.array_equal(both.inputs(slice(2, 4))["fields"], fields[[2, 0]])


def test_batches_of_fields_are_mirrored_with_their_crops():
    fields = np.zeros((2, 2, 1, 1, 1), np.float16)
    fields[:, 1] = 1  # of mirror images
    photos = batches.FieldArrays(["a", "b"], fields, np.array([1.5, 0.5], np.float32))
    limits = np.tile(np.array([0.1, 0.2, 0.9, 1.0, 0.0], np.float32), (2, 1))
    crops = batches.FieldExamples(photos, np.arange(2), limits)
    [(inputs, given)] = list(batches.training_batches(crops, 8, 0.5, 1).take(1))
    mirrored = inputs["fields"].numpy().reshape(8) == 1  # colours do not change
    assert 0 < mirrored.sum() < 8
    # left 0.2 and right 1.0 become 0.0 and 0.8
    assert np.allclose(given.numpy()[:, 1], np.where(mirrored, 0.0, 0.2))
