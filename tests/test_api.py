import subprocess
import sys

import keras
import numpy as np
import pillow_heif
import pytest
import tensorflow as tf
from conftest import KERAS_WARNINGS, picture, save_photo, scene
from faces import draw_face
from PIL import Image
from raw_files import SHORT, save_dng
from small_networks import PARAMS, PROTOTYPES, START, stir
from small_networks import finish as finished_model

import cropperhead
from cropperhead import api
from cropperhead.api import Crop
from cropperhead.editors import lightroom
from cropperhead.errors import ModelError, ParamsError, RejectedFile, SetupError
from cropperhead.geometry import crops
from cropperhead.inference import faces, litert
from cropperhead.training import export, straighten
from cropperhead.training.networks import keras_model, predecessor
from cropperhead.training.networks.registry import build_network

pytestmark = KERAS_WARNINGS

ORIENTATION = 274


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small model that straightens, untrained, as a Keras model and exported."""
    keras.utils.set_random_seed(1)
    estimator = straighten.build_estimator()
    estimator.set_weights([3 * weight for weight in estimator.get_weights()])
    network = stir(build_network(PARAMS, START, PROTOTYPES))
    folder = tmp_path_factory.mktemp("models")
    model = finished_model(network, estimator)
    keras_model.save_model(model, folder / "model.keras")
    (folder / "model.tflite").write_bytes(export.export_model(model, export.FLOAT32, "0"))
    (folder / "half.tflite").write_bytes(export.export_model(model, export.FLOAT16, "0"))
    return folder


@pytest.fixture(scope="module")
def cropper(folder):
    return cropperhead.load(folder / "model.tflite")


def numbers(suggestions):
    return np.array([[*crop.limits(), crop.confidence] for crop in suggestions])


def aspect_ratio(crop, width, height):
    box = crop.in_pixels(width, height)
    return box.width / box.height


def test_the_first_crop_is_the_models_own_with_its_confidence(cropper, folder):
    image = picture(600, 400)
    (crop,) = cropper.suggest(image)
    model = keras_model.load_model(folder / "model.keras")
    pixels = np.asarray(image.resize((512, 341), Image.Resampling.LANCZOS).resize((256, 256)))
    outputs = model.predict({"image": pixels[None], "aspect": np.array([[1.5]])}, verbose=0)
    # the difference comes from the copy of 512 px and from bicubic instead of bilinear
    assert crop.limits()[:4] == pytest.approx(outputs["limits"][0, :4], abs=0.02)
    assert crop.confidence == pytest.approx(outputs["confidence"][0, 0], abs=0.02)
    assert crops.outside(crop.limits(), 1.5) < 1e-6


def test_several_crops_are_distinct_and_have_the_aspect_ratio_that_was_asked_for(cropper):
    image = picture(600, 400)
    for aspect, expected in (("4:5", 0.8), (1.91, 1.91), ("original", 1.5)):
        ratios = [
            aspect_ratio(crop, 600, 400) for crop in cropper.suggest(image, aspect=aspect, n=3)
        ]
        assert 1 <= len(ratios) <= 3
        assert ratios == pytest.approx([expected] * len(ratios))
    several = cropper.suggest(image, n=3)
    assert len(several) > 1
    overlap = crops.overlap(several[0].limits(), several[1].limits(), 1.5)
    assert overlap < 0.76
    assert several[0] == cropper.suggest(image)[0]


def test_the_crop_of_a_framed_picture_is_that_of_the_picture_alone(cropper):
    inner = scene(4, 400, 240)
    framed = Image.new("RGB", (500, 300), "white")
    framed.paste(inner, (60, 20))
    for aspect in (None, "1:1"):
        alone, within = cropper.suggest(inner, aspect)[0], cropper.suggest(framed, aspect)[0]
        # 400 of 500 px wide from 60 px on, 240 of 300 px high from 20 px on
        expected = alone.limits() * [0.8, 0.8, 0.8, 0.8, 1] + [20 / 300, 0.12, 20 / 300, 0.12, 0]
        # the copy that a model sees is of another scale: 512 px of 500, and of 400
        assert within.limits()[:4] == pytest.approx(expected[:4], abs=0.02)
    shape = aspect_ratio(cropper.suggest(framed, "original")[0], 500, 300)
    assert shape == pytest.approx(500 / 300)


def test_a_crop_cuts_no_face_that_another_crop_near_it_keeps(cropper):
    top, left, bottom, right = cropper.suggest(Image.new("RGB", (512, 384)))[0].limits()[:4]
    cut = 0
    for x, y in ((right * 512, 190), (256, top * 384), (left * 512, 150), (300, bottom * 384)):
        photo = draw_face((512, 384), x, y, 40)
        found = faces.find_faces(photo)
        outputs = cropper._outputs(photo, 512 / 384)
        cut += faces.are_cut(outputs["limits"][0], found, 512 / 384).sum()
        for aspect in (None, "original", "4:5"):
            for crop in cropper.suggest(photo, aspect, n=2):
                assert not faces.are_cut(crop.limits(), found, 512 / 384).any()
                assert crops.outside(crop.limits(), 512 / 384) < 1e-6
    assert cut > 0  # the model alone would


def test_tighter_and_looser_crops_have_the_same_centre_and_shape(cropper):
    photo = scene(4, 400, 240)
    [own] = cropper.suggest(photo, "4:5")
    [tight] = cropper.suggest(photo, "4:5", size=0.9)
    box, smaller = own.in_pixels(400, 240), tight.in_pixels(400, 240)
    assert smaller.width == pytest.approx(0.9 * box.width)
    assert smaller.height == pytest.approx(0.9 * box.height)
    assert (smaller.centre_x, smaller.centre_y) == pytest.approx((box.centre_x, box.centre_y))
    [loose] = cropper.suggest(photo, size=5.0)  # as large as its tilt allows
    assert crops.outside(loose.limits(), 400 / 240) < 1e-6
    with pytest.raises(ParamsError, match="size is 0, expected a factor above 0"):
        cropper.suggest(photo, size=0)


def test_an_image_an_array_and_a_file_of_one_photo_get_the_same_crop(cropper, tmp_path):
    file = save_photo(tmp_path / "a.png", image=picture(300, 200))
    image = Image.open(file)
    expected = numbers(cropper.suggest(image, n=2))
    for photo in (np.asarray(image), file, str(file)):
        assert numbers(cropper.suggest(photo, n=2)) == pytest.approx(expected, abs=1e-6)
    assert image.size == (300, 200)  # and is as it was


def test_a_file_is_shown_upright_by_its_exif(cropper, tmp_path):
    stored = picture(300, 200)
    upright = stored.transpose(Image.Transpose.ROTATE_270)
    file = save_photo(tmp_path / "a.png", image=stored, exif={ORIENTATION: 6})
    expected = numbers(cropper.suggest(upright))
    assert numbers(cropper.suggest(file)) == pytest.approx(expected, abs=1e-6)
    crop = Crop(0.0, 0.0, 0.5, 0.5, 0.0, 0.9)
    # turned clockwise, the stored bottom left, which is blue, comes to the top left
    assert crop.apply(file).size == (100, 150)
    assert crop.apply(file).getpixel((50, 75)) == (0, 0, 255)


@pytest.mark.parametrize("suffix", [".tif", ".webp", ".heic", ".avif"])
def test_every_format_is_shown_upright(suffix, tmp_path):
    pillow_heif.register_heif_opener()
    tags = Image.Exif()
    tags[ORIENTATION] = 6
    picture(300, 200).save(tmp_path / f"a{suffix}", exif=tags.tobytes())
    cropped = Crop(0.0, 0.0, 0.5, 0.5, 0.0, 0.9).apply(tmp_path / f"a{suffix}")
    assert cropped.size == (100, 150)
    assert np.argmax(cropped.getpixel((50, 75))) == 2  # blue


def test_a_raw_photo_is_shown_upright(cropper, tmp_path):
    file = save_dng(tmp_path / "a.dng", tags={ORIENTATION: (SHORT, [6])})
    assert len(cropper.suggest(file)) == 1
    cropped = Crop(0.0, 0.0, 0.5, 0.5, 0.0, 0.9).apply(file)
    assert cropped.height > cropped.width
    assert np.argmax(cropped.getpixel((5, 5))) == 2  # blue, stored at the bottom left


def test_keras_and_both_exported_models_suggest_the_same(folder):
    image = picture(600, 400)
    expected = numbers(cropperhead.load(folder).suggest(image, n=2))
    for name, tolerance in (("model.keras", 1e-3), ("half.tflite", 5e-3)):
        suggested = numbers(cropperhead.load(folder / name).suggest(image, n=2))
        assert suggested[:, :4] == pytest.approx(expected[:, :4], abs=tolerance)


def test_a_model_has_metadata(cropper):
    assert cropper.facts["weights"] == "float32"
    assert set(cropper.facts["outputs"]) >= {"limits", "confidence"}


def test_a_crop_in_pixels():
    crop = Crop(0.1, 0.25, 0.6, 0.75, 0.0, 0.9)
    assert crop.pixels(400, 300) == (100, 30, 300, 180)
    expected = [[100, 30], [300, 30], [300, 180], [100, 180]]
    assert crop.corners(400, 300) == pytest.approx(np.array(expected))
    assert Crop(0.5, 0.5, 0.5, 0.5, 0.0, 0.0).pixels(10, 10) == (5, 5, 6, 6)


def test_corners_are_those_of_the_turned_rectangle():
    # a square of 100 px, turned by 45 degrees: its half diagonal is 50 * sqrt(2) = 70.7107
    corners = Crop(0.25, 0.25, 0.75, 0.75, 45.0, 0.9).corners(200, 200)
    expected = [[100, 29.2893], [170.7107, 100], [100, 170.7107], [29.2893, 100]]
    assert corners == pytest.approx(np.array(expected), abs=1e-3)


def test_lightroom_s_form_reads_back_as_the_same_crop():
    crop = Crop(0.2, 0.3, 0.7, 0.8, 5.0, 0.9)
    settings = crop.lightroom(600, 400)
    assert settings["HasCrop"] is True
    assert settings["CropAngle"] == 5
    box = lightroom.decode(settings, 600, 400)
    again = crops.Crop.from_rectangle(box, 600, 400)
    assert again.limits() == pytest.approx(crop.limits(), abs=1e-4)


def test_an_untilted_crop_keeps_the_exact_pixels():
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    cropped = Crop(0.25, 0.5, 0.75, 1.0, 0.0, 0.9).apply(image)
    assert np.array_equal(np.asarray(cropped), np.asarray(image)[10:30, 30:60])


def test_a_tilted_crop_is_straightened_at_full_resolution():
    crop = Crop(0.4, 0.2, 0.6, 0.8, 10.0, 0.9)
    cropped = crop.apply(np.full((2000, 3000, 3), 7, np.uint8))
    assert cropped.size == (1800, 400)  # 0.6 of 3000 and 0.2 of 2000
    assert np.asarray(cropped).min() == 7


def test_an_argument_that_cannot_be_used_is_an_error(cropper, tmp_path):
    (tmp_path / "text.jpg").write_text("no photo")
    image = picture()
    with pytest.raises(ParamsError, match="aspect ratio is '3by4', expected free, original"):
        cropper.suggest(image, aspect="3by4")
    with pytest.raises(ParamsError, match="n is 0, expected at least 1"):
        cropper.suggest(image, n=0)
    with pytest.raises(ParamsError, match=r"the array is float64 \(4, 4, 3\), expected a picture"):
        cropper.suggest(np.zeros((4, 4, 3)))
    with pytest.raises(RejectedFile, match="it is not a picture, expected JPEG, PNG"):
        cropper.suggest(tmp_path / "text.jpg")
    with pytest.raises(RejectedFile, match="No such file"):
        cropper.suggest(tmp_path / "gone.jpg")


def test_a_file_that_is_not_a_model_is_an_error(tmp_path):
    keras_file, other = tmp_path / "a.keras", tmp_path / "model.onnx"
    for file in (keras_file, other):
        file.write_text("no model")
    for path, message in (
        (tmp_path / "gone.tflite", "gone.tflite: there is no such model"),
        (other, r"model\.onnx: expected a model \(\.tflite or \.keras\)"),
        (keras_file, r"a\.keras: cannot be loaded by Keras"),
    ):
        with pytest.raises(ModelError, match=message):
            cropperhead.load(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="empty: no model in this folder"):
        cropperhead.load(tmp_path / "empty")


def test_the_predecessor_has_too_few_outputs(tmp_path):
    file = tmp_path / "old.tflite"
    file.write_bytes(export.export_model(predecessor.build(), export.FLOAT32, "0"))
    with pytest.raises(ModelError, match="has no output confidence, prototypes, shares"):
        cropperhead.load(file)


def constant_model(file, **outputs):
    """An exported model that gives the same for every photo: sound outputs, but for those given."""
    sound = {"limits": np.array([0.1, 0.1, 0.9, 0.9, 0]), "confidence": [0.5], "shares": [0.5, 0.5]}
    prototypes = np.array([[0, 0, 1, 1], [0.1, 0.1, 0.9, 0.9]])
    values = {**sound, "prototypes": prototypes, **outputs}
    values = {name: np.asarray(value, np.float32)[None] for name, value in values.items()}

    @tf.function(
        input_signature=[
            tf.TensorSpec((1, 32, 32, 3), tf.float32, name="image"),
            tf.TensorSpec((1, 1), tf.float32, name="aspect"),
        ]
    )
    def same(image, aspect):
        nothing = 0 * (tf.reduce_max(image) + tf.reduce_max(aspect))
        return {name: nothing + value for name, value in values.items()}

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [same.get_concrete_function()], tf.Module()
    )
    shapes = {name: {"shape": list(value.shape)} for name, value in values.items()}
    inputs = {"image": {"shape": [1, 32, 32, 3]}, "aspect": {"shape": [1, 1]}}
    facts = {"inputs": inputs, "outputs": shapes}
    file.write_bytes(litert.append_facts(converter.convert(), facts))
    return file


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        (
            {"limits": [0.1, 0.1, 0.9, 0.9]},
            r"its output limits is \(4,\) for a photo, expected \(5,\)",
        ),
        ({"confidence": [0.5, 0.5]}, r"its output confidence is \(2,\) for a photo"),
        (
            {"shares": [0.2, 0.3, 0.5]},
            r"its output prototypes is \(2, 4\) for a photo, expected \(3, 4\)",
        ),
        ({"shares": [[0.5], [0.5]]}, r"its output shares is \(2, 1\) for a photo, expected \(2,\)"),
        ({"straightening": [0.5, 0.5]}, r"its output straightening is \(2,\) for a photo"),
    ],
)
def test_a_model_whose_outputs_have_other_shapes_is_an_error(tmp_path, outputs, problem):
    file = constant_model(tmp_path / "odd.tflite", **outputs)
    with pytest.raises(ModelError, match=rf"odd\.tflite: {problem}"):
        cropperhead.load(file)


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        ({"limits": [0.1, 0.1, 0.9, np.nan, 0]}, "expected one with an area"),
        ({"limits": [0.1, 0.1, 0.9, 0.9, np.nan]}, "expected one with an area"),
        ({"confidence": [np.nan]}, "its output confidence has other values than 0 to 1"),
        ({"shares": [2, -1]}, "its output shares has other values"),
        ({"limits": [-0.1, 0.1, 0.9, 0.9, 0]}, "expected one within the photo"),
        ({"limits": [0.1, 0.1, 1e9, 0.9, 0]}, "expected one within the photo"),
        ({"limits": [0.1, 0.9, 0.9, 0.1, 0]}, "expected one with an area"),
        ({"limits": [0.0, 0.0, 1.0, 1.0, 45]}, "expected one within the photo"),
        ({"unturned": [0.1, 0.5, 0.9, 0.5]}, "expected one with an area"),
        ({"straightening": [1.5]}, "its output straightening has other values than 0 to 1"),
    ],
)
def test_an_impossible_crop_is_an_error(tmp_path, outputs, problem):
    cropper = cropperhead.load(constant_model(tmp_path / "odd.tflite", **outputs))
    with pytest.raises(ModelError, match=rf"odd\.tflite: .*{problem}"):
        cropper.suggest(picture())


def test_a_crop_within_the_photo_is_given(tmp_path):
    cropper = cropperhead.load(constant_model(tmp_path / "sound.tflite"))
    assert cropper.suggest(picture())[0].limits() == pytest.approx([0.1, 0.1, 0.9, 0.9, 0])


def test_a_photo_is_not_turned_where_that_is_not_wanted(tmp_path):
    turned, unturned = [0.2, 0.2, 0.8, 0.8, 3.0], [0.1, 0.1, 0.9, 0.9]
    outputs = {"limits": turned, "unturned": unturned, "straightening": [0.75]}
    cropper = cropperhead.load(constant_model(tmp_path / "model.tflite", **outputs))
    (straight,), (tilted,) = (cropper.suggest(picture(), straighten=it) for it in (True, False))
    assert straight.limits() == pytest.approx(turned)
    assert tilted.limits() == pytest.approx([*unturned, 0])
    assert straight.straightening == tilted.straightening == 0.75


def test_a_model_that_does_not_say_how_sure_it_is_turns_nothing_either(tmp_path):
    limits = [0.2, 0.2, 0.8, 0.8, 3.0]
    cropper = cropperhead.load(constant_model(tmp_path / "old.tflite", limits=limits))
    (crop,) = cropper.suggest(picture(), straighten=False)
    assert crop.limits() == pytest.approx([*limits[:4], 0])
    assert crop.straightening is None


def without(modules, code, *arguments):
    """Run code as if some modules were not installed."""
    hide = f"import sys; sys.modules.update(dict.fromkeys({modules!r}))\n"
    return subprocess.run(
        [sys.executable, "-c", hide + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


PIPELINE = ["tensorflow", "keras", "mlflow", "pandas", "scipy", "pyarrow", "imagehash", "exiftool"]


def test_suggesting_imports_nothing_that_only_the_pipeline_needs(folder, tmp_path):
    file = save_photo(tmp_path / "a.jpg", image=picture(300, 200))
    code = (
        "import cropperhead; cropper = cropperhead.load(sys.argv[1])\n"
        "crop = cropper.suggest(sys.argv[2], aspect='1:1', n=2)[0]\n"
        "print(abs(1 - crop.apply(sys.argv[2]).width / crop.apply(sys.argv[2]).height) < 0.05)\n"
    )
    assert without([*PIPELINE, "pillow_heif", "rawpy"], code, folder, file) == "True"


def test_a_missing_package_is_named(folder, tmp_path):
    pillow_heif.register_heif_opener()
    picture().save(tmp_path / "a.heic")
    code = (
        "import cropperhead\n"
        "from cropperhead.errors import SetupError\n"
        "try: {}\n"
        "except SetupError as error: print(error)"
    )
    load = code.format("cropperhead.load(sys.argv[1])")
    message = without(["tensorflow", "keras"], load, folder / "model.keras")
    assert "model.keras: a Keras model needs tensorflow, which is not installed" in message
    suggest = code.format("cropperhead.load(sys.argv[1]).suggest(sys.argv[2])")
    message = without(["pillow_heif"], suggest, folder, tmp_path / "a.heic")
    assert message.endswith("needs pillow_heif, which is not installed. Install cropperhead[heic].")


def test_the_package_offers_its_api_and_nothing_else():
    assert cropperhead.load is api.load
    assert {"Crop", "Cropper", "load"} <= set(dir(cropperhead))
    assert issubclass(SetupError, Exception)
    with pytest.raises(AttributeError, match="has no attribute 'unload'"):
        _ = cropperhead.unload
