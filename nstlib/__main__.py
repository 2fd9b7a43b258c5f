"""``python -m nstlib`` is ``nst``."""

import sys

from nstlib.cli.main import main

sys.exit(main())
