import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import MLFLOW_WARNINGS, ROOT
from score_tables import LIMITS, PHOTOS, table
from servers import free_port

from cropperhead.cli.main import main
from cropperhead.errors import ModelError, ParamsError, SetupError, TrackingError
from cropperhead.evaluation import gate, score_files
from cropperhead.evaluation.score_files import Baseline
from cropperhead.params import GateParams
from cropperhead.report import gate_report
from cropperhead.suggest.run import find_model
from cropperhead.system.file_hash import file_sha256

PARAMS = GateParams(tolerance=0.005, confidence=0.95)

pytestmark = MLFLOW_WARNINGS


def of(cropper: str, scores: pd.DataFrame, *photos: str) -> pd.Series:
    """Which rows are a cropper's on these photos."""
    return (scores["cropper"] == cropper) & scores["photo"].isin(photos)


def check(
    current: pd.DataFrame | None,
    baseline: pd.DataFrame | None,
    description: str = "the baseline",
    accept_changed_test: bool = False,
) -> gate.Gate:
    return gate.check_scores(current, Baseline(baseline, description), PARAMS, accept_changed_test)


def sentence(result: gate.Gate, name: str) -> str:
    return next(check.sentence for check in result.checks if check.name == name)


def test_equal_results_pass():
    result = check(table(), table())
    assert result.passed
    assert (result.change.mean, result.change.low, result.change.high) == (0, 0, 0)
    # 0.7 - 0.6
    assert result.gain.mean == pytest.approx(0.1)
    assert result.test.kept == tuple(PHOTOS)
    assert [check.name for check in result.checks] == [
        *("valid crops", "better than a constant crop", "test set", "overlap")
    ]


@pytest.mark.parametrize(
    ("preferred", "is_current", "passed"),
    [(["human"], True, True), (["human", "random"], True, False), (["random"], False, True)],
)
def test_a_network_fails_if_people_prefer_random_crops(preferred, is_current, passed):
    votes = {"votes": 432, "raters": 12, "is_current": is_current, "preferred_to_cnn": preferred}
    result = gate.check_scores(table(), Baseline(None, "nothing"), PARAMS, votes=votes)
    (check,) = [each for each in result.checks if each.name == "votes"]
    assert check.passed is passed
    assert check.sentence.startswith("432 votes by 12 people ")


@pytest.mark.parametrize(
    ("preferred", "is_current", "verb"),
    [([], True, "does not show that"), (["random"], True, "shows that"), ([], False, "is on")],
)
def test_one_vote_is_told_in_the_singular(preferred, is_current, verb):
    votes = {"votes": 1, "raters": 1, "is_current": is_current, "preferred_to_cnn": preferred}
    result = gate.check_scores(table(), Baseline(None, "nothing"), PARAMS, votes=votes)
    (check,) = [each for each in result.checks if each.name == "votes"]
    assert check.sentence.startswith(f"1 vote by 1 person {verb} ")


@pytest.mark.parametrize("text", ["{}", '{"votes": {"votes": 3}}'])
def test_without_votes_the_gate_checks_none(tmp_path, text):
    file = tmp_path / "details.json"
    assert score_files.read_votes(file) is None
    file.write_text(text)
    assert score_files.read_votes(file) is None


def test_a_loss_on_every_photo_fails_from_the_tolerance_on():
    within = check(table(0.696), table(0.7))
    beyond = check(table(0.694), table(0.7))
    # every photo alike: the interval is the mean, -0.004 and -0.006
    assert (within.change.mean, within.change.high) == pytest.approx((-0.004, -0.004))
    assert within.passed
    assert (beyond.change.low, beyond.change.high) == pytest.approx((-0.006, -0.006))
    assert beyond.failed_checks == ["overlap"]
    assert "0.694, was 0.700 in the baseline: −0.006" in sentence(beyond, "overlap")


def test_a_loss_that_chance_explains_passes():
    # half of the photos gain 0.1, half lose 0.14: -0.02 in the mean, and chance moves it by
    # 0.12 / sqrt(10) = 0.038
    now = table([0.8, 0.56] * 5)
    result = check(now, table())
    assert result.change.mean == pytest.approx(-0.02)
    assert result.change.low < -0.005 < 0 < result.change.high
    assert "overlap" not in result.failed_checks


def test_photos_of_one_group_count_as_one_observation():
    now = table([0.67] * 9 + [0.71], groups=["burst"] * 9 + ["alone"])
    result = check(now, table())
    # -0.026; without the burst it would be +0.01, without the lone photo -0.03: error
    # sqrt(1 / 2) x sqrt(2) x 0.02 = 0.02, and t of one degree of freedom 12.706
    assert result.change.mean == pytest.approx((9 * -0.03 + 0.01) / 10)
    assert result.change.high == pytest.approx(-0.026 + 12.706 * 0.02, abs=1e-4)
    assert "overlap" not in result.failed_checks
    apart = check(table([0.67] * 9 + [0.71]), table())
    assert apart.failed_checks == ["overlap"]


@pytest.mark.parametrize("photos", [1, 2])
def test_noise_on_a_few_photos_is_no_loss(photos):
    generator, few = np.random.default_rng(photos), PHOTOS[:photos]
    alarms = sum(
        "overlap" in check(table(noisy, photos=few), table(photos=few)).failed_checks
        for noisy in generator.normal(0.7, 0.05, (40, photos))
    )
    # 2.5 % of 40: 1, standard deviation sqrt(40 x 0.025 x 0.975) = 1, three of them
    assert alarms <= 4


def test_a_loss_on_a_single_photo_has_no_interval_and_no_verdict():
    result = check(table(0.5, photos=PHOTOS[:1]), table(photos=PHOTOS[:1]))
    assert "−0.200 (too few photos for an interval), on 1 photo." in sentence(result, "overlap")
    assert "overlap" not in result.failed_checks


def test_fewer_than_ten_groups_cannot_show_that_the_network_is_better():
    result = check(table(groups=["burst"] * 2 + PHOTOS[2:]), table())
    assert result.failed_checks == ["better than a constant crop"]
    assert sentence(result, "better than a constant crop") == (
        "Gain in mean overlap over the constant median crop: +0.100 (95 % interval +0.100 to "
        "+0.100). The test photos form 9 groups of similar photos, and fewer than 10 cannot show "
        "that the network is better."
    )


def test_a_model_that_knows_only_the_frame_s_shape_fails():
    now = table()
    shape = now[now["cropper"] == "median"].assign(cropper="shape", iou=0.7)
    result = check(pd.concat([now, shape]), table())
    assert result.failed_checks == ["better than a constant crop"]
    assert "over the constant crop by frame shape: 0.000" in sentence(
        result, "better than a constant crop"
    )


def test_a_photo_counts_once_however_many_authors_it_has():
    several = pd.concat([table([0.7] * 10), table([0.9] * 10).assign(author="y")])
    lone = table([0.6] * 10, photos=[f"z{i}" for i in range(10)])
    now = pd.concat([several, lone])
    before = pd.concat([several, table([0.64] * 10, photos=[f"z{i}" for i in range(10)])])
    result = check(now, before)
    # ten photos alike, ten lose 0.04
    assert result.change.mean == pytest.approx(-0.02)
    assert "Mean overlap 0.700, was 0.720" in sentence(result, "overlap")


@pytest.mark.parametrize("median", [0.7, 0.75])
def test_a_model_no_better_than_the_constant_crop_fails_whatever_came_before(median):
    result = check(table(median=median), table(median=median))
    assert result.failed_checks == ["better than a constant crop"]
    alone = check(table(median=median), None, "there are none")
    assert alone.failed_checks == ["better than a constant crop"]


def test_a_gain_over_the_constant_crop_that_chance_explains_fails():
    # +0.1 and -0.08 by turns: 0.01 in the mean, and chance moves it by 0.09 / sqrt(10) = 0.028
    result = check(table([0.7, 0.52] * 5, median=0.6), None, "there are none")
    assert result.gain.mean == pytest.approx(0.01)
    assert result.failed_checks == ["better than a constant crop"]


def test_without_a_constant_crop_nothing_shows_that_the_model_is_better():
    now = table()
    result = check(now[now["cropper"] != "median"], None, "there are none")
    assert result.failed_checks == ["better than a constant crop"]
    assert "no number for cnn and median" in sentence(result, "better than a constant crop")


def test_one_invalid_crop_of_the_network_fails_and_is_named():
    now = table()
    now.loc[of("cnn", now, "c.jpg"), "invalid"] = 1
    now.loc[of("median", now, "d.jpg"), "invalid"] = 1  # not the network's
    result = check(now, table())
    assert result.failed_checks == ["valid crops"]
    assert result.invalid == ("c.jpg",)
    assert "On 1 of 10 photos" in sentence(result, "valid crops")
    assert "`c.jpg`" in sentence(result, "valid crops")


@pytest.mark.parametrize("column", ["iou", "left", "invalid"])
def test_a_network_that_predicts_nan_fails(column):
    now = table()
    now.loc[of("cnn", now, *PHOTOS), column] = np.nan
    assert "valid crops" in check(now, table()).failed_checks
    now = table()
    now.loc[of("cnn", now, "a.jpg"), column] = np.nan
    assert "valid crops" in check(now, table()).failed_checks


def test_all_failed_checks_are_listed_together():
    now, before = table(0.5), table(0.7)
    now.loc[of("cnn", now, "a.jpg"), "invalid"] = 1
    result = check(now[now["photo"] != "j.jpg"], before)
    assert result.failed_checks == [
        "valid crops",
        "better than a constant crop",
        "test set",
        "overlap",
    ]
    table_text = gate_report.gate_markdown(result)
    assert table_text.startswith("## Gate: 4 of 4 checks failed\n")
    assert table_text.count("| **failed** |") == 4


def test_a_changed_test_set_fails_with_the_photos_named_and_compares_the_rest():
    now, before = table(photos=PHOTOS[2:]), table(photos=PHOTOS[:9])
    now.loc[of("human", now, "c.jpg"), "left"] += 0.01
    # a and b are gone, j is new, c is cropped otherwise: d to i are left
    now.loc[of("cnn", now, "c.jpg", "j.jpg"), "iou"] = 0.0
    result = check(now, before, "main")
    assert result.test.kept == tuple(PHOTOS[3:9])
    assert (result.test.removed, result.test.added) == (("a.jpg", "b.jpg"), ("j.jpg",))
    assert result.test.recropped == ("c.jpg",)
    assert "test set" in result.failed_checks
    assert result.change.mean == 0
    assert (
        "differ from those in main: 2 removed: `a.jpg`, `b.jpg`; 1 added: `j.jpg`; "
        "1 with other human crops: `c.jpg`." in sentence(result, "test set")
    )


def test_a_changed_test_set_can_be_accepted_and_is_still_listed():
    photos = [*PHOTOS, "k.jpg", "l.jpg"]
    now, before = table(photos=photos[2:]), table(photos=photos)
    result = check(now, before, accept_changed_test=True)
    assert result.passed
    assert "2 removed: `a.jpg`, `b.jpg`. Accepted: compared on the 10" in sentence(
        result, "test set"
    )
    lost = check(table(0.6, 0.5, photos[2:]), before, accept_changed_test=True)
    assert lost.failed_checks == ["overlap"]


@pytest.mark.parametrize("accepted", [False, True])
def test_without_a_common_photo_the_gate_fails_even_if_changes_are_accepted(accepted):
    others = table(photos=[f"z{i}" for i in range(10)])
    result = check(others, table(), accept_changed_test=accepted)
    assert result.failed_checks == ["test set", "overlap"]
    # ten were there before, of which five are named
    assert "10 removed" in sentence(result, "test set")
    assert "`e.jpg` and 5 more; 10 added" in sentence(result, "test set")


def test_a_last_digit_does_not_change_a_crop_but_another_author_does():
    rounded = table()
    rounded.loc[of("human", rounded, *PHOTOS), "angle"] += 1e-6
    assert check(rounded, table()).passed
    second = table(photos=["a.jpg"]).assign(author="y")
    result = check(pd.concat([table(), second]), table())
    assert result.test.recropped == ("a.jpg",)


def test_the_network_s_own_crops_may_change_freely():
    now = table()
    now.loc[of("cnn", now, *PHOTOS), "left"] += 0.1
    assert check(now, table()).passed


def test_without_a_baseline_the_gate_says_so_and_passes():
    result = check(table(), None, "git finds no main here")
    assert result.passed
    assert sentence(result, "overlap") == "Not compared: git finds no main here."


def test_earlier_results_of_an_older_format_are_not_compared():
    older = table().drop(columns=[*LIMITS, "group", "invalid", "aspect_error"])
    result = check(table(), older, "main (1234567)")
    assert result.passed
    assert "reports/scores.csv of main (1234567) has no group, top, left" in sentence(
        result, "overlap"
    )


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (None, "reports/scores.csv does not exist. Run `dvc repro`."),
        (table().drop(columns="invalid"), "has no invalid: it has an older format"),
        (table().query("cropper != 'cnn'"), "has no rows of cnn"),
        (pd.DataFrame(), "has no photo, group"),
    ],
)
def test_scores_that_cannot_be_checked_fail(now, said):
    result = check(now, table())
    assert result.failed_checks == ["results"]
    assert said in sentence(result, "results")


def test_scores_are_read_as_they_were_written(tmp_path):
    written = table(photos=["007", "NA", "a|b.jpg"])
    written.round(6).to_csv(tmp_path / "scores.csv", index=False)
    found = score_files.read_scores(tmp_path / "scores.csv")
    assert found is not None
    columns = ["photo", "group", "cropper", *LIMITS, "iou", "invalid", "reference"]
    pd.testing.assert_frame_equal(found[columns], written[columns], check_dtype=False)
    assert score_files.read_scores(tmp_path / "nothing.csv") is None


@pytest.mark.parametrize("broken", ["", "<<<<<<< HEAD\na,b\n", "\n\n"])
def test_a_file_that_is_not_a_table_of_scores_fails_the_gate(tmp_path, broken):
    (tmp_path / "scores.csv").write_text(broken)
    result = check(score_files.read_scores(tmp_path / "scores.csv"), None)
    assert "has no photo" in sentence(result, "results")


def test_merge_conflict_markers_between_rows_fail_the_gate(tmp_path):
    lines = table().to_csv(index=False).splitlines()
    marked = [lines[0], "<<<<<<< HEAD", *lines[1:], "=======", *lines[1:], ">>>>>>> other"]
    (tmp_path / "scores.csv").write_text("\n".join(marked))
    result = check(score_files.read_scores(tmp_path / "scores.csv"), None)
    assert "has broken rows" in sentence(result, "results")


def test_names_of_photos_cannot_break_the_table():
    now = table(photos=["a|b.jpg", *PHOTOS[1:]])
    table_text = gate_report.gate_markdown(check(now, table()))
    row = next(line for line in table_text.splitlines() if line.startswith("| test set"))
    assert "`a\\|b.jpg`" in row
    assert row.replace("\\|", "").count("|") == 4


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, scores: pd.DataFrame) -> str:
    """Commits these scores; the first seven digits of the commit."""
    write(folder, scores)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "results")
    return git(folder, "rev-parse", "--short=7", "HEAD")


def write(folder: Path, scores: pd.DataFrame) -> None:
    (folder / "reports").mkdir(exist_ok=True)
    scores.to_csv(folder / "reports" / "scores.csv", index=False)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project below a repository's root, whose main has the overlap 0.7 in its second commit."""
    folder = tmp_path / "repository" / "project"
    folder.mkdir(parents=True)
    git(folder.parent, "init", "--quiet", "--initial-branch", "main")
    shutil.copy(ROOT / "params.yaml", folder)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "no results")
    commit(folder, table(0.7))
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


def test_a_revision_s_scores_are_those_it_was_committed_with(project):
    write(project, table(0.9))
    baseline = score_files.read_baseline("HEAD")
    assert baseline.scores is not None
    assert set(baseline.scores.loc[baseline.scores["cropper"] == "cnn", "iou"]) == {0.7}
    assert baseline.description == f"HEAD ({git(project, 'rev-parse', '--short=7', 'HEAD')})"


def test_a_missing_file_is_described_and_a_missing_revision_ends_the_gate(project):
    description = score_files.read_baseline("HEAD~1", project).description
    assert description.endswith(") has no reports/scores.csv")
    for name in ("nonsense", "--all", "0" * 40):
        with pytest.raises(ParamsError, match=f"git finds no {name} here"):
            score_files.read_baseline(name, project)


def test_a_shallow_clone_without_main_says_what_to_fetch(project, tmp_path):
    git(project, "switch", "--quiet", "--create", "feature")
    source = (project.parent).as_uri()
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=feature", source, "clone")
    clone = tmp_path / "clone" / "project"
    baseline = score_files.read_baseline(folder=clone)
    assert baseline.scores is None
    assert baseline.description.startswith(
        "git finds no main or origin/main here. This is a shallow clone: "
    )
    # as the workflow fetches it
    git(clone, "fetch", "--no-tags", "--depth=1", "origin", "+main:refs/remotes/origin/main")
    baseline = score_files.read_baseline(folder=clone)
    assert baseline.scores is not None
    assert baseline.description.startswith("origin/main (")


def test_outside_a_repository_git_s_own_message_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(SetupError, match="not a git repository"):
        score_files.read_baseline("main", tmp_path)


def test_the_command_passes_where_nothing_was_lost(project, capsys):
    write(project, table(0.71))
    assert main(["gate"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("## Gate: passed\n")
    assert "MLflow: nothing to register, models/model.keras is not here." in said.out
    assert (project / "reports" / "gate.md").read_text().startswith("## Gate: passed\n")
    assert not (project / "mlflow.db").exists()


def test_a_failed_gate_exits_with_a_message_and_leaves_the_registry_alone(project, capsys):
    write(project, table(0.65))
    assert main(["gate", "--against", "main", "--out", "elsewhere/gate.md"]) == 1
    said = capsys.readouterr()
    assert said.err.strip() == "The gate failed: overlap. See elsewhere/gate.md."
    assert "| overlap | **failed** | Mean overlap 0.650, was 0.700 in main (" in said.out
    assert "MLflow" not in said.out
    assert (project / "elsewhere" / "gate.md").read_text().strip() == said.out.strip()


def test_the_command_accepts_another_test_set_only_with_its_option(project, capsys):
    write(project, table(0.7, photos=[*PHOTOS[1:], "k.jpg"]))
    assert main(["gate"]) == 1
    assert "The gate failed: test set." in capsys.readouterr().err
    assert main(["gate", "--accept-changed-test"]) == 0
    assert "Accepted" in capsys.readouterr().out


def test_the_command_fails_without_results(project, capsys):
    (project / "reports" / "scores.csv").unlink()
    assert main(["gate"]) == 1
    assert "The gate failed: results." in capsys.readouterr().err


@pytest.fixture
def store(tmp_path, monkeypatch):
    import mlflow  # noqa: PLC0415 - takes seconds, and most tests here do without

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield tmp_path
    mlflow.set_tracking_uri(None)


def trained(file: Path, seed: int) -> str:
    """Saves and logs a tiny model, as a training does; its run."""
    import keras  # noqa: PLC0415 - as above

    from cropperhead.training import tracking  # noqa: PLC0415

    keras.utils.set_random_seed(seed)
    image = keras.Input((2,), name="image")
    model = keras.Model({"image": image}, {"limits": keras.layers.Dense(5, name="limits")(image)})
    model.save(file)
    values = {"train.quality": "fast", "train.seed": seed, "train.threads": 2}
    with tracking.training_run(values, "d" * 64) as run:
        tracking.log_model(model, file)
    return run


def champion() -> tuple[str, str]:
    """The champion's version, and the run that it is of."""
    import mlflow  # noqa: PLC0415

    version = mlflow.MlflowClient().get_model_version_by_alias("cropperhead", "champion")
    return str(version.version), version.run_id


def test_the_champion_is_the_model_that_passed_last_each_registered_once(store):
    import mlflow  # noqa: PLC0415

    from cropperhead.training import tracking  # noqa: PLC0415

    first, second = store / "first.keras", store / "second.keras"
    runs = [trained(first, 1), trained(second, 2)]
    # an evaluation elsewhere of the same bytes is a newer run, but holds no model
    with mlflow.start_run():
        mlflow.set_tag("model_sha256", file_sha256(first))
    said = tracking.promote(first)
    assert said == "MLflow: version 1 of cropperhead is the champion."
    assert champion() == ("1", runs[0])
    tracking.promote(second)
    assert champion() == ("2", runs[1])
    tracking.promote(first)
    assert champion() == ("1", runs[0])
    assert len(mlflow.MlflowClient().search_model_versions("name = 'cropperhead'")) == 2
    served = mlflow.pyfunc.load_model("models:/cropperhead@champion")
    assert [field.name for field in served.metadata.signature.outputs.inputs] == ["limits"]
    (store / "third.keras").write_bytes(b"of another machine")
    assert tracking.promote(store / "third.keras").startswith("MLflow: nothing to register, no run")
    assert champion() == ("1", runs[0])


def test_a_registered_model_is_fetched_by_its_name(store):
    import keras  # noqa: PLC0415

    from cropperhead.training import tracking  # noqa: PLC0415

    trained(store / "model.keras", 1)
    tracking.promote(store / "model.keras")
    with find_model("models:/cropperhead@champion") as file:
        fetched = keras.models.load_model(file)
    assert not file.exists()  # it was there for as long as it was used
    with pytest.raises(ModelError, match="@nobody: MLflow has no such model"):
        tracking.download_model("models:/cropperhead@nobody", store / "none")
    expected = keras.models.load_model(store / "model.keras").get_weights()
    assert all(map(np.array_equal, fetched.get_weights(), expected))


CHAMPION = "models:/cropperhead@champion"


def test_the_champion_s_scores_are_those_of_its_newest_evaluation(store):
    from cropperhead.training import tracking  # noqa: PLC0415

    assert score_files.read_registered(CHAMPION) == Baseline(
        None, f"{CHAMPION}: mlflow.db is not here"
    )
    file = store / "model.keras"
    run = trained(file, 1)
    assert score_files.read_registered(CHAMPION) == Baseline(
        None, f"{CHAMPION}: MLflow has no such model"
    )
    tracking.promote(file)
    with pytest.raises(TrackingError, match=r"\(version 1\) was registered without scores\.csv"):
        score_files.read_registered(CHAMPION)
    for overlap in (0.6, 0.7):  # evaluated twice
        write(store, table(overlap))
        evaluated = tracking.Evaluated({}, {"test.overlap": overlap})
        tracking.log_evaluation(
            file, store / "dvc.lock", evaluated, [store / "reports" / "scores.csv"]
        )
    trained(store / "other.keras", 2)  # never registered
    for name, description in (
        (CHAMPION, f"{CHAMPION} (version 1)"),
        ("models:/cropperhead/1", "models:/cropperhead/1 (version 1)"),
    ):
        baseline = score_files.read_registered(name)
        assert baseline.description == description
        assert baseline.scores["iou"].tolist() == table(0.7)["iou"].tolist()
    for name in ("models:/nobody@champion", "models:/cropperhead/7", "models:/cropperhead"):
        with pytest.raises(TrackingError, match=f"{name}: MLflow has no such model"):
            score_files.read_registered(name)
    assert champion() == ("1", run)


def test_a_registry_that_does_not_answer_ends_the_gate(project, monkeypatch, capsys):
    address = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    write(project, table(0.9))
    assert main(["gate", "--against", CHAMPION]) == 1
    assert capsys.readouterr().err.startswith(f"{address}: Connection refused")


def test_without_a_store_none_is_made(store):
    from cropperhead.training import tracking  # noqa: PLC0415

    (store / "model.keras").write_bytes(b"model")
    said = tracking.promote(store / "model.keras")
    assert said == "MLflow: nothing to register, mlflow.db is not here."
    assert [file.name for file in store.iterdir()] == ["model.keras"]


def test_a_model_is_evaluated_only_if_the_scores_are_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, scored, lock = Path("model.keras"), Path("scores.csv"), Path("dvc.lock")
    assert not score_files.is_model_evaluated(model, scored, lock)
    model.write_bytes(b"a")
    scored.write_bytes(b"b")
    # md5 of "a" and "b"
    hashes = ("0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f")
    stage = {
        "deps": [{"path": "model.keras", "md5": hashes[0]}],
        "outs": [{"path": "scores.csv", "md5": hashes[1]}],
    }
    lock.write_text(yaml.safe_dump({"stages": {"evaluate": stage}}))
    assert score_files.is_model_evaluated(model, scored, lock)
    model.write_bytes(b"another")
    assert not score_files.is_model_evaluated(model, scored, lock)
