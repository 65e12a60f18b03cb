import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image
from simulated_votes import CROPPERS

from cropperhead import params
from cropperhead.cli.main import main
from cropperhead.errors import CollectionError, DataError, RejectedFile
from cropperhead.params import StudyParams
from cropperhead.study import collect, export, findings, folder, returned
from cropperhead.study.votes import compare


@pytest.fixture
def own(study_made, tmp_path):
    """A copy of the study, to put votes into."""
    shutil.copytree(study_made[0], tmp_path / "study")
    return tmp_path / "study", study_made[1]


def _file(place, study, session=0, rater="0123456789abcdef", votes=None, **changes):
    ballots = folder.session_content(study, session)["ballots"]
    if votes is None:
        votes = [
            {
                "ballot": each["ballot"],
                "answer": "left" if len(each["crops"]) == 2 else "132",
                "ms": 900,
            }
            for each in ballots
        ]
    content = {"study": study.id, "session": session, "rater": rater, "votes": votes} | changes
    file = place / f"{rater}.json"
    file.write_text(json.dumps(content))
    return file


def write(place, out=None):
    """The stage votes of the study in a folder, which writes into it or into another one."""
    out, loaded = out or place, params.load(ROOT / "params.yaml")
    settings = replace(loaded, study=replace(loaded.study, folder=str(place)))
    collect.write_tables(settings, out / "votes.csv", out / "votes.json")


def _first_pair(study):
    return next(i for i, ballot in enumerate(study.design[0]) if not ballot.middle)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [  # of crops a, b and c from left to right
        ("213", {"ab": "right", "ac": "left", "bc": "left"}),
        ("3", {"ab": "neither", "ac": "right", "bc": "right"}),
        ("neither", {"ab": "neither", "ac": "neither", "bc": "neither"}),
    ],
)
def test_a_ranking_is_three_comparisons(answer, expected):
    assert {left + right: better for left, right, better in compare("abc", answer)} == expected


@pytest.mark.parametrize("answer", ["132", "1", "12", "top", 1, None])
def test_a_ranking_of_two_crops_is_rejected(study_made, answer):
    study = study_made[1]
    vote = {"ballot": study.ballot_token(0, _first_pair(study)), "answer": answer, "ms": 900}
    with pytest.raises(RejectedFile, match="the answer is"):
        returned.parse_votes([vote], study.ballot_places(0), study.design[0])


def test_a_row_has_the_overlap_of_each_crop_with_the_human_one(study_made):
    photo = study_made[1].photos[0].with_spoiled()
    overlaps = {name: photo.overlap("human", name) for name in photo.limits}
    design = study_made[1].design[0]
    votes = dict.fromkeys(range(len(design)), ("neither", 900))
    rows = returned.table_rows(study_made[1], returned.ReturnedSession("a" * 8, 0, votes))
    shown = [row for row in rows if row["photo"] == photo.name]
    assert {row["left"] for row in shown} | {row["right"] for row in shown} > {"human"}
    for row in shown:
        for side in ("left", "right"):
            assert row[f"{side}_overlap"] == round(overlaps[row[side]], 6)


def test_a_study_is_read_as_it_was_study_made(study_made):
    assert folder.load(study_made[0]) == study_made[1]


def test_a_study_of_another_release_has_to_be_made_anew(own):
    key = own[0] / "key.json"
    key.write_text(json.dumps(json.loads(key.read_text()) | {"version": 1}))
    with pytest.raises(DataError, match=r"another release \(version 1, expected 2\).*study new"):
        folder.load(own[0])


def test_a_second_study_does_not_replace_the_first(study_made):
    with pytest.raises(DataError, match="it already contains a study"):
        folder.create(
            study_made[0], pd.DataFrame(), study_made[0], "", StudyParams(croppers=CROPPERS), 1
        )


def test_before_anything_is_computed_for_a_second_study_it_is_refused(study_made, capsys):
    command = ["study", "new", "--training", "--study", str(study_made[0])]
    assert main(command) == 1
    assert "it already contains a study" in capsys.readouterr().err


def test_what_voters_get_names_neither_photos_nor_croppers(study_made, tmp_path):
    export.export(study_made[0], tmp_path / "out")
    texts = [f.read_text() for f in (tmp_path / "out").rglob("*.js") if f.name != "study.js"]
    names = [file.name for file in (tmp_path / "out").rglob("*")]
    for word in ("human", "cnn", "random", "spoiled", "catch", "repeat", "photo "):
        assert not any(word in text for text in (*texts, *names)), word
    assert study_made[1].secret not in "".join(texts)


def test_crops_have_one_height_and_no_metadata(study_made, tmp_path):
    export.export(study_made[0], tmp_path / "out")
    files = sorted((tmp_path / "out" / "crops").iterdir())
    assert files
    for file in files[:40]:
        with Image.open(file) as image:
            assert image.height == folder.HEIGHT
            assert image.format == "JPEG"
            assert not image.getexif()
            assert "comment" not in image.info
    assert len({file.stat().st_mtime_ns for file in files}) == 1


def test_crops_are_written_in_the_order_of_their_names(study_made):
    names = [name for name, _ in folder.session_crops(study_made[0], study_made[1], 0)]
    # of three croppers' crops of 20 photos and the catch trials', those that the session shows
    assert len(names) > 60
    assert names == sorted(names)


def test_a_crop_has_another_name_in_each_session(study_made):
    _, study = study_made
    one, two = (
        {name for name, _ in folder.session_crops(study_made[0], study, session)}
        for session in (0, 1)
    )
    assert one
    assert not one & two


def test_votes_that_come_back_become_the_table(own):
    place, study = own
    done = returned.import_files([_file(place, study)], place)
    table, rejected, _ = collect.read_table(place)
    assert (done.new, done.known, rejected) == (len(study.design[0]), 0, [])
    for number, ballot in enumerate(study.design[0]):
        rows = table[table["place"] == number]
        shown = set(zip(rows["left"], rows["right"], rows["answer"], strict=True))
        answer = "132" if ballot.middle else "left"
        assert shown == set(compare(ballot.shown, answer))
        assert set(rows["photo"]) == {ballot.photo}
    assert set(table["model"]) == {"abc"}


def test_importing_twice_counts_once_and_the_first_vote_stays(own):
    place, study = own
    file = _file(place, study)
    returned.import_files([file], place)
    changed = json.loads(file.read_text())
    for vote in changed["votes"]:
        vote["answer"] = {"left": "right", "132": "1"}[vote["answer"]]
    file.write_text(json.dumps(changed))
    done = returned.import_files([file], place)
    assert (done.new, done.known) == (0, len(study.design[0]))
    table = collect.read_table(place).table
    first = table[table["place"] == _first_pair(study)]
    assert first["answer"].tolist() == ["left"]


def test_a_file_that_is_there_twice_counts_once(own):
    place, study = own
    file = _file(place, study)
    returned.import_files([file], place)
    before = collect.read_table(place).table
    changed = file.read_text().replace('"132"', '"1"').replace('"left"', '"right"')
    for name in ("z copy.json", "z copy of the copy.json"):  # after the digits of the first
        (place / "votes" / name).write_text(changed)
    write(place)
    pd.testing.assert_frame_equal(collect.read_table(place).table, before)
    counts = json.loads((place / "votes.json").read_text())
    count = len(study.design[0])
    assert (counts["votes"], counts["repeated"]) == (count, 2 * count)


def test_a_ballot_has_one_vote(own):
    place, study = own
    token = study.ballot_token(0, _first_pair(study))
    votes = [{"ballot": token, "answer": answer, "ms": 900} for answer in ("right", "left")]
    returned.import_files([_file(place, study, votes=votes)], place)
    assert collect.read_table(place)[0]["answer"].tolist() == ["right"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"study": "another"}, "is of the study"),
        ({"session": 4}, "expected 0 to 3"),
        ({"session": True}, "session is True"),
        ({"rater": "../../etc/passwd"}, "rater is not"),
        ({"votes": [{"ballot": "f" * 32, "answer": "left", "ms": 1}]}, "was not made here"),
        ({"votes": [7]}, "a vote is 7"),
        ({"votes": {}}, "expected an object"),
    ],
)
def test_what_was_not_made_here_is_rejected_with_a_reason(study_made, tmp_path, changes, reason):
    content = json.loads(_file(tmp_path, study_made[1]).read_text()) | changes
    with pytest.raises(RejectedFile, match=reason):
        returned.parse(json.dumps(content).encode(), study_made[1])


@pytest.mark.parametrize("ms", [-1, 1e300, "900", None, True, float("nan")])
def test_a_time_that_is_none_is_rejected(study_made, ms):
    first = study_made[1].ballot_token(0, _first_pair(study_made[1]))
    vote = {"ballot": first, "answer": "left", "ms": ms}
    content = {"study": study_made[1].id, "session": 0, "rater": "a" * 16, "votes": [vote]}
    with pytest.raises(RejectedFile, match="expected milliseconds"):
        returned.parse(json.dumps(content).encode(), study_made[1])


def test_a_ballot_of_another_session_does_not_count(study_made):
    vote = {"ballot": study_made[1].ballot_token(1, 0), "answer": "left", "ms": 900}
    content = {"study": study_made[1].id, "session": 0, "rater": "a" * 16, "votes": [vote]}
    with pytest.raises(RejectedFile, match="was not made here"):
        returned.parse(json.dumps(content).encode(), study_made[1])


def test_a_bad_file_does_not_stop_the_others(own):
    place, study = own
    bad = place / "bad.json"
    bad.write_bytes(b"{")
    done = returned.import_files([bad, place / "none.json", _file(place, study)], place)
    assert len(done.rejected) == 2
    assert done.new == len(study.design[0])


def test_the_command_counts_votes_and_files(own, capsys):
    place, study = own
    vote = {"ballot": study.ballot_token(0, 0), "answer": "neither", "ms": 900}
    files = [place / "none.json", _file(place, study, votes=[vote])]
    assert main(["study", "import", *map(str, files), "--study", str(place)]) == 1
    assert capsys.readouterr().out == "1 new vote; 0 imported before; 1 file rejected\n"


def test_a_collection_that_is_not_there_is_named(study_made, tmp_path):
    with pytest.raises(CollectionError, match="it holds no collection"):
        collect.read_table(study_made[0], str(tmp_path / "none"))


def test_without_a_study_there_are_no_votes(tmp_path):
    write(tmp_path / "none", tmp_path)
    assert json.loads((tmp_path / "votes.json").read_text())["votes"] == 0
    table = collect.read_table(tmp_path / "none").table
    assert findings.summarise(table, 0.95).raters == 0


def test_the_same_votes_give_the_same_bytes_in_any_order_of_import(study_made, tmp_path):
    outputs = []
    for order in (1, -1):
        place = tmp_path / f"study{order}"
        shutil.copytree(study_made[0], place)
        files = [_file(place, study_made[1], i, rater=f"{i}" * 16) for i in range(3)][::order]
        returned.import_files(files, place)
        write(place)
        outputs.append((place / "votes.csv").read_bytes())
    assert outputs[0] == outputs[1]


def test_of_who_voted_by_file_a_ban_names_the_file(own, capsys):
    place, study = own
    file = _file(place, study)
    returned.import_files([file], place)
    assert main(["study", "raters", "--study", str(place)]) == 0
    assert capsys.readouterr().out.split()[:2] == [file.stem, str(len(study.design[0]))]
    assert main(["study", "ban", file.stem, "f" * 32, "--study", str(place)]) == 1
    kept = place / "votes" / f"{file.stem}-0.json"
    assert capsys.readouterr().out.splitlines() == [
        f"{file.stem}: the votes are in {kept}; delete that",
        f"{'f' * 32}: no such person",
    ]
    assert kept.exists()
