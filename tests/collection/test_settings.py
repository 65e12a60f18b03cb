import pytest
import yaml

from cropperhead.collection import settings
from cropperhead.errors import CollectionError, ParamsError


def load(given=None, environment=None, file=None):
    return settings.load_settings(given or {}, environment or {}, file)


def test_the_command_line_counts_before_the_environment_and_that_before_the_file(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("max_crops: 10\ntotal_hourly: 11\nblind_share: 0.25\n")
    environment = {
        "CROPPERHEAD_COLLECTION_MAX_CROPS": "20",
        "CROPPERHEAD_COLLECTION_TOTAL_HOURLY": "21",
        "CROPPERHEAD_COLLECTION_SETTINGS": str(file),
    }
    loaded = load({"max_crops": "30"}, environment)
    assert (loaded.max_crops, loaded.total_hourly, loaded.blind_share) == (30, 21, 0.25)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"blind_share": "1.5"}, "collection.blind_share is 1.5, expected 0 to 1"),
        ({"blind_share": "nan"}, "expected a finite number"),
        ({"blind_share": ".inf"}, "expected a finite number"),
        ({"max_crops": "many"}, "collection.max_crops is 'many', expected a whole number"),
        ({"max_crops": "1.5"}, "expected a whole number"),
        ({"max_crops": "0"}, "expected above 0"),
        ({"max_crops": "true"}, "expected a whole number"),
        ({"publish": "none"}, "expected one of accepted, all"),
        ({"consent": "yes"}, "expected a text of 5 to 2,000 words"),
        ({"colour": "red"}, "unknown setting 'colour', expected place"),
        ({"max_photo_kilobytes": "5000"}, "expected 16 to 1024"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(given, expected):
    with pytest.raises(ParamsError, match=expected):
        load(given)


def test_a_variable_that_cannot_be_used_is_named():
    with pytest.raises(ParamsError, match="CROPPERHEAD_COLLECTION_MAX_CROPS is 'x', expected"):
        load(environment={"CROPPERHEAD_COLLECTION_MAX_CROPS": "x"})


@pytest.mark.parametrize(
    ("written", "expected"),
    [("2024", "2024"), ("007", "007"), ("1e3", "1e3"), ("yes", "yes"), ("'a # b'", "a # b")],
)
def test_a_text_setting_is_read_alike_wherever_it_is_written(tmp_path, written, expected):
    file = tmp_path / "settings.yaml"
    file.write_text(f"place: {written}\n")
    environment = {"CROPPERHEAD_COLLECTION_PLACE": written}
    loaded = [load({"place": written}), load(environment=environment), load(file=file)]
    assert [one.place for one in loaded] == [expected] * 3


@pytest.mark.parametrize("content", ["- a", "max_crops: [1]", "colour: 1", "{", "consent: {a: b}"])
def test_a_file_that_cannot_be_used_is_named(tmp_path, content):
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    with pytest.raises(ParamsError, match=str(file)):
        load(file=file)
    with pytest.raises(ParamsError, match="cannot be read"):
        load(file=tmp_path / "missing.yaml")


def test_what_is_in_force_is_described_as_a_settings_file_without_passwords(tmp_path):
    place = "postgresql://me:secret@db/crops?objects=s3://bucket/photos"
    text = settings.describe(load({"place": place, "max_crops": "7"}))
    assert "secret" not in text
    assert "# objects: s3://bucket/photos" in text
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    assert load(file=file).max_crops == yaml.safe_load(text)["max_crops"] == 7


def test_a_folder_holds_database_and_photos(tmp_path):
    database, objects = settings.locate(str(tmp_path))
    assert database == f"sqlite:///{tmp_path}/collection.sqlite"
    assert objects == f"{tmp_path}/objects"


def test_one_url_names_database_and_object_store():
    database, objects = settings.locate("postgresql://me@db/crops?objects=s3://bucket/photos")
    assert database == "postgresql+psycopg://me@db/crops"
    assert objects == "s3://bucket/photos"


def test_a_database_without_an_object_store_is_refused():
    with pytest.raises(ParamsError, match="expected a folder or an object store's URL"):
        settings.locate("postgresql://me@db/crops")
    with pytest.raises(CollectionError, match="expected a database of SQLite or PostgreSQL"):
        settings.locate("mysql://me@db/crops?objects=x")


def test_assignments_of_a_command_line_are_read():
    assert settings.parse_assignments(["a=1", "consent=x = y"]) == {"a": "1", "consent": "x = y"}
    with pytest.raises(ParamsError, match="name=value"):
        settings.parse_assignments(["a"])
