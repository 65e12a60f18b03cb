from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cropperhead.dataset.revisions import DataVersion
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.report import data_diff, data_diff_page
from cropperhead.report.data_diff import Label, Move

HALF = (0.0, 0.0, 1.0, 0.5, 0.0)
COLUMNS = ["photo", "sha256", "split", "limits", "author", "origin"]
A, B, C = (
    ("a.jpg", "aa", "train", HALF),
    ("b.jpg", "bb", "test", HALF),
    ("c.jpg", "cc", "train", HALF),
)


def version(*photos: tuple, name: str = "then") -> DataVersion:
    """Labels and splits of (photo, sha256, split, limits, author, origin), two of them optional."""
    rows = [(*row, *("me", row[0])[len(row) - 4 :]) for row in photos]
    table = pd.DataFrame(rows, columns=COLUMNS).assign(source="lightroom", width=600, height=400)
    limits = np.array([row[3] for row in rows], float).reshape(-1, 5)
    labels = table[["photo", "sha256", "author", "origin", "source", "width", "height"]]
    labels = labels.assign(**dict(zip(CROP_COLUMNS, limits.T, strict=True)))
    splits = table[["photo", "split"]].assign(group=table["origin"]).drop_duplicates("photo")
    return DataVersion(name, labels, splits)


def compare(before: list[tuple], after: list[tuple]) -> data_diff.Changes:
    return data_diff.compare_versions(version(*before), version(*after, name="now"))


def test_nothing_differs_between_a_version_and_itself():
    changes = compare([A, B, C], [A, B, C])
    assert (changes.added, changes.removed, changes.renamed, changes.rewritten) == ((), (), (), ())
    assert (changes.recropped, changes.gained, changes.lost, changes.moved) == ((), (), (), ())
    assert [shift.statistic for shift in changes.shifts] == [0] * 6
    assert "The photos and their crops are the same." in data_diff_page.render_changes(
        changes, "p.png"
    )


def test_added_and_removed_photos_are_listed():
    changes = compare([A, B], [B, C])
    assert (changes.added, changes.removed) == (("c.jpg",), ("a.jpg",))
    assert changes.counts["photos in train"] == (1, 1)
    assert changes.counts["photos"] == (2, 2)


def test_the_same_bytes_under_another_name_are_a_rename():
    changes = compare([A, B], [("x/a.jpg", *A[1:]), B])
    assert changes.renamed == (("a.jpg", "x/a.jpg"),)
    assert (changes.added, changes.removed, changes.moved) == ((), (), ())


def test_two_photos_that_swapped_names_are_two_renames():
    changes = compare([A, B], [("b.jpg", *A[1:]), ("a.jpg", *B[1:])])
    assert changes.renamed == (("a.jpg", "b.jpg"), ("b.jpg", "a.jpg"))
    assert changes.moved == ()  # each photo stays in its split, under its new name


def test_a_photo_stays_the_same_when_a_crop_is_written_into_its_file():
    recropped = ("a.jpg", "a2", "train", (0.0, 0.25, 1.0, 0.75, 0.0))
    changes = compare([A, B], [recropped, B])
    assert changes.rewritten == ("a.jpg",)
    assert (changes.added, changes.removed) == ((), ())
    [one] = changes.recropped
    assert one.label == Label("a.jpg", "me", "lightroom")
    assert one.overlap == pytest.approx(1 / 3)  # shared 0.25, union 0.75


def test_a_renamed_and_rewritten_photo_is_matched_by_its_original_name():
    changes = compare([A], [("x.jpg", "a2", "train", HALF, "me", "a.jpg")])
    assert changes.renamed == (("a.jpg", "x.jpg"),)


def test_limits_that_differ_by_less_than_editors_write_are_the_same_crop():
    near = ("a.jpg", "aa", "train", (0.0, 0.0, 1.0, 0.5 + 5e-7, 0.0))
    far = ("a.jpg", "aa", "train", (0.0, 0.0, 1.0, 0.5, 0.01))
    assert compare([A], [near]).recropped == ()
    assert len(compare([A], [far]).recropped) == 1


def test_crops_of_others_are_gained_and_lost_while_the_photo_stays():
    other = ("a.jpg", "aa", "train", HALF, "duplicate 02", "a.jpg")
    changes = compare([A, B], [A, other, B])
    assert changes.gained == (Label("a.jpg", "duplicate 02", "lightroom"),)
    assert (changes.added, changes.lost) == ((), ())
    assert compare([A, other, B], [A, B]).lost == changes.gained


def test_a_photo_that_moves_into_or_out_of_the_test_is_a_leak():
    d = ("d.jpg", "dd", "train", HALF)
    now = [(*A[:2], "test", HALF), (*B[:2], "train", HALF), (*C[:2], "validation", HALF), d]
    changes = compare([A, B, C, d], now)
    assert changes.moved == (
        Move("a.jpg", "train", "test"),
        Move("b.jpg", "test", "train"),
        Move("c.jpg", "train", "validation"),
    )
    assert [move.photo for move in changes.leaks] == ["a.jpg", "b.jpg"]
    page = data_diff_page.render_changes(changes, "p.png")
    assert page.index("**Photos that leak between the versions: 2.**") < page.index("## Counts")
    assert "- `a.jpg`: train to test" in page


def test_a_rename_that_moves_a_photo_between_splits_is_a_leak():
    changes = compare([A], [("x.jpg", "aa", "test", HALF)])
    assert changes.leaks == (Move("x.jpg", "train", "test"),)


def test_a_photo_set_aside_leaks_nothing():
    changes = compare([A, B], [A, (*B[:2], "aside", HALF)])
    assert changes.moved == (Move("b.jpg", "test", "aside"),)
    assert changes.leaks == ()


def test_a_group_in_several_splits_is_listed():
    like_a = ("b.jpg", "bb", "test", HALF, "me", "a.jpg")
    changes = compare([A, B], [A, like_a])
    assert changes.divided == ("a.jpg",)
    assert "in several splits now: 1.**" in data_diff_page.render_changes(changes, "p.png")


def test_labels_from_before_there_were_sources_are_compared_by_author():
    before, after = version(A, B), version(A, B)
    older = DataVersion("old", before.labels.drop(columns=["source", "origin"]), before.splits)
    changes = data_diff.compare_versions(older, after)
    assert (changes.gained, changes.lost, changes.recropped) == ((), (), ())


def test_names_are_escaped_on_the_page():
    odd = ("_a_`|<b>.jpg", "aa", "train", HALF)
    page = data_diff_page.render_changes(compare([B], [B, odd]), "p.png")
    assert "- `` _a_`|<b>.jpg ``" in page


def test_a_long_list_is_cut_and_counts_the_rest():
    many = [(f"{i:02d}.jpg", f"{i}", "train", HALF) for i in range(25)]
    page = data_diff_page.render_changes(compare([B], [B, *many]), "p.png")
    assert "## Added: 25" in page
    assert "`19.jpg`\n- and 5 more" in page


def test_an_empty_version_can_be_compared(tmp_path):
    changes = compare([], [A])
    assert changes.added == ("a.jpg",)
    page, _ = data_diff_page.write_changes(changes, tmp_path)
    assert "nan" not in page.read_text()


def test_the_same_changes_give_the_same_bytes(tmp_path):
    changes = compare([A, B, C], [A, B])
    first, second = (data_diff_page.write_changes(changes, tmp_path / name) for name in ("1", "2"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    assert b"atplotlib" not in Path(first[1]).read_bytes()
