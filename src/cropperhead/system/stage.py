"""The rim of a stage: an error raised on purpose ends it with one sentence, no traceback."""

import sys
from collections.abc import Callable

from cropperhead.errors import CropperheadError


def run(main: Callable[[], None]) -> None:
    """Runs a stage; exits with status 1 and the error's sentence when it cannot go on."""
    try:
        main()
    except CropperheadError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Interrupted. Run `dvc repro` again to go on where it stopped.")
