"""Whatever is set for other programs, what is compiled here is kept: tests start a hundred of them
of the same code. Only not where faults are planted in it.
"""

import os
import sys

if os.environ.get("DEALFOLIO_TEST_PROFILE") != "fault":
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
