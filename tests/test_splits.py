import numpy as np
import pandas as pd
import pytest
from conftest import label_table

from cropperhead import splits
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


def test_the_shares_are_those_asked_for():
    share = dealt(label_table(4000))["split"].value_counts(normalize=True)
    # 4000 draws: standard deviation at most sqrt(0.7 x 0.3 / 4000) = 0.0072, three of them
    assert share.to_dict() == pytest.approx(dict(PARAMS.fractions), abs=0.022)


def test_a_photo_s_split_depends_on_its_name_and_the_salt_alone():
    names = [f"{i}.jpg" for i in range(50)]
    one = [splits.split_of(name, PARAMS.fractions, "salt") for name in names]
    assert one == [splits.split_of(name, PARAMS.fractions, "salt") for name in names]
    assert one != [splits.split_of(name, PARAMS.fractions, "pepper") for name in names]


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
    newcomers["photo"] = ["0000/" + name for name in newcomers["photo"]]
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
    bridge = label_table(1).assign(photo="bridge.jpg", number=400, perceptual_hash=f"{0xF:016x}")
    found = dealt(pd.concat([base.reset_index(), bridge], ignore_index=True))
    assert found.loc[train, "split"] == "train"
    assert found.loc[test, "split"] == "test"
    assert found.loc["bridge.jpg", "split"] == "aside"  # 4 bits from either


def test_near_duplicates_are_pairs_within_the_bits_given():
    pairs = splits.near_duplicates(hashed(0, 0b111111, 0b1111111, 2**63, 0), 6)
    # 0 and 0b111111: 6 bits. 0 and 0b1111111: 7, too many. 0 and 2^63: 1 bit.
    # 0b111111 and 0b1111111: 1. 0b111111 and 2^63: 7.
    assert pairs.tolist() == [[0, 1], [0, 3], [0, 4], [1, 2], [1, 4], [3, 4]]


def test_near_duplicates_are_those_of_comparing_all_with_all():
    generator = np.random.default_rng(3)
    centres = generator.integers(0, 2**64, 40, dtype=np.uint64)
    flips = [sum(1 << int(b) for b in generator.choice(64, 4, replace=False)) for _ in range(200)]
    hashes = np.array([centres[i % 40] ^ np.uint64(flip) for i, flip in enumerate(flips)])
    different = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    expected = np.argwhere(np.triu(different <= 6, k=1))
    assert len(expected) > 20
    assert splits.near_duplicates(hashes, 6).tolist() == expected.tolist()


def test_bursts_join_one_camera_s_photos_within_the_seconds_given():
    camera = pd.Series(["A", "A", "B", "A", None, "A"])
    captured = pd.Series(
        [f"2024-01-01T00:00:{s}" for s in ("00", "02", "01", "04.5", "01", "06.4")]
    )
    # A: 0 and 2 s are 2 apart: joined; 2 and 4.5 are 2.5 apart; 4.5 and 6.4 are 1.9 apart
    assert splits.bursts(camera, captured, 2.0).tolist() == [[0, 1], [3, 5]]


def test_a_photo_that_comes_in_between_two_of_a_burst_does_not_part_them():
    captured = [f"2024-01-01T00:00:0{second}" for second in ("0", "1.5", "0.7")]
    # 0 and 1.5 s are within 2 s, with the third between them or not
    for count in (2, 3):
        pairs = splits.bursts(pd.Series(["A"] * count), pd.Series(captured[:count]), 2.0)
        assert [0, 1] in pairs.tolist()


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
