"""What anybody who gets here may see of it, and what a browser may do with what it gets."""

import asyncio
import os
import re
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest
import uvicorn
from pydantic import ValidationError
from starlette.types import Message

from api.app import App, create_app
from api.http.guard import MOST_HOSTS, Guard
from api.http.serving import UnsafeHost, require_safe, server_options
from api.operating.embedded import postgres
from api.operating.schema import migrate
from api.settings import Settings
from tests.chromium import OPTIONS
from tests.conftest import reachable_directory
from tests.installed import installed
from tests.over_http import AUTUMN, JSON, Company, company, refused
from tests.test_cli import answered, run, serving

NOTHING_AT_ALL = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
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
    assert here.stranger.get("/docs").headers["cache-control"] == "no-store"
    assert "cache-control" not in here.stranger.get("/static/swagger-ui.css").headers


def test_a_page_that_may_be_stored_is_still_a_page() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    given = [(b"cache-control", b"max-age=60"), (b"content-type", b"text/html; charset=utf-8")]
    heading = Guard(Settings()).heading({"path": "/somewhere"}, send)
    asyncio.run(cast("Any", heading({"type": "http.response.start", "headers": given})))
    (headers,) = (message["headers"] for message in sent)
    assert [value for name, value in headers if name == b"cache-control"] == [b"max-age=60"]
    (policy,) = (value for name, value in headers if name == b"content-security-policy")
    assert b"script-src 'self'" in policy


@pytest.mark.parametrize(
    ("issuer", "forms"),
    [
        (None, "'self'"),
        ("https://sso.romashka.ru/realms/main", "'self' https://sso.romashka.ru"),
        ("http://127.0.0.1:9000", "'self' http://127.0.0.1:9000"),
    ],
)
def test_a_form_leads_to_us_and_by_way_of_sign_in_to_the_issuer(
    issuer: str | None, forms: str
) -> None:
    of_the_issuer = {"oidc_issuer": issuer, "oidc_client_id": "dealfolio"}
    ours: dict[str, Any] = {"public_url": "https://dealfolio.romashka.ru", **of_the_issuer}
    policies = dict(Guard(Settings(**ours)).page)[b"content-security-policy"].decode("ascii")
    assert f"; form-action {forms};" in policies
    data = dict(Guard(Settings(**ours)).data)[b"content-security-policy"].decode("ascii")
    assert data == NOTHING_AT_ALL


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


def test_the_documentation_runs_in_a_browser_under_its_own_policy(here: Company) -> None:
    command = [installed("chromium"), *OPTIONS, "--enable-logging=stderr"]
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
    monkeypatch.setattr(here.service.dealfolio.transactor, "submit_for", fail)


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


# ------------------------------------------------------------------------- by which name


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:81", "127.0.0.1", "127.0.0.1:65535", "127.8.8.8", "[::1]:8000"],
)
def test_this_machine_calls_it_by_any_of_its_own_names(here: Company, host: str) -> None:
    for _ in range(2):  # remembered, too
        assert here.stranger.http.get("/health/live", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "localhost:80:80",
        "localhost:",
        "localhost/",
        "evil.example#localhost",
        "0.0.0.0",
        "10.0.0.1",
        "2130706433",
        "[::]",
        "[::ffff:10.0.0.1]",
        "a b",
        "",
    ],
)
def test_a_page_that_poses_as_this_service_gets_nothing(here: Company, host: str) -> None:
    for path in ("/v1/deals", "/health/live", "/docs", "/static/swagger-ui.css"):
        answer = here.director.http.get(path, headers={"host": host, "accept-language": "en"})
        problem = refused(answer, 400, "unknown-host")
        assert "DEALFOLIO_ALLOWED_HOSTS" in problem["detail"]
        assert answer.headers["content-security-policy"] == NOTHING_AT_ALL


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"], ["localhost", "evil.example"]])
def test_no_name_and_two_names_are_nobodys(here: Company, hosts: list[str]) -> None:
    address = here.address.removeprefix("http://").split(":")
    head = ["GET /health/live HTTP/1.1", *(f"Host: {host}" for host in hosts), "Connection: close"]
    with socket.create_connection((address[0], int(address[1])), timeout=5) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        assert connection.recv(1_000).startswith(b"HTTP/1.1 400")


def test_the_names_in_the_settings_are_its_names_too(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "books.example.ru, Second.example.ru, [2001:DB8::1]"
    monkeypatch.setenv("DEALFOLIO_ALLOWED_HOSTS", names)
    with company(database, AUTUMN, Settings(host="10.1.2.3")) as here:

        def status(host: str) -> int:
            return here.stranger.http.get("/health/live", headers={"host": host}).status_code

        for host in ("books.example.ru", "books.example.ru:8443", "second.EXAMPLE.ru"):
            assert status(host) == 200, host
        for host in ("10.1.2.3", "[2001:db8::1]:443"):
            assert status(host) == 200, host
        for host in ("example.ru", "www.books.example.ru", "10.1.2.4", "books.example.ru."):
            assert status(host) == 400, host


def test_an_address_that_means_everywhere_is_no_name() -> None:
    for host in ("0.0.0.0", "::"):
        scope = {"headers": [(b"host", host.encode())]}
        assert Guard(Settings(host=host)).refusal(scope) is not None


def test_spellings_of_a_name_do_not_fill_the_memory() -> None:
    guard = Guard(Settings())
    for port in range(1_000):
        assert guard.refusal({"headers": [(b"host", b"localhost:%d" % port)]}) is None
    assert len(guard._known) == MOST_HOSTS


def test_what_a_proxy_says_is_believed_of_those_alone_who_are_named() -> None:
    def trusting(**settings: object) -> Any:
        given = Settings.model_validate(settings)
        service: Any = SimpleNamespace(settings=given)
        config = uvicorn.Config(create_app(service), log_config=None, **server_options(given))
        config.load()
        return config.loaded_app

    assert isinstance(trusting(), App)
    trusted = trusting(trusted_proxies="10.0.0.0/8, 192.168.1.1").trusted_hosts
    assert "10.9.8.7" in trusted
    assert "192.168.1.1" in trusted
    assert "192.168.1.2" not in trusted
    assert "127.0.0.1" not in trusted
    with pytest.raises(ValidationError):
        Settings.model_validate({"trusted_proxies": "*"})


# ------------------------------------------------------------------------- where it listens


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "books.example.ru", "", "127.0.0"])
def test_it_does_not_listen_where_others_could_read_along(host: str) -> None:
    with pytest.raises(UnsafeHost):
        require_safe(Settings(host=host))


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_both_commands_say_so_before_anything_is_made(tmp_path: Path, command: str) -> None:
    for language, word in (("en", "in the clear"), ("ru", "открыто")):
        data = ("--data", tmp_path / "data", "--port", 0)
        done = run(command, "--host", "0.0.0.0", *data, DEALFOLIO_LANGUAGE=language)
        assert done.returncode == 1
        assert word in done.stderr
        assert "DEALFOLIO_BEHIND_TLS=yes" in done.stderr
        assert "DEALFOLIO_INSECURE_HOST=yes" in done.stderr
        assert "Traceback" not in done.stderr
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost", "LOCALHOST"])
def test_it_listens_on_loopback_without_ado(host: str) -> None:
    require_safe(Settings(host=host))


@pytest.mark.parametrize("said", ["behind_tls", "insecure_host"])
def test_it_listens_elsewhere_when_it_is_said_so(said: str) -> None:
    host = "0.0.0.0"
    with pytest.raises(UnsafeHost):
        require_safe(Settings(host=host))
    require_safe(Settings.model_validate({"host": host, said: True}))


# ------------------------------------------------------------------------- secrets, files


@pytest.fixture
def data() -> Iterator[Path]:
    with reachable_directory() as directory:
        yield directory / "data"


def test_the_token_from_a_file_serves_and_is_seen_by_nobody(data: Path, tmp_path: Path) -> None:
    file, token = tmp_path / "token", "kept-in-a-file-alone"
    file.write_text(f"{token}\n")
    file.chmod(0o600)
    workers = {"DEALFOLIO_BOOTSTRAP_TOKEN_FILE": str(file), "DEALFOLIO_WORKERS": "2"}
    with serving("serve", data, **workers) as (address, lines):
        assert answered(f"{address}/v1/accounts", token).status_code == 200
        assert token not in "".join(lines)
        running = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
        assert any(b"api.cli" in command for command in running)
        assert not any(token.encode() in command for command in running)
    assert token not in data.with_name("data.log").read_text()


def test_what_the_embedded_database_keeps_is_its_owners_alone(data: Path) -> None:
    """Its data, its log, its lock and its socket, while it runs and afterwards."""

    def seen_by_others() -> list[str]:
        inside = [data, *data.rglob("*"), *data.parent.glob("data.l*")]
        return [f"{path} {path.stat().st_mode:o}" for path in inside if path.stat().st_mode & 0o077]

    os.umask(umask := os.umask(0o022))
    assert umask & 0o077 != 0o077, "else this would prove nothing"
    with postgres(data, durable=False) as conninfo:
        migrate(conninfo)
        sockets = data.with_name("data.socket").readlink()
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        (socket_,) = (path for path in sockets.iterdir() if path.is_socket())
        assert stat.S_IMODE(socket_.stat().st_mode) == 0o700
        assert seen_by_others() == []
        assert {path.name for path in data.parent.glob("data.l*")} == {"data.lock", "data.log"}
    assert seen_by_others() == []
    assert not sockets.exists()


def test_the_embedded_database_is_not_told_our_secrets(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run as root, it belongs to another account, which could read them in /proc."""
    monkeypatch.setenv("DEALFOLIO_BOOTSTRAP_TOKEN", "secret-token")
    monkeypatch.setenv("DATABASE_URL", "postgresql://books:pass-word@db/books")
    with postgres(data, durable=False):
        pid = (data / "postmaster.pid").read_text().splitlines()[0]
        told = Path("/proc", pid, "environ").read_bytes()
    assert b"PATH=" in told
    assert b"secret-token" not in told
    assert b"pass-word" not in told


@pytest.mark.parametrize("given", ["DEALFOLIO_BOOTSTRAP_TOKEN", "DEALFOLIO_BOOTSTRAP_TOKEN_FILE"])
def test_no_token_at_all_is_not_taken_for_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "empty").chmod(0o600)
    monkeypatch.setenv(given, str(tmp_path / "empty") if given.endswith("FILE") else "")
    with pytest.raises(ValidationError):
        Settings()


def test_settings_do_not_show_their_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://books:pass-word@db/books\n")
    file.chmod(0o644)
    monkeypatch.setenv("DATABASE_URL_FILE", str(file))
    monkeypatch.setenv("DEALFOLIO_BOOTSTRAP_TOKEN", "secret-token")
    settings = Settings()
    assert settings.database_url == "postgresql://books:pass-word@db/books"
    assert "can be read by others" in caplog.text
    for shown in (repr(settings), str(settings), caplog.text):
        assert "pass-word" not in shown
        assert "secret-token" not in shown
    caplog.clear()
    file.chmod(0o600)
    Settings()
    assert caplog.text == ""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nearer/books")
    assert Settings().database_url == "postgresql://nearer/books"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "postgresql//books:pass-word@db/books"),
        ("DATABASE_URL_FILE", "nowhere/pass-file"),
        ("DEALFOLIO_PORT", "pass-word"),
    ],
)
def test_a_setting_that_is_wrong_is_named_and_its_value_is_not_shown(
    variable: str, value: str
) -> None:
    done = run("doctor", **{variable: value})
    assert done.returncode == 1
    assert (variable in done.stderr) or ("nowhere" in done.stderr)
    assert "pass-word" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEALFOLIO_TIMEZONE", "Mars/Phobos"),
        ("DEALFOLIO_TIMEZONE", "Europe"),
        ("DATABASE_URL", ""),
        ("DEALFOLIO_DATA", ""),
        ("DEALFOLIO_DATA", "/"),
        ("DEALFOLIO_SIGNING_KEY_FILE", ""),
        ("DEALFOLIO_CHECKPOINTS_TO", ""),
        ("DEALFOLIO_READ_DATABASE_URL", "postgresql//standby/books"),
        ("DEALFOLIO_BOOTSTRAP_TOKEN", "пароль"),
        ("DEALFOLIO_BOOTSTRAP_TOKEN", "two words"),
        ("DEALFOLIO_DIGEST_SMTP", "smtp://mail.romashka.ru:99999"),
        ("DEALFOLIO_DIGEST_FROM", "nobody"),
        ("DEALFOLIO_DIGEST_FROM", "a@romashka.ru\nBcc: b@romashka.ru"),
    ],
)
def test_a_setting_that_could_never_work_is_refused_at_start_by_its_name(
    variable: str, value: str
) -> None:
    done = run("portfolio", **{variable: value})
    assert done.returncode == 1
    assert done.stderr.startswith(f"{variable}: ")
    assert "Traceback" not in done.stderr
