"""Collects the votes of a study as one table (CSV), and counts them (JSON).

python stages/votes.py VOTES COUNTS
"""

import sys
from pathlib import Path

from cropperhead import params
from cropperhead.study import returned
from cropperhead.system import stage


def main() -> None:
    votes, counts = map(Path, sys.argv[1:])
    returned.write_table(Path(params.load().study.folder), votes, counts)


if __name__ == "__main__":
    stage.run(main)
