import importlib.util
import io
import json
import math
import socket
import warnings
from dataclasses import replace

import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image

from cropperhead import params
from cropperhead.dataset import columns, shards
from cropperhead.errors import DataError

with warnings.catch_warnings():
    # Great Expectations 1.24 imports sre_constants, which Python is about to drop
    warnings.simplefilter("ignore", DeprecationWarning)
    from cropperhead.dataset import validate

PARAMS = params.ValidateParams(
    limits=(0.0, 1.0),
    min_side=0.05,
    angle_deg=(-45.0, 45.0),
    corner_tolerance=0.003,
    min_spread=0.01,
    max_quarantined=0.05,
)
LABEL = {
    "photo": "a.jpg",
    "author": "photographer",
    "source": "lightroom",
    "number": 0,
    "width": 600,
    "height": 400,
    "crop_top": 0.1,
    "crop_left": 0.1,
    "crop_bottom": 0.9,
    "crop_right": 0.9,
    "crop_angle": 0.0,
    "orientation": 1,
    "camera": None,
    "captured": None,
    "sha256": "0" * 64,
    "perceptual_hash": "0" * 16,
    "image_width": 96,
    "image_height": 64,
}


def table(*changes):
    """A label for each mapping of changes; photos are named by their position where not given."""
    return pd.DataFrame(
        [
            LABEL | {"photo": f"{row}.jpg", "number": row} | change
            for row, change in enumerate(changes)
        ]
    )


SOUND = {
    "plain": {},
    "the whole frame": {"crop_top": 0, "crop_left": 0, "crop_bottom": 1, "crop_right": 1},
    "the smallest side": {"crop_left": 0.5, "crop_right": 0.55},
    "the largest angle": {"crop_left": 0.4, "crop_right": 0.6, "crop_angle": -45},
    # 200 cos 0.1 + 300 sin 0.1 = 200.523 of 200 px to the edge: 0.523 / 400 = 0.0013 outside
    "a corner less than a pixel outside": {
        "crop_top": 0,
        "crop_left": 0,
        "crop_bottom": 1,
        "crop_right": 1,
        "crop_angle": 0.1,
    },
    "two authors, one": {"photo": "two authors.jpg", "author": "photographer"},
    "two authors, two": {"photo": "two authors.jpg", "author": "guest"},
    "two editors, one": {"photo": "two editors.jpg", "source": "lightroom sidecar"},
    "two editors, two": {"photo": "two editors.jpg", "source": "darktable sidecar"},
}
UNSOUND = {
    "below the frame": (
        {"crop_bottom": 1.2},
        "crop_bottom between 0 and 1; corner_outside at most 0.003",
    ),
    "left of the frame": (
        {"crop_left": -0.1},
        "crop_left between 0 and 1; corner_outside at most 0.003",
    ),
    "upside down": (
        {"crop_top": 0.9, "crop_bottom": 0.1},
        "crop_top < crop_bottom; crop_height at least 0.05",
    ),
    "no width": (
        {"crop_left": 0.5, "crop_right": 0.5},
        "crop_left < crop_right; crop_width at least 0.05",
    ),
    "a sliver": ({"crop_top": 0.5, "crop_bottom": 0.52}, "crop_height at least 0.05"),
    "steep": (
        {
            "crop_top": 0.4,
            "crop_left": 0.4,
            "crop_bottom": 0.6,
            "crop_right": 0.6,
            "crop_angle": 50,
        },
        "crop_angle between -45 and 45",
    ),
    "tilted out of the frame": (
        {"crop_top": 0, "crop_left": 0, "crop_bottom": 1, "crop_right": 1, "crop_angle": 5},
        "corner_outside at most 0.003",
    ),
    "an endless angle": ({"crop_angle": math.inf}, "crop_angle between -45 and 45"),
    "no right limit": ({"crop_right": None}, "crop_right present"),
    "no angle": ({"crop_angle": None}, "crop_angle present"),
    "no author": ({"author": None}, "author present"),
    "no photo": ({"photo": None}, "photo present"),
    "no source": ({"source": None}, "source present"),
    "no frame": ({"width": 0}, "width above 0"),
    "twice": ({"photo": "twice.jpg"}, "photo, author and source unique"),
    "twice, again": ({"photo": "twice.jpg", "crop_top": 0.2}, "photo, author and source unique"),
    "damaged <picture>": ({"photo": "damaged <picture>.jpg"}, "image as stated"),
}
IMAGE_PROBLEMS = {"damaged <picture>.jpg": "the picture cannot be read"}


@pytest.fixture(scope="module")
def mixed():
    """Every kind of label at once, and their check."""
    changes = [*SOUND.values(), *(change for change, _ in UNSOUND.values())]
    labels = table(*changes).assign(camera=[*SOUND, *UNSOUND])
    return labels, validate.check_labels(labels, PARAMS, IMAGE_PROBLEMS)


def alike(rows, **change):
    return table(*({"crop_top": 0.1, **change} for _ in range(rows)))


class TestCheckLabels:
    def test_sound_labels_are_unchanged(self, mixed):
        labels, check = mixed
        pd.testing.assert_frame_equal(check.sound, labels.iloc[: len(SOUND)])

    def test_unsound_labels_are_quarantined_in_order(self, mixed):
        labels, check = mixed
        expected = labels["photo"].iloc[len(SOUND) :].tolist()
        assert check.quarantine["photo"].astype(object).fillna("").tolist() == [
            photo if isinstance(photo, str) else "" for photo in expected
        ]
        assert tuple(check.quarantine.columns) == validate.QUARANTINE_COLUMNS

    @pytest.mark.parametrize("kind", UNSOUND)
    def test_a_quarantined_label_has_the_names_of_the_expectations_it_broke(self, mixed, kind):
        _, check = mixed
        names = check.quarantine["expectation"][list(UNSOUND).index(kind)]
        assert names == UNSOUND[kind][1]

    def test_the_quarantine_shows_how_far_a_corner_is_outside(self, mixed):
        _, check = mixed
        distance = check.quarantine["corner_outside"][
            list(UNSOUND).index("tilted out of the frame")
        ]
        # 200 cos 5 + 300 sin 5 = 199.239 + 26.147 = 225.386 px; (225.386 - 200) / 400
        assert distance == pytest.approx(0.063464, abs=1e-6)

    def test_the_quarantine_shows_what_is_wrong_with_a_picture(self, mixed):
        _, check = mixed
        assert check.quarantine["image_problem"].dropna().tolist() == ["the picture cannot be read"]

    def test_failures_count_the_labels_of_each_expectation(self, mixed):
        _, check = mixed
        broken = {name: count for name, count in check.failures.items() if count}
        named = [name for _, names in UNSOUND.values() for name in names.split("; ")]
        assert broken == {name: named.count(name) for name in named}
        assert check.failures["height above 0"] == 0
        assert (check.rows, check.quarantined_share) == (26, 17 / 26)

    def test_labels_may_have_any_index(self):
        labels = table({}, {"crop_bottom": 1.2}, {}).set_index(pd.Index([7, 7, 7]))
        check = validate.check_labels(labels, PARAMS)
        assert check.sound["photo"].tolist() == ["0.jpg", "2.jpg"]

    def test_an_expectation_that_cannot_be_evaluated_is_an_error(self):
        labels = table({}, {}).assign(author=[["a list"], ["cannot be compared"]])
        with pytest.raises(TypeError, match="author and source unique' cannot be evaluated"):
            validate.check_labels(labels, PARAMS)

    def test_nothing_is_printed_and_no_network_is_used(self, capfd, monkeypatch):
        def refuse(*_):
            raise AssertionError("the network was used")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        validate.check_labels(alike(3), PARAMS)
        assert capfd.readouterr() == ("", "")


class TestAllAlike:
    def test_crops_that_differ_are_not_alike(self):
        check = validate.check_labels(
            table({"crop_top": 0.0}, {"crop_top": 0.1}, {"crop_top": 0.2}), PARAMS
        )
        # deviations -0.1, 0, 0.1: sqrt((0.01 + 0.01) / 2) = 0.1
        assert check.spread == pytest.approx(
            {"crop_top": 0.1, "crop_left": 0, "crop_bottom": 0, "crop_right": 0}
        )
        assert not check.all_alike

    def test_equal_crops_are_alike(self):
        assert validate.check_labels(alike(3), PARAMS).all_alike

    def test_angles_that_differ_do_not_hide_it(self):
        labels = alike(3).assign(crop_angle=[0.0, 1.0, 2.0])
        assert validate.check_labels(labels, PARAMS).all_alike

    def test_an_unsound_label_does_not_hide_it(self):
        labels = pd.concat([alike(3), table({"photo": "far.jpg", "crop_top": -9})])
        check = validate.check_labels(labels, PARAMS)
        assert (len(check.sound), check.all_alike) == (3, True)

    def test_two_labels_are_too_few_to_decide(self):
        check = validate.check_labels(alike(2), PARAMS)
        assert not check.all_alike
        assert check.spread == {}
        answer = validate.statistics(check)["alike"]
        assert answer == "not checked: 2 sound labels, at least 3 needed"


class TestRequireSound:
    def test_a_share_up_to_the_limit_passes(self, mixed):
        _, check = mixed
        validate.require_sound(check, replace(PARAMS, max_quarantined=17 / 26))

    def test_a_larger_share_is_an_error(self, mixed):
        _, check = mixed
        # 17 of 26 labels; three have a corner outside the frame
        with pytest.raises(
            DataError, match=r"17 of 26 labels .* \(65\.4%\), expected at most 5\.0%"
        ):
            validate.require_sound(check, PARAMS)
        with pytest.raises(DataError, match=r"3 break 'corner_outside at most 0\.003'"):
            validate.require_sound(check, PARAMS)

    def test_crops_that_are_all_alike_are_an_error(self):
        check = validate.check_labels(alike(3), PARAMS)
        with pytest.raises(DataError, match="all 3 crops are alike"):
            validate.require_sound(check, PARAMS)

    @pytest.mark.parametrize("labels", [table({"crop_top": -9}), table({}).iloc[:0]])
    def test_without_a_sound_label_any_share_is_an_error(self, labels):
        check = validate.check_labels(labels, PARAMS)
        with pytest.raises(DataError, match=f"none of {len(labels)} labels is sound"):
            validate.require_sound(check, replace(PARAMS, max_quarantined=1.0))


class TestReports:
    def test_the_quarantine_is_a_csv_table(self, tmp_path):
        labels = table({}, {"photo": "zoë, 1.jpg", "crop_bottom": 1.1}, {})
        check = validate.check_labels(labels, PARAMS, {"zoë, 1.jpg": "no picture is stored"})
        validate.write_validate_reports(check, tmp_path / "new/q.csv", tmp_path / "new/v.json")
        assert (tmp_path / "new/q.csv").read_bytes().decode() == (
            "photo,author,source,expectation,crop_top,crop_left,crop_bottom,crop_right,crop_angle,"
            "corner_outside,width,height,image_problem\n"
            '"zoë, 1.jpg",photographer,lightroom,crop_bottom between 0 and 1; '
            "corner_outside at most 0.003; image as stated,"
            "0.1,0.1,1.1,0.9,0.0,0.10000000000000009,600,400,no picture is stored\n"
        )

    def test_the_statistics_are_sorted_json(self, mixed, tmp_path):
        _, check = mixed
        validate.write_validate_reports(check, tmp_path / "q.csv", tmp_path / "v.json")
        text = (tmp_path / "v.json").read_text()
        statistics = json.loads(text)
        assert text == json.dumps(statistics, indent=2, sort_keys=True) + "\n"
        assert {key: statistics[key] for key in ("rows", "sound", "quarantined", "alike")} == {
            "rows": 26,
            "sound": 9,
            "quarantined": 17,
            "alike": "no",
        }

    def test_histograms_count_the_sound_labels(self):
        columns = ["crop_top", "crop_left", "crop_bottom", "crop_right", "crop_angle"]
        rows = [[0.05, 0.0, 1.0, 0.5, 0.0], [0.07, 0.5, 0.9, 1.0, -2.5]]
        found = {
            one.name: one for one in validate.find_histograms(pd.DataFrame(rows, columns=columns))
        }
        # 25 bars of 0.04: both are in the second; the last one has 1, too
        assert found["top"].counts[:3] == (0, 2, 0)
        assert (found["right"].counts[12], found["right"].counts[-1]) == (1, 1)
        assert (found["width"].counts[12], sum(found["width"].counts)) == (2, 2)
        # from -3 to 3 degrees in bars of 0.24: -2.5 is in the third
        assert (found["angle"].low, found["angle"].high) == (-3, 3)
        assert (found["angle"].counts[2], found["angle"].counts[12]) == (1, 1)

    def test_data_docs_are_one_page_that_loads_nothing(self, mixed, tmp_path, capfd):
        _, check = mixed
        validate.write_data_docs(check, tmp_path / "docs")
        page = (tmp_path / "docs/index.html").read_text(encoding="utf-8")
        assert [file.name for file in (tmp_path / "docs").iterdir()] == ["index.html"]
        assert "Not all crops are alike." in page
        assert not any(word in page for word in ("http:", "https:", "<script", "<link", "<img"))
        assert "9 of 26 labels broke no expectation" in page
        assert "crop_top &lt; crop_bottom" in page
        assert "damaged &lt;picture&gt;.jpg" in page
        assert "standard deviation must be greater than or equal to" in page
        assert "<picture>" not in page
        assert page.count("Histogram of ") == 7
        validate.write_data_docs(check, tmp_path / "docs")  # the stage replaces its last page
        assert (tmp_path / "docs/index.html").read_text(encoding="utf-8") == page
        assert capfd.readouterr() == ("", "")


def jpeg(width, height, **options):
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(96, 64, exif=exif)


class TestImageProblems:
    @pytest.mark.parametrize("change", [{}, {"width": 601}, {"width": 6000, "height": 4001}])
    def test_a_picture_of_the_stated_size_has_no_problem(self, change):
        # 601 x 400 at 96 px wide: 63.9 -> 64 px high
        assert validate.find_image_problems(table(change), [("0.jpg", jpeg(96, 64))]) == {}

    @pytest.mark.parametrize(
        ("picture", "problem"),
        [
            (jpeg(96, 63), "96 x 63 px, stated as 96 x 64"),
            (b"", "cannot be read"),
            (b"GIF89a, but nothing else", "cannot be read"),
            (jpeg(96, 64)[:-40], "cannot be read"),
            (turned(6), "orientation is 6"),
        ],
    )
    def test_a_picture_of_another_size_has_a_problem(self, picture, problem):
        problems = validate.find_image_problems(table({}), [("0.jpg", picture)])
        assert problem in problems["0.jpg"]

    def test_a_picture_of_another_shape_has_a_problem(self):
        # 96 px wide at 600 x 500: 80 px high, not 64
        problems = validate.find_image_problems(table({"height": 500}), [("0.jpg", jpeg(96, 64))])
        assert problems == {"0.jpg": "96 x 64 px, not the shape of 600 x 500"}

    def test_a_photo_without_a_picture_has_a_problem(self):
        assert validate.find_image_problems(table({}), []) == {"0.jpg": "no picture is stored"}

    def test_every_author_of_a_photo_must_state_its_size(self):
        labels = table({"photo": "a.jpg"}, {"photo": "a.jpg", "author": "b", "image_width": 97})
        problems = validate.find_image_problems(labels, [("a.jpg", jpeg(96, 64))])
        assert problems == {"a.jpg": "96 x 64 px, stated as 97 x 64"}


class TestStage:
    @pytest.fixture
    def run(self, tmp_path, monkeypatch):
        """Runs the stage on labels, each with its picture, in a folder of its own."""

        def run(labels):
            rows = [row | {"image": jpeg(96, 64)} for row in labels.to_dict("records")]
            shards.write_shard(rows, tmp_path / "extracted")
            outs = ("labels.parquet", "quarantine.csv", "validate.json", "docs")
            paths = [str(tmp_path / name) for name in ("extracted", *outs)]
            monkeypatch.setattr("sys.argv", ["stages/validate.py", *paths])
            monkeypatch.chdir(ROOT)
            spec = importlib.util.spec_from_file_location("validate", "stages/validate.py")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            module.main()

        return run

    def test_sound_labels_are_written_for_the_next_stage(self, run, tmp_path):
        run(table({"crop_top": 0.0}, {"crop_top": 0.1}, {"crop_top": 0.2}))
        sound = pd.read_parquet(tmp_path / "labels.parquet")
        pd.testing.assert_frame_equal(sound, shards.read_labels(tmp_path / "extracted"))

    def test_reports_are_written_before_the_error(self, run, tmp_path):
        with pytest.raises(DataError):
            run(table({}, {"crop_top": -9}))
        assert {path.name for path in tmp_path.iterdir()} == {
            "extracted",
            "quarantine.csv",
            "validate.json",
            "docs",
        }


def test_the_suggestion_of_a_label_is_not_checked(tmp_path):
    suggested = dict.fromkeys(columns.SUGGESTED_COLUMNS, 7.0) | {columns.SUGGESTED_BY: "3"}
    rows = [
        LABEL | {"image": b""} | suggestion for suggestion in (columns.NO_SUGGESTION, suggested)
    ]
    rows[1] |= {"photo": "b.jpg", "number": 1}
    shards.write_shard(rows, tmp_path)
    labels = shards.read_labels(tmp_path)
    sound = validate.check_labels(labels, PARAMS).sound
    sound.to_parquet(tmp_path / "labels.parquet")
    again = pd.read_parquet(tmp_path / "labels.parquet")
    pd.testing.assert_frame_equal(again, labels)
    assert again[columns.SUGGESTED_BY].tolist() == ["", "3"]
    assert again["suggested_angle"].fillna(-1).tolist() == [-1, 7]
