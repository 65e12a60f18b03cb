"""`python -m cropperhead.cli`: the same as the command `cropperhead`."""

import sys

from cropperhead.cli.main import main

sys.exit(main())
