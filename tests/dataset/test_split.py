import itertools
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from conftest import label_table
from hypothesis import given, settings
from hypothesis import strategies as st

from cropperhead.dataset import split as splits
from cropperhead.errors import DataError
from cropperhead.params import SplitParams

PARAMS = SplitParams(
    fractions={"train": 0.7, "validation": 0.15, "test": 0.15},
    salt="salt",
    near_duplicate_bits=6,
    burst_seconds=2.0,
)


def hashed(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


def dealt(labels: pd.DataFrame) -> pd.DataFrame:
    return splits.split(labels, PARAMS).set_index("photo")


def pairs(likeness: splits.Likeness) -> list[list[int]]:
    """The photos that are alike, the earlier first."""
    nodes = np.arange(max(likeness.node) + 1)
    reached = [{*nodes[likeness.reach(node)]} if node >= 0 else {} for node in likeness.node]
    both = itertools.combinations(range(len(reached)), 2)
    return [[one, other] for one, other in both if likeness.node[other] in reached[one]]


def moment(second: float) -> str:
    return (datetime(2024, 1, 1) + timedelta(seconds=second)).isoformat()


def deal(photos: list[tuple[int, str | None, float]], params: SplitParams) -> list[tuple[str, str]]:
    """Group and split of photos (hash, camera, second), by splits.deal."""
    hashes, cameras, seconds = zip(*photos, strict=True)
    picture = splits.near_duplicates(hashed(*hashes), params.near_duplicate_bits)
    captured = pd.Series([moment(second) for second in seconds])
    burst = splits.bursts(pd.Series(cameras, dtype=object), captured, params.burst_seconds)
    names = [f"{photo}.jpg" for photo in range(len(photos))]

    def choose(photo: int) -> str:
        return splits.split_of(names[photo], params.fractions, params.salt)

    return list(zip(*splits.deal(names, picture, burst, choose), strict=True))


def deal_by_comparing_all(
    photos: list[tuple[int, str | None, float]], params: SplitParams
) -> list[tuple[str, str]]:
    """The same, by looking at every earlier photo."""
    found: list[tuple[str, str]] = []
    for photo, (own, camera, second) in enumerate(photos):
        like = [
            found[earlier]
            for earlier, (other, other_camera, other_second) in enumerate(photos[:photo])
            if found[earlier][1] != "aside"
            and (
                (own ^ other).bit_count() <= params.near_duplicate_bits
                or (
                    camera is not None
                    and camera == other_camera
                    and abs(second - other_second) <= params.burst_seconds
                )
            )
        ]
        group = like[0][0] if like else f"{photo}.jpg"
        ends = {split for _, split in like} or {
            splits.split_of(group, params.fractions, params.salt)
        }
        found.append((group, ends.pop() if len(ends) == 1 else "aside"))
    return found


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
def test_photos_are_dealt_as_by_comparing_all_with_all(photos, params):
    assert deal(photos, params) == deal_by_comparing_all(photos, params)


@given(photos, params, st.data())
def test_later_photos_move_no_earlier_one(photos, params, data):
    count = data.draw(st.integers(1, len(photos)))
    assert deal(photos, params)[:count] == deal(photos[:count], params)


def test_a_crowd_of_near_duplicates_is_dealt_as_by_comparing_all_with_all():
    generator = np.random.default_rng(5)
    # 800 frames of a time-lapse, each 3 bits from one of two centres that are 8 bits apart. Of 9
    # bands of 7 bits, three lack a frame's 3 bits by a chance of (43 / 64)^3 = 0.3: runs of 240.
    frames = [
        centre ^ sum(1 << int(bit) for bit in generator.choice(64, 3, replace=False))
        for centre in generator.choice([0, 0xFF], 800).tolist()
    ]
    strangers = generator.integers(0, 2**64, 20, dtype=np.uint64).tolist()
    mixed = generator.permutation(np.array(frames + strangers, dtype=np.uint64)).tolist()
    photos = [(own, None, 0.0) for own in mixed]
    found = deal(photos, PARAMS)
    assert found == deal_by_comparing_all(photos, PARAMS)
    assert {"train", "aside"} <= {split for _, split in found}


@pytest.mark.parametrize("alike", ["perceptual_hash", "captured"])
def test_twenty_thousand_photos_of_one_hash_or_second_are_one_group(alike):
    labels = label_table(20_060)
    labels = labels.astype({"camera": object, "captured": object})
    labels.loc[:19_999, "camera"] = "Scanner"
    labels["captured"] = [moment(10 * photo) for photo in range(len(labels))]
    labels.loc[:19_999, alike] = labels[alike].iloc[0]
    found = dealt(labels)["group"]
    assert found.iloc[:20_000].unique().tolist() == [labels["photo"][0]]
    assert found.iloc[20_000:].tolist() == labels["photo"].iloc[20_000:].tolist()


def test_the_shares_are_those_asked_for():
    share = dealt(label_table(4000))["split"].value_counts(normalize=True)
    # 4000 draws: standard deviation at most sqrt(0.7 x 0.3 / 4000) = 0.0072, three of them
    assert share.to_dict() == pytest.approx(dict(PARAMS.fractions), abs=0.022)


def test_a_photo_s_split_depends_on_its_name_and_the_salt_alone():
    names = [f"{i}.jpg" for i in range(50)]
    one = [splits.split_of(name, PARAMS.fractions, "salt") for name in names]
    assert one == [splits.split_of(name, PARAMS.fractions, "salt") for name in names]
    assert one != [splits.split_of(name, PARAMS.fractions, "pepper") for name in names]


def test_moving_a_photo_to_another_folder_moves_it_to_no_other_split():
    labels = label_table(300)
    first = dealt(labels)
    moved = labels.assign(photo="tidied/" + labels["photo"])
    second = dealt(moved)
    assert second["split"].tolist() == first["split"].tolist()
    assert second["group"].tolist() == first["group"].tolist()


def test_adding_photos_moves_none():
    labels = label_table(400).astype({"camera": object, "captured": object})
    before = dealt(labels)["split"].tolist()
    # two photos of one camera, 3 s apart, in different splits
    train, test = before.index("train"), before.index("test")
    labels.loc[[train, test], "camera"] = "Canon"
    labels.loc[train, "captured"] = "2024-01-01T00:00:00.0"
    labels.loc[test, "captured"] = "2024-01-01T00:00:03.0"
    first = dealt(labels)
    assert first["split"].tolist() == before
    # newcomers, all earlier by name: 30 like old ones, 29 like none, one between those two
    newcomers = label_table(60, seed=2).assign(number=range(400, 460))
    newcomers["photo"] = newcomers["origin"] = ["0000/" + name for name in newcomers["photo"]]
    newcomers.loc[:29, "perceptual_hash"] = labels["perceptual_hash"].iloc[:30].to_numpy()
    newcomers = newcomers.astype({"camera": object, "captured": object})
    newcomers.loc[59, ["camera", "captured"]] = ["Canon", "2024-01-01T00:00:01.5"]
    second = dealt(pd.concat([labels, newcomers], ignore_index=True))
    assert second.loc[first.index].equals(first)
    joined = second.loc[newcomers["photo"], "split"].tolist()
    assert joined[:30] == before[:30]
    assert joined[59] == "aside"


def test_a_newcomer_between_two_splits_is_set_aside():
    labels = label_table(400)
    first = dealt(labels)
    train, test = (first.index[first["split"] == name][0] for name in ("train", "test"))
    base = labels.set_index("photo")
    base.loc[train, "perceptual_hash"] = f"{0:016x}"
    base.loc[test, "perceptual_hash"] = f"{0xFF:016x}"  # 8 bits from the first: not alike
    bridge = label_table(1).assign(
        photo="bridge.jpg", origin="bridge.jpg", number=400, perceptual_hash=f"{0xF:016x}"
    )
    found = dealt(pd.concat([base.reset_index(), bridge], ignore_index=True))
    assert found.loc[train, "split"] == "train"
    assert found.loc[test, "split"] == "test"
    assert found.loc["bridge.jpg", "split"] == "aside"  # 4 bits from either


def test_near_duplicates_are_within_the_bits_given():
    found = splits.near_duplicates(hashed(0, 0b111111, 0b1111111, 2**63, 0), 6)
    # 0 and 0b111111: 6 bits. 0 and 0b1111111: 7, too many. 0 and 2^63: 1 bit.
    # 0b111111 and 0b1111111: 1. 0b111111 and 2^63: 7.
    assert pairs(found) == [[0, 1], [0, 3], [0, 4], [1, 2], [1, 4], [3, 4]]


@given(st.lists(hashes, min_size=1, max_size=40), st.integers(0, 64))
def test_near_duplicates_are_those_of_comparing_all_with_all(values, bits):
    both = itertools.combinations(range(len(values)), 2)
    expected = [[i, j] for i, j in both if (values[i] ^ values[j]).bit_count() <= bits]
    assert pairs(splits.near_duplicates(hashed(*values), bits)) == expected


def test_bursts_join_one_camera_s_photos_within_the_seconds_given():
    camera = pd.Series(["A", "A", "B", "A", None, "A", "A"])
    captured = pd.Series([*map(moment, (0, 2, 1, 4.5, 1, 6.4)), None])
    # A: 0 and 2 s are 2 apart: joined; 2 and 4.5 are 2.5 apart; 4.5 and 6.4 are 1.9 apart
    assert pairs(splits.bursts(camera, captured, 2.0)) == [[0, 1], [3, 5]]


def test_a_photo_that_comes_in_between_two_of_a_burst_does_not_part_them():
    captured = [moment(second) for second in (0, 1.5, 0.7)]
    # 0 and 1.5 s are within 2 s, with the third between them or not
    for count in (2, 3):
        burst = splits.bursts(pd.Series(["A"] * count), pd.Series(captured[:count]), 2.0)
        assert [0, 1] in pairs(burst)


def test_a_burst_s_group_is_its_first_photo():
    labels = label_table(60)
    labels.loc[:2, "camera"] = "Canon"
    labels.loc[:2, "captured"] = [f"2024-01-01T00:00:0{s}.000000" for s in range(3)]
    assert dealt(labels)["group"].iloc[:3].tolist() == [labels["photo"][0]] * 3


def test_all_authors_of_a_photo_go_together():
    labels = pd.concat([label_table(60), label_table(60).assign(author="duplicate 01")])
    assert len(splits.split(labels, PARAMS)) == 60


def test_too_few_photos_for_three_splits_are_refused():
    with pytest.raises(DataError, match="More cropped photos are needed"):
        splits.split(label_table(1), PARAMS)


def test_counts_name_photos_and_groups():
    table = pd.DataFrame(
        {"split": ["train", "train", "test"], "group": ["a", "a", "b"], "photo": "x"}
    )
    assert splits.counts(table) == {
        "test": {"photos": 1, "groups": 1},
        "train": {"photos": 2, "groups": 1},
    }


def test_of_another_library_what_is_like_a_known_photo_is_no_test():
    known, own = label_table(3), label_table(4, seed=8)
    own.loc[1, "perceptual_hash"] = known.loc[2, "perceptual_hash"]  # a copy
    own.loc[[2, 3], "perceptual_hash"] = "00000000000000ff"  # like each other
    dealt = splits.strangers(own, known, PARAMS)
    assert dealt["photo"].tolist() == own["photo"].tolist()
    assert dealt["split"].tolist() == ["test", "train", "test", "test"]
    assert dealt["group"].tolist()[2:] == [own.loc[2, "origin"]] * 2
