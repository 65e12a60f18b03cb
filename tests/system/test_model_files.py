import pytest

from cropperhead.errors import ModelError
from cropperhead.system import model_files


@pytest.fixture
def folder(tmp_path):
    for name in ("both/model.keras", "both/model.tflite", "keras/model.keras", "none/model.h5"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("both", True),  # the exported one is preferred
        ("both/model.tflite", True),
        ("both/model.keras", False),
        ("keras", False),
        ("none", False),
        ("missing.tflite", False),
    ],
)
def test_only_exported_models_run_in_worker_processes(folder, name, expected):
    assert model_files.runs_in_processes(str(folder / name)) is expected


def test_a_model_of_the_registry_is_one_of_keras():
    assert not model_files.runs_in_processes("models:/cropperhead@champion")


def test_without_a_name_it_is_the_project_s_model_or_else_the_base_model(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(model_files, "MODELS", folder / "keras")
    assert not model_files.runs_in_processes(None)
    monkeypatch.setattr(model_files, "MODELS", folder / "missing")
    assert model_files.runs_in_processes(None)  # the base model is exported


def test_a_folder_without_a_model_is_an_error(folder):
    with pytest.raises(ModelError, match="no model in this folder"):
        model_files.find_named(str(folder / "none"))
