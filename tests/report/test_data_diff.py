from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cropperhead.dataset.revisions import DataVersion
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.report import data_diff
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


def between(before: list[tuple], after: list[tuple]) -> data_diff.Changes:
    return data_diff.compare_versions(version(*before), version(*after, name="now"))


def test_nothing_differs_between_a_version_and_itself():
    found = between([A, B, C], [A, B, C])
    assert (found.added, found.removed, found.renamed, found.rewritten) == ((), (), (), ())
    assert (found.recropped, found.gained, found.lost, found.moved) == ((), (), (), ())
    assert [shift.statistic for shift in found.shifts] == [0] * 6
    assert "The photos and their crops are the same." in data_diff.render_changes(found, "p.png")


def test_added_and_removed_photos_are_listed():
    found = between([A, B], [B, C])
    assert (found.added, found.removed) == (("c.jpg",), ("a.jpg",))
    assert found.counts["photos in train"] == (1, 1)
    assert found.counts["photos"] == (2, 2)


def test_the_same_bytes_under_another_name_are_a_rename():
    found = between([A, B], [("x/a.jpg", *A[1:]), B])
    assert found.renamed == (("a.jpg", "x/a.jpg"),)
    assert (found.added, found.removed, found.moved) == ((), (), ())


def test_two_photos_that_swapped_names_are_two_renames():
    found = between([A, B], [("b.jpg", *A[1:]), ("a.jpg", *B[1:])])
    assert found.renamed == (("a.jpg", "b.jpg"), ("b.jpg", "a.jpg"))
    assert found.moved == ()  # each photo stays where it was, under its new name


def test_a_photo_stays_the_same_when_a_crop_is_written_into_its_file():
    recropped = ("a.jpg", "a2", "train", (0.0, 0.25, 1.0, 0.75, 0.0))
    found = between([A, B], [recropped, B])
    assert found.rewritten == ("a.jpg",)
    assert (found.added, found.removed) == ((), ())
    [one] = found.recropped
    assert one.label == Label("a.jpg", "me", "lightroom")
    assert one.overlap == pytest.approx(1 / 3)  # shared 0.25, union 0.75


def test_a_renamed_and_rewritten_photo_is_matched_by_its_original_name():
    found = between([A], [("x.jpg", "a2", "train", HALF, "me", "a.jpg")])
    assert found.renamed == (("a.jpg", "x.jpg"),)


def test_limits_that_differ_by_less_than_editors_write_are_the_same_crop():
    near = ("a.jpg", "aa", "train", (0.0, 0.0, 1.0, 0.5 + 5e-7, 0.0))
    far = ("a.jpg", "aa", "train", (0.0, 0.0, 1.0, 0.5, 0.01))
    assert between([A], [near]).recropped == ()
    assert len(between([A], [far]).recropped) == 1


def test_crops_of_others_are_gained_and_lost_while_the_photo_stays():
    other = ("a.jpg", "aa", "train", HALF, "duplicate 02", "a.jpg")
    found = between([A, B], [A, other, B])
    assert found.gained == (Label("a.jpg", "duplicate 02", "lightroom"),)
    assert (found.added, found.lost) == ((), ())
    assert between([A, other, B], [A, B]).lost == found.gained


def test_a_photo_that_moves_into_or_out_of_the_test_is_a_leak():
    d = ("d.jpg", "dd", "train", HALF)
    now = [(*A[:2], "test", HALF), (*B[:2], "train", HALF), (*C[:2], "validation", HALF), d]
    found = between([A, B, C, d], now)
    assert found.moved == (
        Move("a.jpg", "train", "test"),
        Move("b.jpg", "test", "train"),
        Move("c.jpg", "train", "validation"),
    )
    assert [move.photo for move in found.leaks] == ["a.jpg", "b.jpg"]
    page = data_diff.render_changes(found, "p.png")
    assert page.index("**Photos that leak between the versions: 2.**") < page.index("## Counts")
    assert "- `a.jpg`: train to test" in page


def test_a_rename_that_moves_a_photo_between_splits_is_a_leak():
    found = between([A], [("x.jpg", "aa", "test", HALF)])
    assert found.leaks == (Move("x.jpg", "train", "test"),)


def test_a_photo_set_aside_leaks_nothing():
    found = between([A, B], [A, (*B[:2], "aside", HALF)])
    assert found.moved == (Move("b.jpg", "test", "aside"),)
    assert found.leaks == ()


def test_a_group_in_several_splits_is_named():
    like_a = ("b.jpg", "bb", "test", HALF, "me", "a.jpg")
    found = between([A, B], [A, like_a])
    assert found.divided == ("a.jpg",)
    assert "in several splits now: 1.**" in data_diff.render_changes(found, "p.png")


def test_labels_from_before_there_were_sources_are_compared_by_author():
    before, after = version(A, B), version(A, B)
    older = DataVersion("old", before.labels.drop(columns=["source", "origin"]), before.splits)
    found = data_diff.compare_versions(older, after)
    assert (found.gained, found.lost, found.recropped) == ((), (), ())


def test_a_page_shows_names_as_they_are():
    odd = ("_a_`|<b>.jpg", "aa", "train", HALF)
    page = data_diff.render_changes(between([B], [B, odd]), "p.png")
    assert "- `` _a_`|<b>.jpg ``" in page


def test_a_long_list_is_cut_and_counts_the_rest():
    many = [(f"{i:02d}.jpg", f"{i}", "train", HALF) for i in range(25)]
    page = data_diff.render_changes(between([B], [B, *many]), "p.png")
    assert "## Added: 25" in page
    assert "`19.jpg`\n- and 5 more" in page


def test_an_empty_version_can_be_compared(tmp_path):
    found = between([], [A])
    assert found.added == ("a.jpg",)
    page, _ = data_diff.write_changes(found, tmp_path)
    assert "nan" not in page.read_text()


def test_the_same_changes_give_the_same_bytes(tmp_path):
    found = between([A, B, C], [A, B])
    first, second = (data_diff.write_changes(found, tmp_path / name) for name in ("1", "2"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    assert b"atplotlib" not in Path(first[1]).read_bytes()
