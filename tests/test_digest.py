"""A week's digest: its figures, worked out by hand and held to the books; and that it is brought
where it is wanted once, by a real HTTP receiver and a mail server that takes letters in.
"""

import json
import socketserver
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook as TheirWebhook
from standardwebhooks.webhooks import WebhookVerificationError

from api.digests.delivery import Delivering, delivering
from api.digests.targets import Parcel, Target, signed, targets_of
from api.operating.doctor import findings
from api.reports.digest import digest_for
from api.service import Service
from api.settings import Settings
from tests.conftest import new_database
from tests.over_http import Clock, Company, Person, company, refused

SECRET = f"whsec_{b64encode(bytes(range(32))).decode()}"
MONDAY = datetime(2026, 10, 12, 5, tzinfo=UTC)
"""Eight in the morning in Moscow."""
SECOND = timedelta(seconds=1)
WEEK = timedelta(days=7)


# ---------------------------------------------------------------------------- the week


@pytest.fixture(scope="module")
def here(server: str, template: str) -> Iterator[Company]:
    """What was there before the week from 5 to 11 October, and what was recorded in it."""
    with new_database(server, template) as database, company(database, at(9, 28)) as begun:
        do = begun.director.do
        south = do("/v1/teams", {"name": "Юг"})["team_id"]
        for who, name in (("anna", "Анна Соколова"), ("boris", "Борис Крылов")):
            do("/v1/managers", {"name": name, "manager_id": who, "team_id": south})
        for code, weight in (("call", "2.00"), ("proposal", "5.00")):
            begun.kind(weight, code=code)
        begun.kind("10.00", code="contract", needs_confirmation=True)
        large = begun.deal("anna", "400000000.00", title="Витрины")
        still = begun.deal("boris", "100000000.00", title="Склад")
        small = begun.deal("anna", "50000000.00", title="Лари")
        begun.act(still, "boris", "proposal", "2026-08-03")
        begun.act(large, "anna", "call", "2026-09-21")
        begun.act(small, "anna", "call", "2026-09-22")
        begun.clock.now = at(10, 5)
        begun.act(small, "anna", "call", "2026-10-05")
        begun.clock.now = at(10, 6)
        begun.act(large, "anna", "proposal", "2026-10-06")
        begun.clock.now = at(10, 7)
        do(f"/v1/deals/{small}/loss", {"reason": "Цена", "effective_on": "2026-10-07"})
        begun.clock.now = at(10, 8)
        begun.act(large, "anna", "contract", "2026-10-08")
        begun.clock.now = at(10, 9)
        begun.act(large, "anna", "call", "2026-09-25", comment="Забыл записать")
        begun.clock.now = at(10, 12)
        begun.act(large, "anna", "call", "2026-10-12")
        yield begun


def at(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 9, tzinfo=UTC)


def test_the_week_before_is_told_where_nobody_says_which(here: Company) -> None:
    told = here.director.ask("/v1/reports/digest")
    assert (told["first_day"], told["last_day"], told["as_of"]) == (
        "2026-10-05", "2026-10-11", "2026-10-11",
    )  # fmt: skip
    assert (told["opening"], told["closing"], told["change"]) == (
        "22000000.00", "41000000.00", "19000000.00",
    )  # fmt: skip
    assert [(one["manager_id"], one["change"]) for one in told["managers"]] == [
        ("anna", "19000000.00")
    ]


def test_it_says_what_moved_and_what_was_closed(here: Company) -> None:
    told = here.director.ask("/v1/reports/digest")
    (gain, monday), (loss,), (closed,) = told["gains"], told["losses"], told["closings"]
    assert (gain["title"], gain["action_type"], gain["active"]) == (
        "Витрины", "proposal", "20000000.00",
    )  # fmt: skip
    assert (monday["effective_on"], monday["active"]) == ("2026-10-05", "1000000.00")
    assert (loss["title"], loss["event"], loss["active"]) == ("Лари", "DealLost", "-2000000.00")
    assert (closed["title"], closed["status"], closed["amount"]) == ("Лари", "lost", "2000000.00")


def test_it_says_what_stands_still_waits_and_came_late(here: Company) -> None:
    told = here.director.ask("/v1/reports/digest")
    (still,) = told["stalled"]["deals"]
    assert (still["title"], still["silent_days"], told["stalled"]["active"]) == (
        "Склад", 69, "5000000.00",
    )  # fmt: skip
    (claim,) = told["waiting"]["actions"]
    assert (claim["title"], claim["waits_days"], claim["amount"], told["waiting"]["amount"]) == (
        "Витрины", 3, "40000000.00", "40000000.00",
    )  # fmt: skip
    (late,) = told["late"]["entries"]
    assert (late["effective_on"], late["late_days"], late["active"], late["managers"]) == (
        "2026-09-25", 14, "8000000.00", ["anna"],
    )  # fmt: skip
    assert (told["late"]["number"], told["late"]["active"]) == (1, "8000000.00")


def test_its_figures_are_those_of_the_movement_and_of_the_restatement(here: Company) -> None:
    told = here.director.ask("/v1/reports/digest", limit=1_000)
    moved = here.director.ask("/v1/portfolios/movement", from_="2026-10-04", to="2026-10-11")
    assert told["opening"] == moved["opening"]["active"]
    assert told["closing"] == moved["closing"]["active"]
    parts = [float(one["active"]) for one in told["gains"] + told["losses"]]
    assert sum(parts) == float(told["change"])
    assert told["waiting"]["amount"] == moved["closing"]["claimed"]
    restated = here.director.ask(
        "/v1/portfolios/restatement",
        as_of="2026-10-04", from_known_at="2026-10-04", to_known_at="2026-10-11",
    )  # fmt: skip
    late = float(restated["later"]["active"]) - float(restated["earlier"]["active"])
    assert float(told["late"]["active"]) == late


def test_a_week_that_goes_on_is_told_as_far_as_it_has_come(here: Company) -> None:
    told = here.director.ask("/v1/reports/digest", week="2026-10-18", as_of="2026-10-12")
    assert (told["first_day"], told["last_day"]) == ("2026-10-12", "2026-10-12")
    assert [one["active"] for one in told["gains"]] == ["8000000.00"]
    to_come = here.director.get("/v1/reports/digest", week="2026-10-19", as_of="2026-10-12")
    refused(to_come, 422, "validation")


def test_lists_are_cut_and_sums_are_not(here: Company) -> None:
    asked = {"week": "2026-08-03", "as_of": "2026-10-12"}
    whole = here.director.ask("/v1/reports/digest", **asked, limit=1)
    assert len(whole["gains"]) == 1
    assert whole["opening"] == "0.00"


# ---------------------------------------------------------------------------- receivers


class Receiver(ThreadingHTTPServer):
    """Takes what is posted; answers with the statuses that it was given, and then with 204."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks"


class _Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(({key.lower(): one for key, one in self.headers.items()}, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Sink(socketserver.ThreadingTCPServer):
    """A mail server without TLS (RFC 5321). `refused` answers to so many letters no, `broken` hangs
    up behind so many of them without a word.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        super().__init__((host, 0), _Session)
        self.tls = tls
        self.letters: list[tuple[str, EmailMessage]] = []
        self.refused = self.broken = self.encrypted = 0

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"smtp://{host!s}:{port}"


class _Session(socketserver.StreamRequestHandler):
    server: Sink

    def handle(self) -> None:
        self._say("220 sink")
        to = ""
        while line := self.rfile.readline():
            match line.split(b":")[0].split()[0].upper():
                case b"EHLO" if self.server.tls and not isinstance(self.request, ssl.SSLSocket):
                    self._say("250-sink\r\n250 STARTTLS")
                case b"STARTTLS":
                    self._say("220 go on")
                    if not self._encrypted(self.server.tls):
                        return
                case b"RCPT":
                    to = line.decode().partition("<")[2].partition(">")[0]
                    self._say("250 ok")
                case b"DATA":
                    self._say("354 go on")
                    if not self._taken(to):
                        return
                case b"QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok")

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def _encrypted(self, tls: ssl.SSLContext | None) -> bool:
        """Unless the other side does not trust us."""
        assert tls is not None
        try:
            self.request = tls.wrap_socket(self.request, server_side=True)
        except ssl.SSLError:
            return False
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
        self.server.encrypted += 1
        return True

    def _taken(self, to: str) -> bool:
        lines = iter(self.rfile.readline, b".\r\n")
        letter = message_from_bytes(b"".join(lines), policy=policy.default)
        if self.server.refused:
            self.server.refused -= 1
            self._say("451 later")
            return True
        self.server.letters.append((to, letter))
        if self.server.broken:
            self.server.broken -= 1
            return False
        self._say("250 taken")
        return True

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def running(server: Any) -> Iterator[Any]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running(Receiver()) as receiver:
        yield receiver


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running(Sink()) as sink:
        yield sink


@pytest.fixture
def brought(here: Company) -> Iterator["Bringing"]:
    """At a Monday morning of its own: a week later for each test, so that none has come yet."""
    begun = Bringing(here.service, here.clock)
    yield begun
    begun.close()


class Bringing:
    """Process after process that brings what is due."""

    monday = MONDAY

    def __init__(self, service: Service, clock: Clock) -> None:
        Bringing.monday += WEEK
        self.service, self.clock = service, clock
        self.clock.now = self.monday
        self._open: list[Delivering] = []

    def process(self, **settings: Any) -> Delivering:
        self._open.append(Delivering(self.service, _settings(**settings)))
        return self._open[-1]

    def of(self, targets: list[Target]) -> Delivering:
        process = self.process()
        process.targets = targets
        return process

    def close(self) -> None:
        for one in self._open:
            one.close()


def _settings(**given: Any) -> Settings:
    if "digest_webhook" in given:
        given = {"digest_webhook_secret": SECRET} | given
    return Settings(**given)


# ---------------------------------------------------------------------------- once


def test_it_comes_on_monday_at_eight_and_once(brought: Bringing, receiver: Receiver) -> None:
    process = brought.process(digest_webhook=receiver.address)
    brought.clock.now = brought.monday - SECOND
    process.step()
    assert not receiver.got
    for moment in (brought.monday, brought.monday + SECOND, brought.monday + 6 * timedelta(1)):
        brought.clock.now = moment
        process.step()
    assert len(receiver.got) == 1
    told = json.loads(receiver.got[0][1])
    assert told["type"] == "digest.weekly"
    first = (brought.monday - WEEK).date().isoformat()
    assert told["data"]["first_day"] == first
    brought.clock.now = brought.monday + WEEK
    process.step()
    assert len(receiver.got) == 2
    Bringing.monday += WEEK


def test_what_is_posted_is_what_the_director_is_told(
    brought: Bringing, here: Company, receiver: Receiver
) -> None:
    brought.process(digest_webhook=receiver.address).step()
    told = json.loads(receiver.got[0][1])["data"]
    asked = here.director.ask("/v1/reports/digest", position=told["position"])
    assert told == asked


def test_its_signature_is_that_of_the_standard(brought: Bringing, receiver: Receiver) -> None:
    brought.process(digest_webhook=receiver.address).step()
    ((headers, body),) = receiver.got
    then = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert then == brought.monday
    theirs = TheirWebhook(SECRET).sign(headers["webhook-id"], then, body.decode())
    assert headers["webhook-signature"] == theirs


def test_their_library_takes_our_signature_and_no_other() -> None:
    body = '{"deal": "Витрины"}'.encode()
    headers = signed(bytes(range(32)), "digest_1", datetime.now(UTC), body)
    assert TheirWebhook(SECRET).verify(body, headers) == {"deal": "Витрины"}
    with pytest.raises(WebhookVerificationError):
        TheirWebhook(SECRET).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        TheirWebhook(SECRET).verify(body, headers | {"webhook-id": "digest_2"})


def test_what_has_not_arrived_is_tried_again_later_and_says_the_same(
    brought: Bringing, here: Company, receiver: Receiver
) -> None:
    process = brought.process(digest_webhook=receiver.address)
    receiver.statuses = [500, 503]
    process.step()
    begun = brought.clock.now
    here.kind("1.00")  # what is recorded meanwhile changes nothing
    tries = []
    for second in range(0, 420, 30):
        brought.clock.now = begun + second * SECOND
        process.step()
        tries.append(len(receiver.got))
    assert tries == [1, 1, *[2] * 10, 3, 3], "after a minute, then after five, and no more"
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len({body for _, body in receiver.got}) == 1
    assert len({headers["webhook-signature"] for headers, _ in receiver.got}) == 3


def test_the_doctor_tells_of_one_that_has_not_arrived(
    brought: Bringing, here: Company, receiver: Receiver
) -> None:
    process = brought.process(digest_webhook=receiver.address)
    week = (brought.monday - WEEK).date()
    receiver.statuses = [500]
    process.step()
    assert _said_of_the_digest(here) == [(f"{week}: arrived at 0 of 1, tries: 1", False)]
    brought.clock.now += 60 * SECOND
    process.step()
    assert _said_of_the_digest(here) == [(f"{week}: arrived at 1 of 1, tries: 2", True)]


def _said_of_the_digest(here: Company) -> list[tuple[str, bool]]:
    with here.service.asking() as cursor:
        said = [one for one in findings(cursor) if one.what == "weekly digest"]
    return [(one.found.removeprefix("of the week from "), one.ok) for one in said]


def test_of_two_processes_one_brings_it(brought: Bringing, receiver: Receiver) -> None:
    processes = [brought.process(digest_webhook=receiver.address) for _ in range(4)]
    gate = Barrier(len(processes))

    def step(process: Delivering) -> None:
        gate.wait()
        process.step()

    threads = [Thread(target=step, args=[one]) for one in processes]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(receiver.got) == 1


class Killed(BaseException):
    """As a process that is no more."""


class Dying:
    """A target whose process dies when all but the answer is there."""

    def __init__(self, target: Target, arrived: Callable[[], object] = lambda: None) -> None:
        self._target, self._arrived = target, arrived
        self.grant, self.repeatable, self.key = target.grant, target.repeatable, target.key

    def bring(self, parcel: Parcel, now: datetime) -> None:
        self._target.bring(parcel, now)
        raise Killed


def test_a_process_that_dies_is_followed_by_one_that_posts_under_the_same_id(
    brought: Bringing, receiver: Receiver
) -> None:
    (target,) = targets_of(_settings(digest_webhook=receiver.address))
    with pytest.raises(Killed):
        brought.of([Dying(target)]).step()
    brought.clock.now += 60 * SECOND
    brought.of([target]).step()
    assert [headers["webhook-id"] for headers, _ in receiver.got] == [
        receiver.got[0][0]["webhook-id"]
    ] * 2


# ---------------------------------------------------------------------------- letters


def _mail(sink: Sink, *to: str) -> dict[str, Any]:
    return {"digest_smtp": sink.url, "digest_to": to, "public_url": "https://deals.example.ru"}


def test_each_address_gets_a_letter_of_its_own(brought: Bringing, sink: Sink) -> None:
    process = brought.process(**_mail(sink, "dina@romashka.ru", "oleg@romashka.ru"))
    process.step()
    process.step()
    assert [to for to, _ in sink.letters] == ["dina@romashka.ru", "oleg@romashka.ru"]
    letter = sink.letters[0][1]
    assert letter["To"] == "dina@romashka.ru"
    assert letter["From"] == "dealfolio@deals.example.ru"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Subject"].startswith("Портфель за неделю с ")
    text = letter.get_content()
    week = (brought.monday - WEEK).date()
    assert f"https://deals.example.ru/reports/digest?week={week}" in text
    assert "- Склад, Ромашка: 5\N{NO-BREAK SPACE}млн\N{NO-BREAK SPACE}₽" in text


def test_a_letter_that_was_refused_is_sent_again(brought: Bringing, sink: Sink) -> None:
    process = brought.process(**_mail(sink, "refused@romashka.ru"))
    sink.refused = 1
    process.step()
    assert not sink.letters
    brought.clock.now += 60 * SECOND
    process.step()
    process.step()
    assert len(sink.letters) == 1


def test_a_letter_that_may_have_arrived_is_never_sent_again(brought: Bringing, sink: Sink) -> None:
    process = brought.process(**_mail(sink, "broken@romashka.ru"))
    sink.broken = 1
    for _ in range(4):
        process.step()
        brought.clock.now += timedelta(hours=12)
    assert len(sink.letters) == 1


def test_nor_is_one_whose_process_died(brought: Bringing, sink: Sink) -> None:
    (target,) = targets_of(_settings(**_mail(sink, "dying@romashka.ru")))
    with pytest.raises(Killed):
        brought.of([Dying(target)]).step()
    brought.clock.now += timedelta(hours=12)
    brought.of([target]).step()
    assert len(sink.letters) == 1


def test_a_server_that_is_not_there_is_asked_again(brought: Bringing) -> None:
    with running(Sink()) as gone:
        settings = _mail(gone, "later@romashka.ru")
    process = brought.process(**settings)
    process.step()
    with running(Sink()) as back:
        again = brought.process(**_mail(back, "later@romashka.ru"))
        brought.clock.now += 60 * SECOND
        again.step()
        assert len(back.letters) == 1


def test_one_that_cannot_be_made_keeps_no_other_waiting(
    brought: Bringing, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = brought.process(**_mail(sink, "dina@romashka.ru", "boris@romashka.ru"))

    def once_not(*_: Any) -> Any:
        monkeypatch.setattr("api.digests.delivery.digest_for", digest_for)
        raise ArithmeticError

    monkeypatch.setattr("api.digests.delivery.digest_for", once_not)
    process.step()
    assert [to for to, _ in sink.letters] == ["boris@romashka.ru"]
    process.step()
    assert [to for to, _ in sink.letters] == ["boris@romashka.ru", "dina@romashka.ru"]


def test_to_another_machine_no_letter_goes_in_the_clear(brought: Bringing) -> None:
    with running(Sink("127.0.0.2")) as elsewhere:
        brought.process(**_mail(elsewhere, "private@romashka.ru")).step()
        assert not elsewhere.letters


def test_to_another_machine_a_letter_goes_encrypted(
    brought: Bringing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, tls = _certificate(tmp_path)
    with running(Sink("127.0.0.2", tls)) as elsewhere:
        process = brought.process(**_mail(elsewhere, "encrypted@romashka.ru"))
        process.step()
        assert not elsewhere.letters, "signed by nobody whom we trust"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        brought.clock.now += 60 * SECOND
        process.step()
        assert elsewhere.encrypted == 1
        assert [to for to, _ in elsewhere.letters] == ["encrypted@romashka.ru"]


def _certificate(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """Of a server at 127.0.0.2, signed by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.2"))])
    begun = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + timedelta(days=2))
        .add_extension(address, critical=True)  # of nobody by name, so it must be (RFC 5280)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = directory / "certificate.pem", directory / "key.pem"
    public.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(public, private)
    return public, tls


# ---------------------------------------------------------------------------- heads


@pytest.fixture
def head(here: Company) -> Iterator[Person]:
    """Of the team in the south."""
    south = here.director.ask("/v1/teams")["teams"][0]["team_id"]
    made = here.hire("head", team_id=south)
    yield made
    here.admin.http.delete(f"/v1/accounts/{made.account_id}").raise_for_status()


def _address(here: Company, head: Person, email: str | None, **more: str) -> None:
    here.admin.do(f"/v1/accounts/{head.account_id}/email", {"email": email, **more})


def _to_heads(sink: Sink) -> dict[str, Any]:
    return {"digest_smtp": sink.url, "digest_heads": True, "public_url": "https://deals.example.ru"}


def test_a_head_gets_the_week_of_their_team_and_once(
    brought: Bringing, here: Company, head: Person, sink: Sink
) -> None:
    """Wherever they read it."""
    here.hire("head", team_id=here.director.ask("/v1/teams")["teams"][0]["team_id"])
    process = brought.process(**_to_heads(sink))
    process.step()
    assert not sink.letters, "nobody has an address"
    _address(here, head, "irina@romashka.ru")
    process.step()
    _address(here, head, "petrova@romashka.ru")
    process.step()
    ((to, letter),) = sink.letters
    assert (to, letter["To"]) == ("irina@romashka.ru", "irina@romashka.ru")
    week = (brought.monday - WEEK).date()
    lines = letter.get_content().splitlines()
    assert lines[2] == "Команда: Юг"
    assert lines[-1] == f"https://deals.example.ru/reports/digest?week={week}&lang=ru"
    brought.clock.now += WEEK
    process.step()
    assert [to for to, _ in sink.letters[1:]] == ["petrova@romashka.ru"]
    Bringing.monday += WEEK


def test_a_head_is_told_what_they_see(
    brought: Bringing, here: Company, head: Person, sink: Sink
) -> None:
    """Of those who were in the team on the eve of the week, at its end, and are today."""
    do, (south,) = here.director.do, here.director.ask("/v1/teams")["teams"]
    north = do("/v1/teams", {"name": "Север"})["team_id"]
    for who, team in (("vera", north), ("viktor", north), ("igor", south["team_id"])):
        do("/v1/managers", {"name": who.title(), "manager_id": who, "team_id": team})
        here.act(here.deal(who, "300000000.00", title=f"У {who}"), who, "call", "2026-10-12")
    moved = {"team_id": south["team_id"], "effective_on": f"{(brought.monday - WEEK).date()}"}
    do("/v1/managers/viktor/team-changes", moved)
    do("/v1/managers/igor/team-changes", {"team_id": north, "effective_on": f"{brought.monday:%F}"})
    _address(here, head, "irina@romashka.ru")
    brought.process(**_to_heads(sink), digest_to=("dina@romashka.ru",)).step()
    assert head.ask("/v1/reports/digest")["closing"] == "49000000.00"
    assert [(to, _sum(letter)) for to, letter in sink.letters] == [
        ("dina@romashka.ru", "67 млн ₽"), ("irina@romashka.ru", "49 млн ₽"),
    ]  # fmt: skip


def _sum(letter: EmailMessage) -> str:
    (line,) = (one for one in letter.get_content().splitlines() if one.startswith("Портфель: "))
    return str(line).removeprefix("Портфель: ").split(" (")[0].replace("\N{NO-BREAK SPACE}", " ")


def test_a_head_reads_it_in_their_language(
    brought: Bringing, here: Company, head: Person, sink: Sink
) -> None:
    _address(here, head, "irina@romashka.ru", language="en")
    brought.process(**_to_heads(sink)).step()
    ((_, letter),) = sink.letters
    assert letter["Subject"].startswith("Portfolio in the week from ")
    text = letter.get_content()
    assert "Team: Юг" in text
    assert text.rstrip().endswith("&lang=en")


def test_a_heads_letter_that_was_refused_is_sent_again_and_the_doctor_tells(
    brought: Bringing, here: Company, head: Person, sink: Sink
) -> None:
    _address(here, head, "irina@romashka.ru")
    process = brought.process(**_to_heads(sink))
    week, sink.refused = (brought.monday - WEEK).date(), 1
    process.step()
    assert _said_of_the_digest(here) == [(f"{week}: arrived at 0 of 1, tries: 1", False)]
    brought.clock.now += 60 * SECOND
    process.step()
    assert _said_of_the_digest(here) == [(f"{week}: arrived at 1 of 1, tries: 2", True)]
    assert len(sink.letters) == 1


def test_whoever_leads_no_team_any_more_gets_no_letter(
    brought: Bringing, here: Company, head: Person, sink: Sink
) -> None:
    _address(here, head, "irina@romashka.ru")
    here.admin.do(f"/v1/accounts/{head.account_id}/role", {"role": "director"})
    brought.process(**_to_heads(sink)).step()
    assert not sink.letters


# ---------------------------------------------------------------------------- settings

WHOLE = {"digest_smtp": "smtps://user:word@mail.romashka.ru", "digest_to": "dina@romashka.ru"}


def test_what_is_not_set_is_not_brought(here: Company) -> None:
    assert delivering(here.service) is None
    assert len(targets_of(Settings(**WHOLE))) == 1  # type: ignore[arg-type]
    assert targets_of(Settings(digest_smtp=WHOLE["digest_smtp"], digest_heads=True)) == []


@pytest.mark.parametrize(
    "given",
    [
        {"digest_webhook": "http://example.org/hook", "digest_webhook_secret": SECRET},
        {"digest_webhook": "https://example.org/hook"},
        {"digest_webhook_secret": "whsec_c2hvcnQ="},
        {"digest_webhook_secret": SECRET.removeprefix("whsec_")},
        {"digest_webhook_secret": "whsec_это не base64"},
        {"digest_smtp": "smtp://mail.romashka.ru"},
        {"digest_to": "dina@romashka.ru"},
        {"digest_heads": True},
        {**WHOLE, "digest_smtp": "mail.romashka.ru:587"},
        {**WHOLE, "digest_to": "dina@romashka.ru, Олег"},
    ],
)
def test_settings_that_would_bring_nothing_or_tell_everybody_are_refused(
    given: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError):
        Settings(**given)
