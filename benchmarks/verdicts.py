"""How often the verdict is right, on demo libraries whose crops follow a rule or chance.

python benchmarks/verdicts.py [--seeds N] [--work FOLDER]

For each seed and policy, this draws a library, then trains and evaluates a network as the pipeline
does, with the values of params.yaml. With the policy `rule` the verdict must be "learned", with
`random` "no evidence". It prints a row for each library. Results are cached in the work folder, and
computed again only if the code or params.yaml change.
"""

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from cropperhead import params
from cropperhead.dataset import extract, shards, split
from cropperhead.library import scan
from cropperhead.params import DEMO_POLICIES, Params
from cropperhead.system import code_hash

ROOT = Path(__file__).parent.parent
EXPECTED = {"rule": "learned", "random": "no evidence"}


def main() -> None:
    """Print a row for each library, and the number of right verdicts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="%(default)s")
    parser.add_argument("--policies", nargs="+", default=DEMO_POLICIES, choices=DEMO_POLICIES)
    parser.add_argument("--work", type=Path, default=Path("data/benchmark"), help="%(default)s")
    options = parser.parse_args()
    settings = params.load(ROOT / "params.yaml")
    print("| crops | seed | verdict | gain over the median crop | over its own, shuffled | s |")
    print("|---|---|---|---|---|---|")
    outcomes = Counter()
    for policy in options.policies:
        for seed in range(1, options.seeds + 1):
            numbers = cached_metrics(policy, seed, options.work, settings)
            outcomes[policy, numbers["outcome"]] += 1
            print(format_row(policy, seed, numbers), flush=True)
    for policy in options.policies:
        right = outcomes[policy, EXPECTED[policy]]
        print(f"\n{policy}: {EXPECTED[policy]} in {right} of {options.seeds}")


def cached_metrics(policy: str, seed: int, work: Path, settings: Params) -> dict:
    """Return the metrics of one library, computed unless the work folder has them."""
    file = work / f"verdict-{policy}-{seed}-{cache_key(settings)}.json"
    if not file.exists():
        numbers = train_and_evaluate(policy, seed, work / f"{policy}-{seed}", settings)
        file.write_text(json.dumps(numbers), encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))


def cache_key(settings: Params) -> str:
    """Hash the settings and the code of training and evaluation."""
    code = code_hash.imported_files(ROOT / "stages" / "evaluate.py")
    code += code_hash.imported_files(ROOT / "stages" / "train.py")
    digest = hashlib.sha256(repr(settings).encode())
    for file in sorted(set(code)):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def train_and_evaluate(policy: str, seed: int, work: Path, settings: Params) -> dict:
    """Draw a library, train a network on it, and return its metrics and the time it took."""
    from cropperhead.demo import draw_library  # noqa: PLC0415
    from cropperhead.evaluation import evaluate, metrics  # noqa: PLC0415 - TensorFlow: not for --help
    from cropperhead.training.fit import train_network  # noqa: PLC0415 - TensorFlow: not for --help
    from cropperhead.training.networks import keras_model  # noqa: PLC0415 - TensorFlow: not for --help
    from cropperhead.training.training_data import read_training_data  # noqa: PLC0415

    start, library = time.perf_counter(), work / "library"
    if not library.exists():
        draw_library(library, settings.demo.photos, policy, seed)
    entries = scan.scan(library, [], settings.extract.tags).entries
    extract.extract_into(work, library, entries, settings.extract)
    labels = shards.read_labels(work / "extracted")
    labels = labels.merge(split.assign_splits(labels, settings.split), on="photo")
    train_params = replace(settings.train, seed=seed)
    print(f"{policy} {seed}", file=sys.stderr)
    data = read_training_data(work / "extracted", labels, train_params)
    keras_model.save_model(train_network(train_params, data).model, work / "model.keras")
    evaluation = evaluate.evaluate_model(
        labels, work / "extracted", work / "model.keras", replace(settings.evaluate, seed=seed)
    )
    return metrics.summary_metrics(evaluation) | {"seconds": time.perf_counter() - start}


def format_row(policy: str, seed: int, numbers: dict) -> str:
    """Format a row of the table."""
    gains = " | ".join(format_gain(numbers[f"gain_over_{name}"]) for name in ("median", "shuffled"))
    return f"| {policy} | {seed} | {numbers['outcome']} | {gains} | {numbers['seconds']:.0f} |"


def format_gain(gain: dict) -> str:
    """Format a gain with its interval."""
    return f"{gain['mean']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"


if __name__ == "__main__":
    main()
