import unicodedata
from pathlib import Path

import pytest

from cropperhead.library.catalog_matching import Matches, match_photos

ROOT = "/Volumes/Old/Pictures"


def matched(photos: list[str], files: list[str], folder: Path, root: str = ROOT) -> dict[str, str]:
    """The matches of photos below a root, by their paths from it."""
    found = match_photos({f"{root}/{photo}": photo for photo in photos}, folder, files)
    return {path.removeprefix(f"{root}/"): file for path, file in found.files.items()}


def test_a_photo_is_the_file_at_its_place(tmp_path):
    files = ["a.jpg", "2024/a.jpg", "2024/Pictures/a.jpg"]
    photos = ["a.jpg", "2024/a.jpg", "2023/a.jpg"]
    assert matched(photos, files, tmp_path, tmp_path.as_posix()) == {
        "a.jpg": "a.jpg",
        "2024/a.jpg": "2024/a.jpg",
    }


@pytest.mark.parametrize("listed", ["real", "link"])
def test_links_lead_to_the_same_place(tmp_path, listed):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    other = {"real": "link", "link": "real"}[listed]
    root = (tmp_path / listed).as_posix()
    assert matched(["a.jpg"], ["a.jpg"], tmp_path / other, root) == {"a.jpg": "a.jpg"}


def test_another_case_of_letters_matches_where_nothing_else_does(tmp_path):
    root = tmp_path.as_posix()
    assert matched(["A.JPG"], ["a.jpg"], tmp_path, root.upper()) == {"A.JPG": "a.jpg"}
    both = matched(["A.JPG", "a.jpg"], ["a.jpg", "A.JPG"], tmp_path, root)
    assert both == {"A.JPG": "A.JPG", "a.jpg": "a.jpg"}
    assert matched(["a.Jpg"], ["a.jpg", "A.JPG"], tmp_path, root) == {}
    assert matched(["2024/A.JPG"], ["2024/a.jpg"], tmp_path) == {"2024/A.JPG": "2024/a.jpg"}


@pytest.mark.parametrize("place", ["here", "moved"])
def test_composed_and_decomposed_letters_are_the_same(tmp_path, place):
    decomposed = unicodedata.normalize("NFD", "Zoë/é.jpg")
    root = tmp_path.as_posix() if place == "here" else ROOT
    for photo, file in (("Zoë/é.jpg", decomposed), (decomposed, "Zoë/é.jpg")):
        assert matched([photo], [file], tmp_path, root) == {photo: file}


@pytest.mark.parametrize(
    ("photo", "file"),
    [
        ("2024/05/a.jpg", "2024/05/a.jpg"),  # the root folder has moved
        ("2024/05/a.jpg", "05/a.jpg"),  # the library is a part of it
        ("2024/05/a.jpg", "Old/Pictures/2024/05/a.jpg"),  # or lies above it
        ("05/a.jpg", "elsewhere/05/a.jpg"),
    ],
)
def test_a_moved_photo_is_found_by_the_end_of_its_path(tmp_path, photo, file):
    assert matched([photo], [file], tmp_path) == {photo: file}


@pytest.mark.parametrize(
    ("photo", "file"),
    [
        ("2024/05/a.jpg", "2023/05/a.jpg"),  # neither path is within the other
        ("2024/05/a.jpg", "5/a.jpg"),  # half a component
        ("2024/05/a.jpg", "05/b.jpg"),
    ],
)
def test_paths_that_differ_do_not_match(tmp_path, photo, file):
    found = match_photos({f"{ROOT}/{photo}": photo}, tmp_path, [file])
    assert found == Matches({}, frozenset(), (), ())


def test_a_name_alone_does_not_match_but_with_the_library_s_folder_it_does(tmp_path):
    photos = {f"{ROOT}/wedding/a.jpg": "wedding/a.jpg"}
    found = match_photos(photos, tmp_path / "other", ["a.jpg"])
    assert found == Matches({}, frozenset(), (), (f"{ROOT}/wedding/a.jpg",))
    found = match_photos(photos, tmp_path / "wedding", ["a.jpg"])
    assert found.files == {f"{ROOT}/wedding/a.jpg": "a.jpg"}


def test_the_file_that_shares_most_of_the_path_matches(tmp_path):
    files = ["2024/05/a.jpg", "backup/05/a.jpg", "05/a.jpg"]
    assert matched(["2024/05/a.jpg"], files, tmp_path) == {"2024/05/a.jpg": "2024/05/a.jpg"}


def test_a_photo_that_matches_several_files_is_ambiguous(tmp_path):
    files = ["x/05/a.jpg", "y/05/a.jpg"]
    found = match_photos({f"{ROOT}/05/a.jpg": "05/a.jpg"}, tmp_path, files)
    assert found == Matches({}, frozenset(), (f"{ROOT}/05/a.jpg",), ())


def test_photos_that_match_one_file_are_ambiguous(tmp_path):
    paths = ["/old/2024/05/a.jpg", "/new/2024/05/a.jpg"]
    found = match_photos(dict.fromkeys(paths, "2024/05/a.jpg"), tmp_path, ["05/a.jpg"])
    assert found == Matches({}, frozenset(), tuple(sorted(paths)), ())


def test_a_file_belongs_to_the_photo_at_its_place_before_any_other(tmp_path):
    here = f"{tmp_path.as_posix()}/05/a.jpg"
    found = match_photos({f"{ROOT}/05/a.jpg": "05/a.jpg", here: "05/a.jpg"}, tmp_path, ["05/a.jpg"])
    assert found == Matches({here: "05/a.jpg"}, frozenset({here}), (), ())


def test_many_photos_of_one_name_are_matched_in_linear_time(tmp_path):
    # a comparison of each with each would take 400 million steps
    names = [f"{i}/IMG_0001.jpg" for i in range(20_000)]
    assert matched(names, names, tmp_path) == {name: name for name in names}


def test_no_photos_and_no_files_match_nothing(tmp_path):
    assert match_photos({"": ""}, tmp_path, ["a.jpg"]) == Matches({}, frozenset(), (), ())
    assert match_photos({"/x/a.jpg": "a.jpg"}, tmp_path, []) == Matches({}, frozenset(), (), ())


def test_a_photo_whose_path_is_too_long_for_the_system_is_found_by_its_end(tmp_path):
    path = f"/{'a/' * 3000}2024/a.jpg"
    found = match_photos({path: "2024/a.jpg"}, tmp_path, ["2024/a.jpg"])
    assert found.files == {path: "2024/a.jpg"}
