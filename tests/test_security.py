"""What anybody who gets here may see of it, and what a browser may do with what it gets."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from api.settings import Settings
from tests.over_http import AUTUMN, Company, company, refused

NOTHING_AT_ALL = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    with company(shared_database) as begun:
        yield begun


# ----------------------------------------------------------------------- what every answer carries


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/deals", 200),
        ("/v1/deals?limit=0", 422),
        ("/v1/nothing", 404),
        ("/nothing", 404),
        ("/health/live", 200),
        ("/openapi.json", 200),
        ("/static/swagger-ui.css", 200),
        ("/static/nothing", 404),
        ("/docs", 200),
    ],
)
def test_every_answer_tells_the_browser_to_trust_nothing(
    here: Company, path: str, status: int
) -> None:
    answer = here.director.http.get(path)
    assert answer.status_code == status
    for name, value in EVERYWHERE.items():
        assert answer.headers.get_list(name) == [value], name
    policy = answer.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert policy == [NOTHING_AT_ALL] or path == "/docs"
    assert "server" not in answer.headers
    assert "strict-transport-security" not in answer.headers
    assert "dealfolio-mode" not in answer.headers


def test_refusals_of_strangers_carry_the_same(here: Company) -> None:
    answer = here.stranger.get("/v1/deals")
    refused(answer, 401, "unauthenticated")
    assert answer.headers["content-security-policy"] == NOTHING_AT_ALL
    assert answer.headers["cache-control"] == "no-store"


def test_what_is_asked_and_commanded_is_kept_by_no_browser_and_no_proxy(here: Company) -> None:
    assert here.director.get("/v1/deals").headers["cache-control"] == "no-store"
    made = here.director.post("/v1/teams", {"name": "Север"})
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    account = here.admin.post("/v1/accounts", {"name": "Аудитор", "role": "auditor"})
    assert account.headers.get_list("cache-control") == ["no-store"]
    assert "cache-control" not in here.stranger.get("/static/swagger-ui.css").headers


def test_behind_tls_browsers_are_told_to_come_by_tls_alone(database: str) -> None:
    with company(database, AUTUMN, Settings(behind_tls=True)) as here:
        for path in ("/v1/deals", "/docs", "/health/live"):
            answer = here.stranger.get(path)
            assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_the_demo_says_so_on_every_answer(database: str) -> None:
    with company(database, AUTUMN, Settings(demo=True)) as here:
        for path in ("/v1/deals", "/docs", "/health/live", "/nothing"):
            assert here.stranger.get(path).headers["dealfolio-mode"] == "demo"


# ------------------------------------------------------------------------- the documentation's page


def test_no_script_and_no_style_stands_in_the_page_or_may(here: Company) -> None:
    page = here.stranger.get("/docs")
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", page.text)
    policy = page.headers["content-security-policy"]
    assert not re.search(r"unsafe|\*|https?:|script-src[^;]*data:", policy)
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")


def chromium() -> str:
    """A browser; installed where that can be done without asking: root, Debian, in CI."""
    found = shutil.which("chromium")
    if found is None and os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in ("apt-get update -qq", "apt-get install -y -qq chromium"):
            subprocess.run(command.split(), capture_output=True, timeout=240, check=False)
        found = shutil.which("chromium")
    if found is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    return found


def test_the_documentation_runs_in_a_browser_under_its_own_policy(here: Company) -> None:
    command = [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += ["--virtual-time-budget=10000", "--dump-dom", f"{here.address}/docs"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert shown.stdout.count("opblock-summary-path") > 40
    assert "/v1/portfolios" in shown.stdout
    assert "Content Security Policy" not in shown.stderr
    assert "violates" not in shown.stderr


def test_the_documentation_can_be_switched_off(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEALFOLIO_DOCS", "off")
    with company(database, AUTUMN, Settings()) as here:
        for path in ("/docs", "/openapi.json", "/redoc"):
            refused(here.director.get(path), 404, "not-found")
        assert here.director.get("/v1/deals").status_code == 200
