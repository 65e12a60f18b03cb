"""How often the verdict is right: demo libraries whose crops follow a rule, and others by chance.

python benchmarks/verdicts.py [--seeds N] [--work FOLDER]

For each seed and policy a library is drawn, learned from and evaluated as the pipeline does, with
the values of params.yaml. Of libraries with a rule the verdict must be that the network has
learned, of random ones that there is no evidence. Each prints a row once it is done; what is done
is kept in the work folder, and not done again there while the code stays.
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
    """Prints a row for each library, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="%(default)s")
    parser.add_argument("--policies", nargs="+", default=DEMO_POLICIES, choices=DEMO_POLICIES)
    parser.add_argument("--work", type=Path, default=Path("data/benchmark"), help="%(default)s")
    options = parser.parse_args()
    chosen = params.load(ROOT / "params.yaml")
    print("| crops | seed | verdict | gain over the median crop | over its own, shuffled | s |")
    print("|---|---|---|---|---|---|")
    found = Counter()
    for policy in options.policies:
        for seed in range(1, options.seeds + 1):
            told = _kept(policy, seed, options.work, chosen)
            found[policy, told["outcome"]] += 1
            gains = " | ".join(_shown(told[f"gain_over_{name}"]) for name in ("median", "shuffled"))
            row = f"| {policy} | {seed} | {told['outcome']} | {gains} | {told['seconds']:.0f} |"
            print(row, flush=True)
    for policy in options.policies:
        right = found[policy, EXPECTED[policy]]
        print(f"\n{policy}: {EXPECTED[policy]} in {right} of {options.seeds}")


def _kept(policy: str, seed: int, work: Path, chosen: Params) -> dict:
    code = code_hash.imported_files(ROOT / "stages" / "evaluate.py")
    code += code_hash.imported_files(ROOT / "stages" / "train.py")
    digest = hashlib.sha256(repr(chosen).encode())
    for file in sorted(set(code)):
        digest.update(file.read_bytes())
    file = work / f"verdict-{policy}-{seed}-{digest.hexdigest()[:12]}.json"
    if not file.exists():
        told = _judged(policy, seed, work / f"{policy}-{seed}", chosen)
        file.write_text(json.dumps(told), encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))


def _judged(policy: str, seed: int, work: Path, chosen: Params) -> dict:
    from cropperhead.demo import draw_library  # noqa: PLC0415
    from cropperhead.evaluation import evaluate as evaluation  # noqa: PLC0415 - TensorFlow: not for --help
    from cropperhead.training import train as training  # noqa: PLC0415 - TensorFlow: not for --help
    from cropperhead.training.networks import build  # noqa: PLC0415 - TensorFlow: not for --help

    start, folder = time.perf_counter(), work / "library"
    if not folder.exists():
        draw_library(folder, chosen.demo.photos, policy, seed)
    found = scan.scan(folder, [], chosen.extract.tags)
    extract.extract_into(work, folder, found.entries, chosen.extract)
    labels = shards.read_labels(work / "extracted")
    dealt = labels.merge(split.assign_splits(labels, chosen.split), on="photo")
    train = replace(chosen.train, seed=seed)
    print(f"{policy} {seed}", file=sys.stderr)
    fitted = training.fit(train, training.read(work / "extracted", dealt, train))
    build.save(fitted.model, work / "model.keras")
    evaluate = replace(chosen.evaluate, seed=seed)
    result = evaluation.evaluate_model(dealt, work / "extracted", work / "model.keras", evaluate)
    return evaluation.summary_metrics(result) | {"seconds": time.perf_counter() - start}


def _shown(gain: dict) -> str:
    return f"{gain['mean']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"


if __name__ == "__main__":
    main()
