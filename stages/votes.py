"""Collects the votes of a study as a table (CSV), and counts them (JSON).

python stages/votes.py VOTES COUNTS
"""

import sys
from pathlib import Path

from cropperhead import params
from cropperhead.study import collect
from cropperhead.system import stage


def main() -> None:
    votes, counts = map(Path, sys.argv[1:])
    collect.write_tables(params.load(), votes, counts)


if __name__ == "__main__":
    stage.run(main)
