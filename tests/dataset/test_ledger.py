import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from cropperhead.dataset.ledger import Ledger, left_out_versions, write_extract_reports
from cropperhead.dataset.outcome import CROPPED, REJECTED, UNCROPPED, UNREAD, FileOutcome
from cropperhead.editors.base import LeftOut

LEFT_OUT = (LeftOut("a.jpg.pp3", "perspective", "Method is camera_based"),)
A = FileOutcome("a.jpg", 0, "1@2", CROPPED, sha256="aa", left_out=LEFT_OUT)
B = FileOutcome("b, c\n.jpg", 1, "3@4", REJECTED, kind="empty", reason="the file is empty")


def pairs(table: pa.Table, key: str, value: str) -> dict:
    return dict(zip(table[key].to_pylist(), table[value].to_pylist(), strict=True))


def outcomes(ledger: Ledger) -> dict[str, str]:
    return pairs(ledger.table, "file", "outcome")


def test_appended_outcomes_are_loaded_even_if_the_run_did_not_end(tmp_path):
    Ledger.load(tmp_path / "ledger.parquet", "same").append([A])
    Ledger.load(tmp_path / "ledger.parquet", "same").append([B])
    ledger = Ledger.load(tmp_path / "ledger.parquet", "same")
    assert outcomes(ledger) == {A.file: CROPPED, B.file: REJECTED}
    assert left_out_versions(ledger.table) == list(LEFT_OUT)


def test_a_line_that_a_power_failure_cut_off_is_ignored(tmp_path):
    Ledger.load(tmp_path / "ledger.parquet", "same").append([A, B])
    journal = tmp_path / "ledger.journal"
    whole = journal.read_bytes()
    for cut in (2, 20, 150):
        journal.write_bytes(whole[:-cut])
        assert outcomes(Ledger.load(tmp_path / "ledger.parquet", "same")) == {A.file: CROPPED}
    journal.write_bytes(whole[:5])  # within the very first line
    assert outcomes(Ledger.load(tmp_path / "ledger.parquet", "same")) == {}


def test_outcomes_can_be_appended_after_a_line_that_was_cut_off(tmp_path):
    Ledger.load(tmp_path / "ledger.parquet", "same").append([A])
    journal = tmp_path / "ledger.journal"
    journal.write_bytes(journal.read_bytes() + b'{"file": "half')
    ledger = Ledger.load(tmp_path / "ledger.parquet", "same")
    ledger.save()
    ledger.append([B])
    ledger.merge_journal()
    assert outcomes(ledger) == {A.file: CROPPED, B.file: REJECTED}


def test_merging_the_journal_leaves_one_sorted_table(tmp_path):
    ledger = Ledger.load(tmp_path / "ledger.parquet", "same")
    ledger.append([B, A])
    ledger.merge_journal()
    ledger.append([FileOutcome("a.jpg", 0, "5@6", UNCROPPED)])
    ledger.merge_journal()
    assert [file.name for file in tmp_path.iterdir()] == ["ledger.parquet"]
    again = Ledger.load(tmp_path / "ledger.parquet", "same")
    assert outcomes(again) == {"a.jpg": UNCROPPED, B.file: REJECTED}
    assert again.table["file"].to_pylist() == ["a.jpg", B.file]


def test_the_same_outcomes_give_the_same_bytes_in_whatever_order_they_came(tmp_path):
    once, twice = tmp_path / "once.parquet", tmp_path / "twice.parquet"
    for file, runs in {once: [[A, B]], twice: [[B], [replace(A, trace="0@0"), B, A]]}.items():
        for outcomes_of_run in runs:
            ledger = Ledger.load(file, "same")
            ledger.append(outcomes_of_run)
            ledger.merge_journal()
    assert once.read_bytes() == twice.read_bytes()


def test_files_that_other_code_read_are_unread_and_keep_their_numbers(tmp_path):
    ledger = Ledger.load(tmp_path / "ledger.parquet", "same")
    ledger.append([A])
    ledger.merge_journal()
    ledger.append([B])
    other = Ledger.load(tmp_path / "ledger.parquet", "other").table
    assert pairs(other, "file", "number") == {A.file: 0, B.file: 1}
    assert set(other["outcome"].to_pylist()) == {UNREAD}
    assert set(other["trace"].to_pylist()) == {""}


def test_a_ledger_of_an_earlier_release_keeps_its_numbers(tmp_path):
    table = pa.table({"file": ["a.jpg"], "number": [7], "outcome": [CROPPED]})
    pq.write_table(table, tmp_path / "ledger.parquet")
    [row] = Ledger.load(tmp_path / "ledger.parquet", "now").table.to_pylist()
    assert (row["number"], row["outcome"], row["origin"]) == (7, UNREAD, "")


def test_the_reports_count_and_list_what_was_rejected(tmp_path):
    ledger = Ledger.load(tmp_path / "ledger.parquet", "same")
    ledger.append([A, B])
    ledger.merge_journal()
    counts, rejected = tmp_path / "counts.json", tmp_path / "rejected.csv"
    write_extract_reports(ledger.table, {"darktable sidecar": 1}, counts, rejected)
    assert json.loads(counts.read_text()) == {
        "seen": 2,
        "cropped": 1,
        "uncropped": 0,
        "suggested": 0,
        "automatic": 0,
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
