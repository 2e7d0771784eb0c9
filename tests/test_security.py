"""What anybody who gets here may see of it, and what a browser may do with what it gets."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import NoReturn

import pytest

from api.settings import Settings
from tests.over_http import AUTUMN, JSON, Company, company, refused

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


# ------------------------------------------------------------------------- what faults give away

SECRET = "SELECT token_hash FROM books.accounts WHERE name = 'Анна'"


def plant(here: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on everything fails for a reason that is nobody's business."""

    def fail(*_: object) -> NoReturn:
        raise RuntimeError(SECRET)

    here.director.ask("/v1/deals")  # whose account is then known without a look
    monkeypatch.setattr(here.service, "asking", fail)
    monkeypatch.setattr(here.service.dealfolio.transactor, "submit", fail)


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("what", ["question", "command", "page"])
def test_a_fault_of_ours_is_told_by_a_number_and_nothing_else(
    here: Company,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    what: str,
    language: str,
) -> None:
    plant(here, monkeypatch)
    if what == "command":
        answer = here.director.post("/v1/teams", {"name": "Север"}, accept_language=language)
    else:
        path = "/v1/deals" if what == "question" else "/health/ready"
        answer = here.director.http.get(path, headers={"accept-language": language})
    problem = refused(answer, 500, "internal")
    assert set(problem) == {"type", "title", "status", "detail", "reference"}
    assert problem["reference"] in problem["detail"]
    assert not re.search("SELECT|Анна|Error|Traceback|[.]py|/", problem["detail"])
    assert bool(re.search("[а-яё]", problem["detail"])) == (language == "ru")
    (logged,) = [entry for entry in caplog.records if entry.name == "dealfolio"]
    assert problem["reference"] in logged.getMessage()
    assert logged.exc_info is not None
    assert SECRET in str(logged.exc_info[1])


def test_what_is_asked_cannot_forge_an_entry_of_the_log(
    here: Company, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plant(here, monkeypatch)
    here.director.get("/v1/managers/a%0Aforged: all is well/portfolio")
    for entry in caplog.records:
        assert "\n" not in entry.getMessage()


@pytest.mark.parametrize(
    ("body", "flaw", "russian", "english"),
    [
        (b"", "empty", "оно пустое", "it is empty"),
        (b'{"name": "\xff"}', "not-utf-8", "это не UTF-8", "it is not UTF-8"),
        (
            b'{"name":\n "North",}',
            "syntax",
            "ошибка в строке 2, позиция 10",
            "there is a mistake in line 2, column 10",
        ),
        (
            b"[" * 30_000,
            "too-deep",
            "слишком много вложенных скобок",
            "brackets are nested too deep",
        ),
        (
            b'{"name": "a", "name": "b"}',
            "key-twice",
            "один ключ назван в объекте дважды",
            "an object names a key twice",
        ),
        (
            b'{"name": NaN}',
            "no-number",
            "NaN и Infinity — не числа",
            "NaN and Infinity are no numbers",
        ),
        (
            b'{"name": %s}' % (b"9" * 41),
            "long-number",
            "число слишком длинное",
            "a number is too long",
        ),
    ],
)
def test_what_is_no_json_is_told_why_in_the_readers_language(
    here: Company, body: bytes, flaw: str, russian: str, english: str
) -> None:
    for language, why in (("ru", russian), ("en", english)):
        headers = {"accept-language": language, "content-type": JSON}
        answer = here.director.http.post("/v1/teams", content=body, headers=headers)
        problem = refused(answer, 400, "malformed-json")
        assert problem["flaw"] == flaw
        assert f": {why}. " in problem["detail"]
    headers = {"content-type": JSON}
    accepted = here.director.http.post("/v1/teams", content=b'{"name": "North"}', headers=headers)
    assert accepted.status_code == 201
