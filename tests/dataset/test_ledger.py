import json

import pyarrow as pa
import pyarrow.parquet as pq

from cropperhead.dataset.ledger import (
    CROPPED,
    REJECTED,
    UNCROPPED,
    UNREAD,
    Ledger,
    Outcome,
    all_left_out,
    write_report,
)
from cropperhead.editors.base import LeftOut

LEFT_OUT = (LeftOut("a.jpg.pp3", "perspective", "Method is camera_based"),)
A = Outcome("a.jpg", 0, "1@2", CROPPED, sha256="aa", left_out=LEFT_OUT)
B = Outcome("b, c\n.jpg", 1, "3@4", REJECTED, kind="empty", reason="the file is empty")


def outcomes(book: Ledger) -> dict[str, str]:
    return dict(book.table[["file", "outcome"]].itertuples(index=False))


def test_what_was_recorded_is_there_when_the_run_did_not_end(tmp_path):
    Ledger.load(tmp_path / "ledger.parquet", "same").record([A])
    Ledger.load(tmp_path / "ledger.parquet", "same").record([B])
    book = Ledger.load(tmp_path / "ledger.parquet", "same")
    assert outcomes(book) == {A.file: CROPPED, B.file: REJECTED}
    assert all_left_out(book.table) == list(LEFT_OUT)


def test_a_line_that_was_cut_off_by_a_loss_of_power_is_passed_over(tmp_path):
    Ledger.load(tmp_path / "ledger.parquet", "same").record([A, B])
    journal = tmp_path / "ledger.journal"
    whole = journal.read_bytes()
    for cut in (2, 20, 150):
        journal.write_bytes(whole[:-cut])
        assert outcomes(Ledger.load(tmp_path / "ledger.parquet", "same")) == {A.file: CROPPED}
    journal.write_bytes(whole[:5])  # within the very first line
    assert outcomes(Ledger.load(tmp_path / "ledger.parquet", "same")) == {}


def test_recording_goes_on_after_a_line_that_was_cut_off(tmp_path):
    Ledger.load(tmp_path / "ledger.parquet", "same").record([A])
    journal = tmp_path / "ledger.journal"
    journal.write_bytes(journal.read_bytes() + b'{"file": "half')
    book = Ledger.load(tmp_path / "ledger.parquet", "same")
    book.save()
    book.record([B])
    book.settle()
    assert outcomes(book) == {A.file: CROPPED, B.file: REJECTED}


def test_settling_leaves_one_sorted_table_and_no_journal(tmp_path):
    book = Ledger.load(tmp_path / "ledger.parquet", "same")
    book.record([B, A])
    book.settle()
    book.record([Outcome("a.jpg", 0, "5@6", UNCROPPED)])
    book.settle()
    assert [file.name for file in tmp_path.iterdir()] == ["ledger.parquet"]
    again = Ledger.load(tmp_path / "ledger.parquet", "same")
    assert outcomes(again) == {"a.jpg": UNCROPPED, B.file: REJECTED}
    assert again.table["file"].is_monotonic_increasing


def test_what_other_code_made_keeps_its_numbers_alone(tmp_path):
    book = Ledger.load(tmp_path / "ledger.parquet", "same")
    book.record([A])
    book.settle()
    book.record([B])
    other = Ledger.load(tmp_path / "ledger.parquet", "other").table
    assert dict(other[["file", "number"]].itertuples(index=False)) == {A.file: 0, B.file: 1}
    assert set(other["outcome"]) == {UNREAD}
    assert set(other["trace"]) == {""}


def test_a_ledger_of_an_earlier_release_keeps_its_numbers(tmp_path):
    table = pa.table({"file": ["a.jpg"], "number": [7], "outcome": [CROPPED]})
    pq.write_table(table, tmp_path / "ledger.parquet")
    [row] = Ledger.load(tmp_path / "ledger.parquet", "now").table.to_dict("records")
    assert (row["number"], row["outcome"], row["origin"]) == (7, UNREAD, "")


def test_the_report_counts_and_names_what_was_left_out(tmp_path):
    book = Ledger.load(tmp_path / "ledger.parquet", "same")
    book.record([A, B])
    book.settle()
    counts, rejected = tmp_path / "counts.json", tmp_path / "rejected.csv"
    write_report(book.table, {"darktable sidecar": 1}, counts, rejected)
    assert json.loads(counts.read_text()) == {
        "seen": 2,
        "cropped": 1,
        "uncropped": 0,
        "suggested": 0,
        "rejected": {"empty": 1},
        "rejected_total": 1,
        "labels": {"darktable sidecar": 1},
        "versions_left_out": {"perspective": 1},
    }
    assert rejected.read_text() == (
        "file,reason\n"
        "a.jpg.pp3,perspective: Method is camera_based\n"
        '"b, c\n.jpg",empty: the file is empty\n'
    )
