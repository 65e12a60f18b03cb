"""Writes the crops that people like better than the photographer's (CSV), and counts them (JSON).

python stages/preferred.py PREFERRED COUNTS
"""

import sys
from pathlib import Path

from cropperhead import params
from cropperhead.study import preferences
from cropperhead.system import stage


def main() -> None:
    preferred, counts = map(Path, sys.argv[1:])
    preferences.write_preferred(params.load(), preferred, counts)


if __name__ == "__main__":
    stage.run(main)
