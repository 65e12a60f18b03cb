"""Measures what the input pipeline costs on top of training, and that its memory does not grow.

python benchmarks/batches.py [--rounds N] [--photos N [N ...]]

The pictures are noise, on disk as in training. Each measurement runs in a process of its own.
Training on one batch in memory and training on the pipeline alternate in short turns in one
process, and the best turn of each counts, since the load of the machine changes between turns.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cropperhead import params
from cropperhead.training import batches
from cropperhead.training.batches import Examples, PhotoArrays, PixelFile

SEED = 23
STEPS = 10  # of a turn
PHOTOS = 2_000  # of the comparison: a hundred MB
BATCHES = 200  # whose memory is measured
PARAMS = replace(params.load(Path(__file__).parent.parent / "params.yaml").train, quality="fast")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60, metavar="N", help="turns of each")
    counts = (1_000, 10_000, 50_000)
    parser.add_argument("--photos", type=int, nargs="*", default=counts, metavar="N")
    options = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # of the processes that are started
    if options.rounds:
        _print_costs(_in_its_own_process(costs, options.rounds))
    print(f"\n| photos | pixels on disk | peak memory of {BATCHES} batches |\n|---|---|---|")
    print(f"| TensorFlow alone | | {_in_its_own_process(peak_mb, 0):.0f} MB |")
    for count in options.photos:
        size = count * PARAMS.image_size**2 * 3 / 1e6
        print(f"| {count:,} | {size:,.0f} MB | {_in_its_own_process(peak_mb, count):.0f} MB |")


def _print_costs(costs_by_source: dict[str, tuple[float, float]]) -> None:
    size, side = PARAMS.batch_size, PARAMS.image_size
    print(f"Steps of {size} photos of {side} x {side} px, on {PARAMS.threads} threads\n")
    print("| | seconds a step | photos a second | processor seconds a step |\n|---|---|---|---|")
    for name, (seconds, spent) in costs_by_source.items():
        print(f"| {name} | {seconds:.4f} | {size / seconds:.0f} | {spent:.4f} |")
    memory, pipeline = costs_by_source.values()
    print(f"| ratio | {pipeline[0] / memory[0]:.3f} | | {pipeline[1] / memory[1]:.3f} |")


def _in_its_own_process(measure: Callable[[int], Any], argument: int) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, argument).result()


def costs(rounds: int) -> dict[str, tuple[float, float]]:
    """The least seconds and processor seconds of a step, by the source of the batches."""
    import tensorflow as tf  # noqa: PLC0415 - the process that prints needs none

    _set_up()
    pipeline = _pipeline(make_examples(PHOTOS))
    memory = tf.data.Dataset.from_tensors(next(iter(pipeline))).repeat()
    train = _network()
    sources = {
        "one batch, in memory": _with_answers(memory),
        "the pipeline": _with_answers(pipeline),
    }
    for source in sources.values():
        train(source)
    turns = [[_timed(train, source) for source in sources.values()] for _ in range(rounds)]
    least = np.min(turns, axis=0) / STEPS
    return {name: (float(a), float(b)) for name, (a, b) in zip(sources, least, strict=True)}


def _timed(train: Callable[[Any], object], source: Iterator[Any]) -> tuple[float, float]:
    start, spent = time.perf_counter(), time.process_time()
    for _ in range(STEPS):
        train(source)
    return time.perf_counter() - start, time.process_time() - spent


def peak_mb(count: int) -> float:
    """Peak memory in MB of a process that reads BATCHES batches of so many photos; 0: of none."""
    _set_up()
    if count:
        for inputs, _ in _pipeline(make_examples(count)).take(BATCHES):
            del inputs
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def make_examples(count: int) -> Examples:
    """Crops of so many pictures of noise."""
    generator, side = np.random.default_rng(SEED), PARAMS.image_size
    noise = generator.integers(0, 256, (64, side, side, 3), dtype=np.uint8)
    pictures = PixelFile(count, side)
    for place in range(count):
        pictures[place] = noise[place % len(noise)]
    names = [f"{place:06d}.jpg" for place in range(count)]
    aspect = generator.uniform(0.5, 2, count).astype(np.float32)
    limits = np.concatenate(
        [generator.uniform(0, 0.3, (count, 2)), generator.uniform(0.7, 1, (count, 3))], axis=1
    )
    return Examples(
        PhotoArrays(names, pictures, aspect), np.arange(count), limits.astype(np.float32)
    )


def _pipeline(crops: Examples) -> Any:
    return batches.training_batches(crops, PARAMS.batch_size, PARAMS.colour_jitter, PARAMS.seed)


def _set_up() -> None:
    """As training does: so many threads, and results that repeat."""
    import tensorflow as tf  # noqa: PLC0415

    tf.config.threading.set_intra_op_parallelism_threads(PARAMS.threads)
    tf.config.threading.set_inter_op_parallelism_threads(PARAMS.threads)
    tf.config.experimental.enable_op_determinism()
    tf.random.set_seed(SEED)


def _with_answers(dataset: Any) -> Iterator[Any]:
    """An iterator with the limits as the answer to each of the default network's outputs."""
    return iter(dataset.map(lambda inputs, crop: (inputs, {"limits": crop, "likeness": crop})))


def _network() -> Callable[[Iterator[Any]], object]:
    """A function that trains the default network by one step on an iterator's next batch."""
    import keras  # noqa: PLC0415

    from cropperhead.training import losses  # noqa: PLC0415
    from cropperhead.training.networks.registry import build_network  # noqa: PLC0415

    typical = np.tile(np.array([0.1, 0.1, 0.9, 0.9], np.float32), (PARAMS.prototypes, 1))
    network = build_network(PARAMS, np.array([0.1, 0.1, 0.9, 0.9, 0.0]), typical)
    network.compile(
        keras.optimizers.AdamW(PARAMS.learning_rate),
        loss={
            "limits": losses.crop_loss(PARAMS.overlap_weight),
            "likeness": losses.likeness_loss(typical),
        },
        jit_compile=False,  # as training
    )
    network.make_train_function()
    train: Callable[[Iterator[Any]], object] = network.train_function
    return train


if __name__ == "__main__":
    main()
