"""Rules of the codebase that a program can check."""

import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from tests.histories import PROFILE

ROOT = Path(__file__).parent.parent
SOURCES = ["domain", "application", "projections", "api", "tests"]


def run(*command: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_imports_point_the_right_way(monkeypatch):
    monkeypatch.setattr("logging.config.dictConfig", lambda _: None)  # it would silence our loggers
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_the_linter_finds_nothing():
    run("ruff", "check", "--no-cache", *SOURCES)


def test_the_code_is_formatted():
    run("ruff", "format", "--no-cache", "--check", *SOURCES)


def test_the_types_hold():
    """By what mypy remembers of the last run, in a default one: that takes a tenth of the time."""
    run("mypy", *([] if PROFILE == "fast" else ["--no-incremental", "--cache-dir", "/dev/null"]))


def test_each_lock_of_the_database_has_a_number_of_its_own():
    files = [file for ending in ("py", "sql") for file in ROOT.glob(f"[ap]*/**/*.{ending}")]
    found = re.findall(r"\b7305815021847160\d{3}\b", "".join(map(Path.read_text, files)))
    assert len(found) > 5, "else this looks in the wrong place"
    assert len(found) == len(set(found)), found


@pytest.mark.parametrize("folder", ["domain", "application", "projections"])
def test_no_binary_fractions_near_money(folder):
    for file in (ROOT / folder).glob("*.py"):
        found = re.findall(r"\bfloat\b", file.read_text(encoding="utf-8"))
        assert not found, f"{file.name}: amounts and weights are exact integers"


@pytest.mark.parametrize("file", sorted((ROOT / "domain").glob("*.py")), ids=lambda file: file.name)
def test_the_domain_never_asks_the_time(file):
    source = file.read_text(encoding="utf-8")
    assert not re.search(r"\b(now|today|utcnow|time)\(\)", source)


def test_vendored_files_are_what_their_note_says():
    static = ROOT / "api" / "static"
    noted = dict(
        re.findall(
            r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$",
            (static / "VENDORED.md").read_text(),
            re.MULTILINE,
        )
    )
    present = {file.name for file in static.iterdir() if file.is_file()} - {"VENDORED.md"}
    assert set(noted) == present
    for name, digest in noted.items():
        assert sha256((static / name).read_bytes()).hexdigest() == digest, name
