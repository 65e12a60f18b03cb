"""Tiny real photos with real metadata, and the labels that come of them."""

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings as hypothesis_settings
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from web_pages import (  # noqa: F401 - fixtures
    address,
    browser,
    direct_page,
    found_model,
    page,
    try_page,
)

from cropperhead import params
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.params import ExtractParams
from cropperhead.system import worker_pool

# No deadline: a slow machine is no wrong result. Derandomised: a run can be repeated.
hypothesis_settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis_settings.load_profile("repeatable")

# Two processes of tests leave no core to a library's second thread. Threads of OpenMP and OpenBLAS
# wait for each other by spinning, which takes many times as long as the work. xdist's processes,
# and what tests start, inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parent.parent
LONGEST = ("test_pipeline.py", "test_resume.py", "test_fit.py")
QUADRANTS = {"top left": "red", "top right": "lime", "bottom left": "blue", "bottom right": "white"}
MLFLOW_WARNINGS = [
    # MLflow's own use of what its dependencies have deprecated
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
]
# Keras's to-NumPy conversion of TensorFlow variables is older than NumPy 2's `copy` argument.
KERAS_WARNINGS = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
# Of tests that train for a few steps only
WITHOUT_GRAPHS = [
    KERAS_WARNINGS,
    pytest.mark.usefixtures("without_graphs"),
    # what makes the batches is a graph all the same
    pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning"),
]

pytest_plugins = ["collection_fixtures", "study_fixtures", "store_fixtures"]


def pytest_collection_finish() -> None:
    """Spares the garbage collector what was imported: it would search it again in most tests."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs the longest files first: at the end, no process waits for one of them."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def picture(width: int = 90, height: int = 60, shade: int = 0) -> Image.Image:
    """A picture whose four quadrants differ, so that a turn or a flip shows."""
    image = Image.new("RGB", (width, height), (shade, shade, shade))
    boxes = [(0, 0), (width // 2, 0), (0, height // 2), (width // 2, height // 2)]
    for corner, colour in zip(boxes, QUADRANTS.values(), strict=True):
        image.paste(colour, (*corner, corner[0] + width // 2 - shade % 7, corner[1] + height // 2))
    return image


def scene(seed: int, width: int = 384, height: int = 256) -> Image.Image:
    """A picture with shapes of many sizes, unlike that of any other seed."""
    generator = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), tuple(generator.integers(60, 200, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(160):
        x, y = generator.uniform(0, [width, height])
        across, down = generator.uniform(0.01, 0.12, 2) * width
        colour = tuple(generator.integers(0, 256, 3).tolist())
        shape = draw.ellipse if generator.random() < 0.5 else draw.rectangle
        shape((x - across / 2, y - down / 2, x + across / 2, y + down / 2), fill=colour)
    return image


def xmp(
    settings: Mapping[str, Any], orientation: int | None = None, elements: bool = False
) -> bytes:
    """An XMP packet with Camera Raw settings, in attribute or element form."""
    pairs = {f"crs:{name}": value for name, value in settings.items()}
    if orientation is not None:
        pairs["tiff:Orientation"] = orientation
    if elements:
        body = ">" + "".join(f"<{name}>{value}</{name}>" for name, value in pairs.items())
    else:
        body = " " + " ".join(f'{name}="{value}"' for name, value in pairs.items()) + ">"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
        ' xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"'
        f"{body}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def settings(
    top: float = 0.1, left: float = 0.2, bottom: float = 0.8, right: float = 0.9, angle: float = 0
) -> dict[str, Any]:
    """Camera Raw settings of a crop."""
    limits = {"CropTop": top, "CropLeft": left, "CropBottom": bottom, "CropRight": right}
    return {"HasCrop": "True", **limits, "CropAngle": angle, "AlreadyApplied": "False"}


def extract_params(folder: Path | str, **values: Any) -> ExtractParams:
    """Params of an extraction to small copies, by one process."""
    plain = {"catalogs": (), "long_side": 64, "jpeg_quality": 90, "max_megapixels": 400.0}
    plain |= {"batch_files": 4, "workers": 1, "tags": {}}
    return ExtractParams(library=str(folder), **(plain | values))


def save_photo(
    file: Path,
    packet: bytes | None = None,
    image: Image.Image | None = None,
    exif: Mapping[int, Any] | None = None,
) -> Path:
    """Saves a photo with an embedded XMP packet and EXIF tags of its first directory."""
    file.parent.mkdir(parents=True, exist_ok=True)
    suffix, tags = file.suffix.lower(), Image.Exif()
    tags.update(exif or {})
    extra: dict[str, Any] = {"exif": tags} if exif else {}
    if packet is not None:
        extra |= _embedded(packet, suffix)
    if exif and suffix.startswith(".tif"):  # where Pillow passes over `exif` beside `tiffinfo`
        extra = {"tiffinfo": dict(exif) | extra.get("tiffinfo", {})}
    (image or picture()).save(file, **extra)
    return file


def _embedded(packet: bytes, suffix: str) -> dict[str, Any]:
    """What Pillow wants to be told to embed an XMP packet."""
    if suffix == ".png":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", packet.decode())
        return {"pnginfo": text}
    return {"tiffinfo": {700: packet}} if suffix.startswith(".tif") else {"xmp": packet}


def label_table(count: int = 40, seed: int = 1) -> pd.DataFrame:
    """Sound labels of photos that are all unlike each other, without pictures."""
    generator = np.random.default_rng(seed)
    low, high = generator.uniform(0, 0.3, (count, 2)), generator.uniform(0.7, 1, (count, 2))
    limits = np.concatenate([low, high, generator.normal(0, 1, (count, 1))], axis=1)
    hashes = generator.integers(0, 2**64, count, dtype=np.uint64)
    table = pd.DataFrame(
        {
            "photo": [f"2024/IMG_{i:04d}.jpg" for i in range(count)],
            "origin": [f"2024/IMG_{i:04d}.jpg" for i in range(count)],
            "author": "photographer",
            "source": "lightroom embedded",
            "number": range(count),
            "width": 600,
            "height": 400,
            "orientation": 1,
            "camera": None,
            "captured": None,
            "perceptual_hash": [f"{value:016x}" for value in hashes],
        }
    )
    table[list(CROP_COLUMNS)] = limits
    return table


@pytest.fixture
def library(tmp_path: Path) -> Callable[..., Path]:
    """Makes a library of n cropped photos, no two alike."""

    def make(count: int, first: int = 0) -> Path:
        folder = tmp_path / "library"
        for i in range(first, first + count):
            packet = xmp(settings(top=0.01 * (i % 20), angle=i % 3))
            save_photo(folder / "2024" / f"IMG_{i:04d}.jpg", packet, picture(90 + 2 * i, 60))
        return folder

    return make


def darktable_xmp(values: Mapping[str, Any]) -> bytes:
    """A sidecar as darktable writes it, with settings as its `encode` gives them."""
    steps = "".join(
        "<rdf:li " + " ".join(f'darktable:{k.lower()}="{v}"' for k, v in step.items()) + "/>"
        for step in values["History"]
    )
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:darktable="http://darktable.sf.net/"'
        f' darktable:xmp_version="5" darktable:history_end="{values["History_end"]}">'
        f"<darktable:history><rdf:Seq>{steps}</rdf:Seq></darktable:history>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of features as ImageNet's are, but random."""
    import keras  # noqa: PLC0415 - few tests need it, and it takes seconds

    keras.utils.set_random_seed(5)
    network = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    file = tmp_path_factory.mktemp("features") / "features.npz"
    arrays = {f"{i:03d}": each.astype("float16") for i, each in enumerate(network.get_weights())}
    np.savez(file, **arrays)
    return file


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model, small and untrained, that straightens."""
    import keras  # noqa: PLC0415 - few tests need it, and it takes seconds
    from small_networks import PARAMS, PROTOTYPES, START, finish, stir  # noqa: PLC0415

    from cropperhead.training import export, straighten  # noqa: PLC0415
    from cropperhead.training.networks.registry import build_network  # noqa: PLC0415

    keras.utils.set_random_seed(1)
    estimator = straighten.build_estimator()
    estimator.set_weights([3 * weight for weight in estimator.get_weights()])
    file = tmp_path_factory.mktemp("models") / "model.tflite"
    network = finish(stir(build_network(PARAMS, START, PROTOTYPES)), estimator)
    file.write_bytes(export.export_model(network, export.FLOAT32, "0"))
    return file


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos are read and predicted in the test's own process: to start others takes seconds."""
    monkeypatch.setattr(worker_pool, "worker_count", lambda wanted: wanted or 1)


@pytest.fixture(scope="module")
def without_graphs() -> Iterator[None]:
    """TensorFlow runs each step as it comes: tracing a graph takes longer than a few steps."""
    import tensorflow as tf  # noqa: PLC0415 - few tests need it, and it takes seconds

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session", autouse=True)
def threads() -> None:
    """TensorFlow's threads as training sets them: once it has run, they cannot be changed."""
    if "tensorflow" in sys.modules:
        import tensorflow as tf  # noqa: PLC0415

        wanted = params.load(ROOT / "params.yaml").train.threads
        tf.config.threading.set_intra_op_parallelism_threads(wanted)
        tf.config.threading.set_inter_op_parallelism_threads(wanted)
