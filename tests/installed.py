"""Programs of Debian's that tests look with: installed when missing, where that can be done."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import gettempdir

import pytest


def installed(program: str) -> str:
    """Where it is. Skips the test where it is not, and nobody here may install it."""
    if shutil.which(program) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        with (Path(gettempdir()) / "dealfolio-tests-apt.lock").open("w") as alone:
            fcntl.flock(alone, fcntl.LOCK_EX)  # tests run two at a time
            if shutil.which(program) is None:
                _install(program)
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not here: apt-get install {program}")
    return found


def _install(program: str) -> None:
    for command in ("update -qq", f"install -y -qq --no-install-recommends {program}"):
        words = ["apt-get", *command.split()]
        subprocess.run(words, capture_output=True, timeout=300, check=False)
