"""What is installed in production is what was tested, to the byte, wherever it is fetched from."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NEEDED = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]


def pinned(text: str) -> dict[str, Requirement]:
    """By name; hashes and continued lines left out."""
    lines = re.findall(r"^([a-z0-9][^\\\n]*?)(?: \\)?$", text, re.MULTILINE)
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}


LOCKED = pinned(LOCK)


def test_every_line_is_one_version_and_its_hashes():
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    assert len(entries) == len(LOCKED) > 30
    for entry in entries:
        head, *hashes = entry.split(" \\\n")
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)?", head), head
        assert hashes, head
        for one in hashes:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", one), head


def test_the_lock_has_the_versions_that_were_tested():
    tested = pinned((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    assert {name: str(one) for name, one in LOCKED.items()} == {
        name: str(one) for name, one in tested.items() if name in LOCKED
    }


@pytest.mark.parametrize("needed", NEEDED)
def test_what_the_project_asks_for_is_locked_in_a_version_that_will_do(needed):
    asked = Requirement(needed)
    (locked,) = LOCKED[canonicalize_name(asked.name)].specifier
    assert locked.operator == "=="
    assert asked.specifier.contains(locked.version)


def test_what_those_need_themselves_is_locked_too():
    """--no-deps: what is missing from the lock would be missing in production."""
    reached = set(_reached(PROJECT["project"]["dependencies"], set()))
    assert len(reached) > 25
    assert reached <= set(LOCKED)


def _reached(needed: list[str], seen: set[str]) -> Iterator[str]:
    for one in map(Requirement, needed):
        name = canonicalize_name(one.name)
        yield name
        for extra in sorted({"", *one.extras}):
            if (key := f"{name}[{extra}]") in seen:
                continue
            seen.add(key)
            wanted = [
                more
                for more in requires(one.name) or []
                if (marker := Requirement(more).marker) is None or marker.evaluate({"extra": extra})
            ]
            yield from _reached(wanted, seen)


@pytest.mark.parametrize(
    "file",
    [
        one
        for part in ("*.*", "api/**/*.py", ".ci/*")
        for one in sorted(ROOT.glob(part))
        if one.is_file()
    ],
    ids=lambda file: file.name,
)
def test_nothing_says_where_packages_are_fetched_from(file):
    text = file.read_text(encoding="utf-8")
    found = re.findall(r"index-url|find-links|/simple\b|pythonhosted|pypi\.\w+", text)
    assert not found


def test_one_command_writes_what_is_installed(tmp_path):
    """The one in the README, on the environment of this test."""
    (command,) = re.findall(
        r"cyclonedx-py( environment .*) \.venv$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    program = shutil.which("cyclonedx-py") or shutil.which(
        "cyclonedx-py", path=Path(sys.executable).parent
    )
    if program is None:
        pytest.skip("cyclonedx-bom is not installed: pip install -c constraints.txt '.[supply]'")
    words = command.replace("sbom.json", str(tmp_path / "sbom.json")).split()
    subprocess.run([program, *words, sys.prefix], cwd=ROOT, capture_output=True, check=True)
    written = json.loads((tmp_path / "sbom.json").read_text())
    assert written["bomFormat"] == "CycloneDX"
    assert written["metadata"]["component"]["name"] == "dealfolio"
    found = {str(canonicalize_name(one["name"])): one["version"] for one in written["components"]}
    assert "fastapi" in found
    for name, one in LOCKED.items():
        if name in found:
            assert one.specifier.contains(found[name]), name
