import json

import pytest
from conftest import save_photo, settings, xmp

from cropperhead.cli.main import main
from cropperhead.editors import registry, unsupported
from cropperhead.library import scan, sidecars


def test_files_of_unsupported_editors_are_counted_by_editor():
    by_suffix = {".cos": 3, ".cosessiondb": 1, ".dop": 2, ".aae": 1, ".txt": 9, "(none)": 1}
    assert unsupported.count_by_editor(by_suffix) == {
        "Apple Photos": 1,
        "Capture One": 4,
        "DxO PhotoLab": 2,
    }
    assert unsupported.count_by_editor({".txt": 9}) == {}


def test_no_unsupported_editor_shares_a_suffix_with_photos_or_sidecars_that_are_read():
    known = sidecars.PHOTOS | registry.sidecar_suffixes()
    assert unsupported.count_by_editor(dict.fromkeys(known, 1)) == {}


@pytest.mark.usefixtures("one_process")
def test_the_scan_and_the_dry_run_name_the_editors_that_are_not_read(tmp_path, capsys):
    folder = tmp_path / "photos"
    save_photo(folder / "a.jpg", xmp(settings()))
    for name in ("CaptureOne/Settings/a.jpg.COS", "a.jpg.dop", "b.vrd"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    counts = tmp_path / "scan.json"
    scan.write_counts(scan.scan(folder), counts)
    assert json.loads(counts.read_text())["other_editor"] == {
        "Canon Digital Photo Professional": 1,
        "Capture One": 1,
        "DxO PhotoLab": 1,
    }
    assert main(["extract", "--dry-run", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4:-1] == [
        "        3 files of editors whose crops are not read (other_editor)",
        "                  1 Canon Digital Photo Professional",
        "                  1 Capture One",
    ]
    (folder / "a.jpg.dop").unlink()
    (folder / "b.vrd").unlink()
    (folder / "CaptureOne/Settings/a.jpg.COS").unlink()
    main(["extract", "--dry-run", str(folder)])
    assert "other_editor" not in capsys.readouterr().out
