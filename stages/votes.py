"""Collects the votes of a study as one table (CSV), and counts them (JSON).

python stages/votes.py VOTES COUNTS
"""

import sys
from pathlib import Path

from cropperhead import params
from cropperhead.study import collect
from cropperhead.system import stage


def main() -> None:
    votes, counts = map(Path, sys.argv[1:])
    study = params.load().study
    collect.write_table(Path(study.folder), study.collected, votes, counts)


if __name__ == "__main__":
    stage.run(main)
