"""Each planted fault turns its test red, and nothing else does.

The fast suite only looks whether the list still fits the code; DEALFOLIO_TEST_PROFILE=long plants
the faults one by one in a copy and runs the tests.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import FAULTS, Fault
from tests.histories import PROFILE

ROOT = Path(__file__).parent.parent
COPIED = ("domain", "application", "projections", "api", "tests", "pyproject.toml", "README.md")
MINUTES = 5

long = pytest.mark.skipif(PROFILE != "long", reason="DEALFOLIO_TEST_PROFILE=long plants the faults")
each_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)


@each_fault
def test_the_list_still_fits_the_code(fault: Fault) -> None:
    source = (ROOT / fault.file).read_text(encoding="utf-8")
    assert source.count(fault.old) == 1
    assert fault.new != fault.old
    file, name = fault.test.split("::")
    tests = (ROOT / "tests" / file).read_text(encoding="utf-8")
    assert re.search(rf"^def {name}\(", tests, re.MULTILINE)


def test_no_fault_is_listed_twice() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len({(fault.file, fault.old, fault.new) for fault in FAULTS}) == len(FAULTS)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("faults") / "tree"
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, copy / name)
    return copy


@long
def test_without_a_fault_all_those_tests_pass(copy: Path) -> None:
    run = _run(copy, *sorted({fault.test for fault in FAULTS}))
    assert run.returncode == 0, run.stdout


@long
@each_fault
def test_the_fault_turns_its_test_red(copy: Path, fault: Fault) -> None:
    with _planted(copy, fault):
        run = _run(copy, fault.test)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    assert re.search(r"^FAILED tests/", run.stdout, re.MULTILINE), run.stdout


@contextmanager
def _planted(copy: Path, fault: Fault) -> Iterator[None]:
    file = copy / fault.file
    source = file.read_text(encoding="utf-8")
    file.write_text(source.replace(fault.old, fault.new), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(source, encoding="utf-8")


def _run(copy: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """No bytecode: a fault of the same length, planted within the second, would not be seen."""
    nodes = [f"tests/{test}" for test in tests]
    return subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *nodes],
        cwd=copy,
        env={**os.environ, "DEALFOLIO_TEST_PROFILE": "fault", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=MINUTES * 60,
    )
