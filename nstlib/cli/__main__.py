"""``python -m nstlib.cli`` is ``nst``."""

import sys

from nstlib.cli.main import main

sys.exit(main())
