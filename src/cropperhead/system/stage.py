"""How a stage runs and ends: an error raised on purpose is one sentence, without a traceback."""

import sys
from collections.abc import Callable

from cropperhead.errors import CropperheadError


def run(main: Callable[[], None]) -> None:
    """Run a stage; exit with status 1 and the error's message where it cannot go on."""
    try:
        main()
    except CropperheadError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Interrupted. Run `dvc repro` again to resume.")
