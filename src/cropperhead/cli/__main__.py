"""`python -m cropperhead.cli` runs the command `cropperhead`."""

import sys

from cropperhead.cli.main import main

sys.exit(main())
