import itertools
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from conftest import label_table, scene
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cropperhead.dataset import likeness, split
from cropperhead.errors import DataError
from cropperhead.params import SplitParams
from cropperhead.photos import local_features

PARAMS = SplitParams(
    fractions={"train": 0.7, "validation": 0.15, "test": 0.15},
    salt="salt",
    near_duplicate_bits=6,
    burst_seconds=2.0,
)


def to_hashes(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


def assign(labels: pd.DataFrame) -> pd.DataFrame:
    return split.assign_splits(labels, PARAMS).set_index("photo")


def pairs(likeness: split.Likeness) -> list[list[int]]:
    """Pairs of photos that resemble each other, the earlier first."""
    nodes = np.arange(max(likeness.node, default=-1) + 1)
    neighbours = [
        {*nodes[likeness.neighbours(node)]} if node >= 0 else {} for node in likeness.node
    ]
    both = itertools.combinations(range(len(neighbours)), 2)
    return [[one, other] for one, other in both if likeness.node[other] in neighbours[one]]


def moment(second: float) -> str:
    return (datetime(2024, 1, 1) + timedelta(seconds=second)).isoformat()


def assign_photos(
    photos: list[tuple[int, str | None, float]], params: SplitParams
) -> list[tuple[str, str]]:
    """Group and split of photos (hash, camera, second), by split.assign_in_order."""
    hashes, cameras, seconds = zip(*photos, strict=True)
    picture = split.near_duplicates(to_hashes(*hashes), params.near_duplicate_bits)
    captured = pd.Series([moment(second) for second in seconds])
    burst = split.bursts(pd.Series(cameras, dtype=object), captured, params.burst_seconds)
    names = [f"{photo}.jpg" for photo in range(len(photos))]

    def choose(photo: int) -> str:
        return split.choose_split(names[photo], params.fractions, params.salt)

    groups, splits, _ = split.assign_in_order(names, [picture, burst], choose)
    return list(zip(groups, splits, strict=True))


def assign_by_comparing_all(
    photos: list[tuple[int, str | None, float]], params: SplitParams
) -> list[tuple[str, str]]:
    """The same, by comparing with every earlier photo."""
    results: list[tuple[str, str]] = []
    for photo, (own, camera, second) in enumerate(photos):
        similar = [
            results[earlier]
            for earlier, (other, other_camera, other_second) in enumerate(photos[:photo])
            if results[earlier][1] != "aside"
            and (
                (own ^ other).bit_count() <= params.near_duplicate_bits
                or (
                    camera is not None
                    and camera == other_camera
                    and abs(second - other_second) <= params.burst_seconds
                )
            )
        ]
        group = similar[0][0] if similar else f"{photo}.jpg"
        names = {name for _, name in similar} or {
            split.choose_split(group, params.fractions, params.salt)
        }
        results.append((group, names.pop() if len(names) == 1 else "aside"))
    return results


# Hashes around a few centres, so that many are near the limit; quarters of a second are exact
flips = st.lists(st.integers(0, 63), max_size=9).map(lambda bits: sum(1 << b for b in {*bits}))
hashes = st.builds(int.__xor__, st.sampled_from([0, 0xFF, 0xFFFF << 24, 2**64 - 1]), flips)
seconds = st.integers(0, 60).map(lambda quarters: quarters / 4)
photos = st.lists(
    st.tuples(hashes, st.sampled_from(["A", "B", None]), seconds), min_size=1, max_size=40
)
params = st.builds(
    SplitParams,
    fractions=st.just(PARAMS.fractions),
    salt=st.text(max_size=3),
    near_duplicate_bits=st.integers(0, 16),
    burst_seconds=st.sampled_from([0, 0.25, 2, 100]),
)


@settings(max_examples=300)
@given(photos, params)
def test_photos_get_the_splits_that_comparing_all_with_all_gives(photos, params):
    assert assign_photos(photos, params) == assign_by_comparing_all(photos, params)


@given(photos, params, st.data())
def test_later_photos_do_not_change_the_split_of_earlier_ones(photos, params, data):
    count = data.draw(st.integers(1, len(photos)))
    assert assign_photos(photos, params)[:count] == assign_photos(photos[:count], params)


def test_a_crowd_of_near_duplicates_gets_the_splits_that_comparing_all_with_all_gives():
    generator = np.random.default_rng(5)
    # 800 frames of a time-lapse, each 3 bits from one of two centres that are 8 bits apart. Of 9
    # bands of 7 bits, three lack a frame's 3 bits by a chance of (43 / 64)^3 = 0.3: runs of 240.
    frames = [
        centre ^ sum(1 << int(bit) for bit in generator.choice(64, 3, replace=False))
        for centre in generator.choice([0, 0xFF], 800).tolist()
    ]
    singles = generator.integers(0, 2**64, 20, dtype=np.uint64).tolist()
    mixed = generator.permutation(np.array(frames + singles, dtype=np.uint64)).tolist()
    photos = [(own, None, 0.0) for own in mixed]
    result = assign_photos(photos, PARAMS)
    assert result == assign_by_comparing_all(photos, PARAMS)
    assert {"train", "aside"} <= {name for _, name in result}


def test_twenty_thousand_photos_of_one_hash_are_one_group():
    labels = label_table(20_060)
    labels.loc[:19_999, "perceptual_hash"] = labels["perceptual_hash"].iloc[0]
    groups = assign(labels)["group"]
    assert groups.iloc[:20_000].unique().tolist() == [labels["photo"][0]]
    assert groups.iloc[20_000:].tolist() == labels["photo"].iloc[20_000:].tolist()


def test_a_moment_that_more_photos_have_than_a_camera_can_take_joins_only_the_first():
    labels = label_table(20_060).astype({"camera": object, "captured": object})
    labels.loc[:19_999, ["camera", "captured"]] = ["Scanner", moment(0)]
    groups = assign(labels)["group"]
    # 120 in a second: more than any camera takes
    assert groups.iloc[:120].unique().tolist() == [labels["photo"][0]]
    assert groups.iloc[120:].tolist() == labels["photo"].iloc[120:].tolist()


def test_the_shares_are_those_of_params():
    share = assign(label_table(4000))["split"].value_counts(normalize=True)
    # 4000 draws: standard deviation at most sqrt(0.7 x 0.3 / 4000) = 0.0072, three of them
    assert share.to_dict() == pytest.approx(dict(PARAMS.fractions), abs=0.022)


def test_a_photo_s_split_depends_only_on_its_name_and_the_salt():
    names = [f"{i}.jpg" for i in range(50)]
    one = [split.choose_split(name, PARAMS.fractions, "salt") for name in names]
    assert one == [split.choose_split(name, PARAMS.fractions, "salt") for name in names]
    assert one != [split.choose_split(name, PARAMS.fractions, "pepper") for name in names]


def test_moving_a_photo_to_another_folder_does_not_change_its_split():
    labels = label_table(300)
    first = assign(labels)
    moved = labels.assign(photo="tidied/" + labels["photo"])
    second = assign(moved)
    assert second["split"].tolist() == first["split"].tolist()
    assert second["group"].tolist() == first["group"].tolist()


def test_adding_photos_does_not_change_the_split_of_others():
    labels = label_table(400).astype({"camera": object, "captured": object})
    before = assign(labels)["split"].tolist()
    # two photos of one camera, 3 s apart, in different splits
    train, test = before.index("train"), before.index("test")
    labels.loc[[train, test], "camera"] = "Canon"
    labels.loc[train, "captured"] = "2024-01-01T00:00:00.0"
    labels.loc[test, "captured"] = "2024-01-01T00:00:03.0"
    first = assign(labels)
    assert first["split"].tolist() == before
    # newcomers, all earlier by name: 30 resemble old ones, 29 none, one is between those two
    newcomers = label_table(60, seed=2).assign(number=range(400, 460))
    newcomers["photo"] = newcomers["origin"] = ["0000/" + name for name in newcomers["photo"]]
    newcomers.loc[:29, "perceptual_hash"] = labels["perceptual_hash"].iloc[:30].to_numpy()
    newcomers = newcomers.astype({"camera": object, "captured": object})
    newcomers.loc[59, ["camera", "captured"]] = ["Canon", "2024-01-01T00:00:01.5"]
    second = assign(pd.concat([labels, newcomers], ignore_index=True))
    assert second.loc[first.index].equals(first)
    joined = second.loc[newcomers["photo"], "split"].tolist()
    assert joined[:30] == before[:30]
    assert joined[59] == "aside"


def test_a_newcomer_between_two_splits_is_set_aside():
    labels = label_table(400)
    first = assign(labels)
    train, test = (first.index[first["split"] == name][0] for name in ("train", "test"))
    base = labels.set_index("photo")
    base.loc[train, "perceptual_hash"] = f"{0:016x}"
    base.loc[test, "perceptual_hash"] = f"{0xFF:016x}"  # 8 bits from the first: too many
    bridge = label_table(1).assign(
        photo="bridge.jpg", origin="bridge.jpg", number=400, perceptual_hash=f"{0xF:016x}"
    )
    splits = assign(pd.concat([base.reset_index(), bridge], ignore_index=True))
    assert splits.loc[train, "split"] == "train"
    assert splits.loc[test, "split"] == "test"
    assert splits.loc["bridge.jpg", "split"] == "aside"  # 4 bits from either


def test_near_duplicates_differ_in_at_most_the_given_bits():
    found = split.near_duplicates(to_hashes(0, 0b111111, 0b1111111, 2**63, 0), 6)
    # 0 and 0b111111: 6 bits. 0 and 0b1111111: 7, too many. 0 and 2^63: 1 bit.
    # 0b111111 and 0b1111111: 1. 0b111111 and 2^63: 7.
    assert pairs(found) == [[0, 1], [0, 3], [0, 4], [1, 2], [1, 4], [3, 4]]


@given(
    st.lists(hashes, min_size=1, max_size=40),
    st.integers(0, 64),
    st.sampled_from([0, 40]),  # as among many millions, or not
)
def test_near_duplicates_are_those_that_comparing_all_with_all_finds(values, bits, fewer):
    both = itertools.combinations(range(len(values)), 2)
    expected = [[i, j] for i, j in both if (values[i] ^ values[j]).bit_count() <= bits]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likeness, "_MANY_HASHES", fewer)
        assert pairs(split.near_duplicates(to_hashes(*values), bits)) == expected


def test_a_burst_is_one_camera_s_photos_within_the_given_seconds():
    camera = pd.Series(["A", "A", "B", "A", None, "A", "A"])
    captured = pd.Series([*map(moment, (0, 2, 1, 4.5, 1, 6.4)), None])
    # A: 0 and 2 s are 2 apart: a burst; 2 and 4.5 are 2.5 apart; 4.5 and 6.4 are 1.9 apart
    assert pairs(split.bursts(camera, captured, 2.0)) == [[0, 1], [3, 5]]


def test_a_clock_that_was_never_set_makes_no_burst():
    start = "2000-01-01T00:00:00.000000"
    camera, captured = pd.Series(["A"] * 3), pd.Series([start, start, "2000-01-01T00:00:01"])
    assert pairs(split.bursts(camera, captured, 2.0)) == []


def test_a_photo_that_arrives_between_two_of_a_burst_does_not_separate_them():
    captured = [moment(second) for second in (0, 1.5, 0.7)]
    # 0 and 1.5 s are within 2 s, with the third between them or not
    for count in (2, 3):
        burst = split.bursts(pd.Series(["A"] * count), pd.Series(captured[:count]), 2.0)
        assert [0, 1] in pairs(burst)


def test_a_burst_s_group_is_its_first_photo():
    labels = label_table(60)
    labels.loc[:2, "camera"] = "Canon"
    labels.loc[:2, "captured"] = [f"2024-01-01T00:00:0{s}.000000" for s in range(3)]
    assert assign(labels)["group"].iloc[:3].tolist() == [labels["photo"][0]] * 3


def test_all_authors_of_a_photo_are_in_one_split():
    labels = pd.concat([label_table(60), label_table(60).assign(author="duplicate 01")])
    assert len(split.assign_splits(labels, PARAMS)) == 60


def test_too_few_photos_for_three_splits_are_an_error():
    with pytest.raises(DataError, match="More cropped photos are needed"):
        split.assign_splits(label_table(1), PARAMS)


def test_photos_and_groups_are_counted_by_split():
    table = pd.DataFrame(
        {"split": ["train", "train", "test"], "group": ["a", "a", "b"], "photo": "x"}
    )
    assert split.count_by_split(table) == {
        "test": {"photos": 1, "groups": 1},
        "train": {"photos": 2, "groups": 1},
    }


def test_an_edited_copy_joins_the_group_of_its_original_whatever_its_hash():
    labels = label_table(60)
    crop = scene(1).crop((40, 30, 350, 240))
    features = {
        labels["photo"][place]: local_features.find_features(picture).to_bytes()
        for place, picture in ((0, scene(1)), (30, scene(2)), (59, crop))
    }
    splits = split.assign_splits(labels, PARAMS, features)
    assert splits["group"].tolist() == [*labels["photo"][:59], labels["photo"][0]]
    assert splits["joined_by"].tolist() == [*[""] * 59, "edited copy"]
    unchanged = split.assign_splits(labels, PARAMS)
    assert splits["split"].tolist()[:59] == unchanged["split"].tolist()[:59]


def test_reasons_and_the_largest_group_are_counted_and_groups_of_several_listed():
    labels = label_table(60).astype({"camera": object, "captured": object})
    labels.loc[[3, 4, 5], "perceptual_hash"] = labels["perceptual_hash"][3]
    labels.loc[[5, 6], ["camera", "captured"]] = ["Canon", moment(0)]
    name = "xmp.did:0123456789abcdef"
    labels["document_ids"] = [name if place in (8, 9) else "" for place in range(60)]
    splits = split.assign_splits(labels, PARAMS)
    assert splits["joined_by"].tolist()[3:10] == [
        *("", "near-duplicate", "near-duplicate", "capture time", "", "", "document ID")
    ]
    described = split.describe_splits(splits)
    assert described["joined_by"] == {
        "document ID": {"photos": 1, "groups": 1},
        "capture time": {"photos": 1, "groups": 1},
        "near-duplicate": {"photos": 2, "groups": 1},
        "edited copy": {"photos": 0, "groups": 0},
        "same sender's scene": {"photos": 0, "groups": 0},
    }
    assert described["largest_group"] == 4
    assert described["test"] == split.count_by_split(splits)["test"]
    listed = split.list_groups(splits)
    assert listed["photo"].tolist() == labels["photo"][[3, 4, 5, 6, 8, 9]].tolist()


def test_an_edited_copy_of_a_photo_that_a_network_has_seen_is_not_tested():
    seen, own = label_table(3), label_table(2, seed=8)
    contents = [local_features.find_features(each).to_bytes() for each in (scene(1), scene(2))]
    mirrored = local_features.find_features(scene(1).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    splits = split.assign_unseen(
        own,
        seen,
        PARAMS,
        {own["photo"][0]: mirrored.to_bytes(), own["photo"][1]: contents[1]},
        {seen["photo"][0]: contents[0]},
    )
    assert splits["split"].tolist() == ["train", "test"]


def test_a_photo_of_another_library_that_resembles_a_seen_one_is_not_tested():
    seen, own = label_table(3), label_table(4, seed=8)
    own.loc[1, "perceptual_hash"] = seen.loc[2, "perceptual_hash"]  # a copy
    own.loc[[2, 3], "perceptual_hash"] = "00000000000000ff"  # like each other
    splits = split.assign_unseen(own, seen, PARAMS)
    assert splits["photo"].tolist() == own["photo"].tolist()
    assert splits["split"].tolist() == ["test", "train", "test", "test"]
    assert splits["group"].tolist()[2:] == [own.loc[2, "origin"]] * 2
