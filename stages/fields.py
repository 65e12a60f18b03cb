"""Computes the fields of photos' features that the network learns from, of new photos only.

python stages/fields.py SHARDS FIELDS
"""

import sys
from pathlib import Path

from cropperhead import params
from cropperhead.system import stage
from cropperhead.training.fields import update_fields
from cropperhead.training.repeatable import make_repeatable


def main() -> None:
    folder, out = map(Path, sys.argv[1:])
    settings = params.load().train
    make_repeatable(settings)
    update_fields(folder, out, settings)


if __name__ == "__main__":
    stage.run(main)
