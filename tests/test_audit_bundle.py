"""Audit bundles of a real company, and everything that somebody might do to them.

Each attack begins with a bundle that the verifier accepts. It is made on the file at home, where
the attacker may also make all hashes anew; and by a superuser with SQL on the database, who has
switched off what refuses it. What is told must name what was done.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from api import cli
from api.audit import audit_verifier
from api.audit.audit_verifier import Report, check_file, told, verify
from api.audit.bundle import bundle_lines
from api.operating.schema import migrate
from api.operating.storage import TABLES
from api.service import Service
from api.settings import Settings
from application.orders import Order
from domain.deal_commands import ReviseExpectedClose
from domain.directory_commands import RegisterManager
from domain.errors import NotFound
from domain.values import DealId, ManagerId
from projections.evidence import merkle
from projections.evidence.bundle import SharedEvidence
from projections.evidence.checkpoints import rotate
from projections.evidence.notes import (
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    cosigned,
    signed,
    verifier_key,
)
from projections.point import EVERYTHING, Knowledge, point_at, settled_at
from projections.verify import verify as verify_books
from tests.browser import page_of
from tests.conftest import new_database, reachable_directory
from tests.histories import PROFILE, examples
from tests.over_http import Company, Person, company
from tests.test_evidence import witness_key

Json = dict[str, Any]
OCTOBER = datetime(2026, 10, 20, 9, tzinfo=UTC)
TODAY = date(2026, 10, 20)


@dataclass(frozen=True)
class Books:
    """A company's books as they stand in `database`. `certified` is the last position that the
    closing of August knows, `kept` a checkpoint that somebody kept when it was closed.
    """

    database: str
    settings: Settings
    key: str
    kept: str
    certified: int
    whole: bytes
    anna: bytes
    closed: bytes
    deals: dict[str, str]
    answers: dict[str, Json]


@pytest.fixture(scope="module")
def books(shared_database: str) -> Iterator[Books]:
    with reachable_directory() as directory:
        settings = Settings(signing_key_file=directory / "signing.key")
        start = datetime(2026, 8, 2, 9, tzinfo=UTC)
        with company(shared_database, start, settings) as begun:
            deals = a_summer(begun)
            auditor = begun.hire("auditor")
            begun.service.proving.catch_up()
            kept = auditor.get("/v1/audit/checkpoint").text
            certified = int(begun.director.ask("/v1/periods")["periods"][-1]["position"]) - 1
            an_autumn(begun, deals)
            key = auditor.ask("/v1/audit/keys")["keys"][0]["vkey"]
            size = int(kept.splitlines()[1])
            whole = fetched(auditor, kept=size)
            anna = fetched(auditor, manager_id="m-1", kept=size)
            then = {"as_of": "2026-08-31", "position": certified}
            closed = fetched(auditor, manager_id="m-1", kept=size, **then)
            answers = {
                "whole": auditor.ask("/v1/portfolios"),
                "anna": auditor.ask("/v1/managers/m-1/portfolio"),
                "closed": auditor.ask("/v1/managers/m-1/portfolio", **then),
            }
        yield Books(
            shared_database, settings, key, kept, certified, whole, anna, closed, deals, answers
        )


def fetched(person: Person, **asked: object) -> bytes:
    response = person.get("/v1/audit/bundle", **asked)
    assert response.status_code == 200, response.text
    return response.content


def a_summer(begun: Company) -> dict[str, str]:
    """Anna (m-1), Boris (m-2), Vera (m-3), who has nothing, and Gleb (m-4); July and August are
    closed.
    """
    anna, boris, _, gleb = (begun.manager(name) for name in ("Анна", "Борис", "Вера", "Глеб"))
    offer = begun.kind("5.00", code="offer")
    data = begun.kind("2.00", code="data", needs_confirmation=True)
    pilot = begun.kind("25.00", code="pilot")
    setback = begun.kind("-3.00", code="setback")
    ask = begun.director.do
    deals = {
        name: begun.deal(owner, amount, on, **more)
        for name, owner, amount, on, more in (
            ("shops", anna, "400000000.00", "2026-06-10", {}),
            ("plant", anna, "333333333.33", "2026-06-12", {}),
            ("dairy", boris, "200000000.00", "2026-07-01", {}),
            ("export", anna, "7000000.01", "2026-07-02", {"currency": "USD"}),
            ("hotel", anna, "10000000.00", "2026-07-03", {}),
            ("depot", anna, "20000000.00", "2026-07-06", {}),
            ("other", gleb, "90000000.00", "2026-07-06", {}),
        )
    }
    for name in ("shops", "plant", "export", "hotel", "depot"):
        begun.act(deals[name], anna, offer, "2026-07-07")
    shared = [{"manager_id": anna, "weight": "3.00"}, {"manager_id": boris, "weight": "2.00"}]
    ask(
        f"/v1/deals/{deals['dairy']}/actions",
        {"action_type": offer, "effective_on": "2026-07-08", "credits": shared},
    )
    begun.act(deals["other"], gleb, pilot, "2026-07-09")
    begun.director.do("/v1/periods/2026-07/closing", {})
    begun.clock.now = datetime(2026, 9, 2, 9, tzinfo=UTC)
    claim = begun.act(deals["shops"], anna, data, "2026-08-03")
    ask(f"/v1/deals/{deals['shops']}/actions/{claim}/confirmation", {})
    begun.act(deals["shops"], boris, pilot, "2026-08-04")
    begun.act(deals["shops"], boris, setback, "2026-08-20")
    begun.act(deals["plant"], anna, data, "2026-08-05")
    handing = {"to_manager_id": boris, "transfer_credit": True, "reason": "отпуск"}
    ask(f"/v1/deals/{deals['plant']}/handovers", {**handing, "effective_on": "2026-08-15"})
    suspended = {"effective_on": "2026-08-17", "reason": "бюджет", "review_on": "2026-11-01"}
    ask(f"/v1/deals/{deals['hotel']}/suspension", suspended)
    won = {"contract_amount": "19000000.00"}
    ask(f"/v1/deals/{deals['depot']}/win", {**won, "effective_on": "2026-08-18"})
    begun.director.do("/v1/periods/2026-08/closing", {})
    return deals


def an_autumn(begun: Company, deals: dict[str, str]) -> None:
    begun.clock.now = OCTOBER
    begun.act(deals["shops"], "m-1", "pilot", "2026-10-05")
    begun.act(deals["dairy"], "m-1", "offer", "2026-09-05")
    check = {"amount": "450000000.00", "reason": "шире"}
    path = f"/v1/deals/{deals['shops']}"
    begun.director.do(f"{path}/check-revisions", {**check, "effective_on": "2026-09-10"})
    lost = {"reason": "цена", "effective_on": "2026-10-01"}
    begun.director.do(f"/v1/deals/{deals['export']}/loss", lost)
    begun.deal("m-1", "5000000.00", "2026-10-02")


# ---------------------------------------------------------------------------- what is accepted


def lines(bundle: bytes) -> list[bytes]:
    return bundle.splitlines(keepends=True)


def checked(bundle: bytes, key: str | None = None, kept: str | None = None) -> Report:
    return verify(lines(bundle), key, kept)


def found(report: Report) -> list[str]:
    return [what for what, _ in report.wrong]


def open_(report: Report) -> set[str]:
    return {what for what, _ in report.unchecked}


@pytest.mark.parametrize("which", ["whole", "anna", "closed"])
def test_a_bundle_as_it_was_fetched_holds(books: Books, which: str) -> None:
    report = checked(getattr(books, which), books.key, books.kept)
    assert report.wrong == []
    assert "whose-key" not in open_(report)
    assert "no-kept" not in open_(report)


def test_what_is_not_proven_is_said(books: Books) -> None:
    assert open_(checked(books.whole)) == {"whose-key", "no-kept", "world"}
    anna = checked(books.anna, books.key, books.kept)
    assert open_(anna) == {"since-closing", "certified-itself", "world"}
    closed = checked(books.closed, books.key, books.kept)
    assert open_(closed) == {"certified-itself", "world"}


def test_the_claimed_result_is_what_the_portfolio_answers(books: Books) -> None:
    for bundle, answer in (
        (books.anna, books.answers["anna"]),
        (books.closed, books.answers["closed"]),
        (books.whole, books.answers["whole"]),
    ):
        result = json.loads(lines(bundle)[-1])["result"]
        assert result == without_names(answer) | {"known_at": result["known_at"]}


def without_names(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {key: without_names(one) for key, one in answer.items() if key != "name"}
    return [without_names(one) for one in answer] if isinstance(answer, list) else answer


def test_it_is_for_those_who_audit(database: str) -> None:
    with reachable_directory() as directory:
        settings = Settings(signing_key_file=directory / "signing.key")
        with company(database, OCTOBER, settings) as begun:
            manager = begun.manager()
            for role in ({"role": "manager", "manager_id": manager}, {"role": "admin"}):
                for path in ("/v1/audit/bundle", "/v1/audit/verifier"):
                    assert begun.hire(**role).get(path).status_code == 403
            nobody = begun.director.get("/v1/audit/bundle", manager_id="nobody")
            assert nobody.status_code == 404
            packed = begun.director.get("/v1/audit/bundle", manager_id=manager)
            assert packed.headers["content-encoding"] == "gzip"
            assert packed.headers["content-type"] == "application/jsonl"
            assert packed.headers["content-disposition"].startswith("attachment; filename=")
            assert checked(packed.content).holds
            program = begun.director.get("/v1/audit/verifier").content
            assert program == Path(audit_verifier.__file__).read_bytes()


def test_the_page_leads_to_the_bundle_that_its_form_asks_for(database: str) -> None:
    """By the session's cookie, as a browser has it; what is left empty is not asked."""
    with reachable_directory() as directory:
        settings = Settings(signing_key_file=directory / "signing.key")
        with company(database, OCTOBER, settings) as begun:
            manager = begun.manager()
            begun.service.proving.catch_up()
            browser = page_of(begun, begun.hire("auditor"))
            shown = browser.get("/log/evidence").text
            assert f'<option value="{manager}">' in shown
            assert 'href="/v1/audit/verifier"' in shown
            form = f"manager_id={manager}&as_of=2026-10-19&known_at=&kept="
            led = browser.get(f"/log/evidence/bundle?{form}")
            assert led.status_code == 303
            bundle = browser.get(led.headers["location"])
            assert checked(bundle.content).holds
            head = json.loads(lines(bundle.content)[0])
            assert (head["manager_id"], head["as_of"]) == (manager, "2026-10-19")
            assert browser.get("/v1/audit/verifier").status_code == 200


def test_without_a_key_there_is_no_bundle(database: str) -> None:
    with company(database, OCTOBER) as begun:
        assert begun.director.get("/v1/audit/bundle").status_code == 404


# ---------------------------------------------------------------------------- attacks on the file


class Forged:
    """A bundle's lines in the hands of somebody who changes them."""

    def __init__(self, bundle: bytes) -> None:
        self.lines: list[Any] = [json.loads(line) for line in lines(bundle)]

    @property
    def head(self) -> Json:
        head: Json = self.lines[0]
        return head

    @property
    def result(self) -> Json:
        result: Json = self.lines[-1]["result"]
        return result

    def events(self) -> Iterator[Json]:
        for line in self.lines:
            if "event" in line:
                yield line["event"]
            yield from line.get("stream", {}).get("events", [])

    def event(self, kind: str, deal: str | None = None) -> Json:
        """The first of its type, and of the deal."""
        return next(
            one for one in self.events() if one["type"] == kind and deal in (None, one["stream_id"])
        )

    def line(self, kind: str) -> Json:
        return next(line[kind] for line in self.lines if kind in line)

    def stream(self, deal: str) -> Json:
        return next(
            line["stream"] for line in self.lines if line.get("stream", {}).get("stream_id") == deal
        )

    @property
    def bytes(self) -> bytes:
        packed = (
            json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in self.lines
        )
        return "".join(f"{line}\n" for line in packed).encode()

    def rehash(self) -> None:
        """All that a file says of itself by hashes, but for what is signed."""
        for events in self._streams().values():
            before = None
            for event in events:
                leaf = audit_verifier.Event.read({**event, "leaf": "00" * 32}).leaf(before)
                event["leaf"], before = leaf.hex(), leaf

    def _streams(self) -> dict[str, list[Json]]:
        streams: dict[str, list[Json]] = {}
        for event in self.events():
            streams.setdefault(event["stream_id"], []).append(event)
        return streams

    def sign(self, key: Ed25519PrivateKey, *, known: bool = True) -> None:
        """The root of the whole log as it now is, by somebody's key; `known` puts it on show."""
        self.rehash()
        origin = self.head["origin"]
        leaves = [bytes.fromhex(one["leaf"]) for one in self.events()]
        whole = Checkpoint(origin, len(leaves), audit_verifier.root_of(leaves))
        self.head["checkpoint"] = str(signed(whole.text, origin, key))
        if known:
            self.head["keys"] = [verifier_key(origin, key).text]


Attack = Callable[[Forged, Books], None]
FILE_ATTACKS: dict[str, tuple[str, str, Attack]] = {}
"""By name: the bundle, what is told, and what is done."""


def attack(which: str, told_: str) -> Callable[[Attack], Attack]:
    def kept(done: Attack) -> Attack:
        FILE_ATTACKS[done.__name__] = which, told_, done
        return done

    return kept


@attack("anna", "event-changed")
def an_amount_is_raised(forged: Forged, books: Books) -> None:
    opening = forged.event("DealOpened", books.deals["shops"])
    opening["data"]["potential_check"]["amount"] = "900000000.00"


@attack("anna", "other-root")
def an_amount_is_raised_and_all_hashes_made_anew(forged: Forged, books: Books) -> None:
    an_amount_is_raised(forged, books)
    forged.rehash()


@attack("closed", "other-history")
def an_amount_is_raised_and_the_closing_disagrees(forged: Forged, books: Books) -> None:
    an_amount_is_raised_and_all_hashes_made_anew(forged, books)


@attack("anna", "event-changed")
def a_weight_is_raised(forged: Forged, books: Books) -> None:
    action = forged.event("ActionPerformed", books.deals["shops"])
    action["data"]["credits"][0]["weight"] = "50.00"


@attack("anna", "event-changed")
def a_date_is_moved(forged: Forged, books: Books) -> None:
    forged.event("ActionPerformed", books.deals["shops"])["effective_on"] = "2026-06-11"


@attack("anna", "event-changed")
def another_is_named_as_author(forged: Forged, books: Books) -> None:
    forged.event("ActionConfirmed", books.deals["shops"])["actor"] = "m-2"


@attack("anna", "event-changed")
def it_was_recorded_earlier(forged: Forged, _books: Books) -> None:
    forged.event("PotentialCheckRevised")["recorded_at"] = "2026-09-10T10:00:00.000000Z"


@attack("anna", "event-changed")
def one_kind_of_event_is_called_another(forged: Forged, _books: Books) -> None:
    forged.event("DealLost")["type"] = "DealSuspended"


@attack("anna", "version-missing")
def an_event_is_dropped_from_the_middle_of_a_deal(forged: Forged, books: Books) -> None:
    del forged.stream(books.deals["shops"])["events"][2]


@attack("anna", "event-changed")
def an_event_is_dropped_and_the_others_renumbered(forged: Forged, books: Books) -> None:
    an_event_is_dropped_from_the_middle_of_a_deal(forged, books)
    for number, event in enumerate(forged.stream(books.deals["shops"])["events"], 1):
        event["version"] = number


@attack("closed", "wrong-index")
def an_event_is_dropped_from_the_end_of_a_deal(forged: Forged, books: Books) -> None:
    forged.stream(books.deals["shops"])["events"].pop()


@attack("closed", "other-history")
def the_end_of_a_deal_is_dropped_with_a_proof_of_what_is_left(forged: Forged, books: Books) -> None:
    """As whoever runs the service could make it: the event before is in the tree, too."""
    stream = forged.stream(books.deals["shops"])
    stream["events"].pop()
    stream["index"] = stream["events"][-1]["position"] - 1
    proven_anew(forged, books)


def proven_anew(forged: Forged, books: Books) -> None:
    """The nodes beside what is now shown, out of the whole log."""
    log = [json.loads(line)["event"]["leaf"] for line in lines(books.whole)[1:-1]]
    heads = {line["stream"]["index"] for line in forged.lines if "stream" in line}
    heads |= {
        line["closing"]["event"]["position"] - 1 for line in forged.lines if "closing" in line
    }
    read = merkle.in_memory([*map(bytes.fromhex, log)])
    beside = merkle.nodes_beside(sorted(heads), len(log))
    nodes = forged.line("nodes")
    nodes.clear()
    nodes |= {
        f"{node.level}/{node.at}": b64encode(one).decode()
        for node, one in zip(beside, read(beside), strict=True)
    }


@attack("anna", "out-of-order")
def two_events_are_swapped(forged: Forged, books: Books) -> None:
    events = forged.stream(books.deals["shops"])["events"]
    events[1], events[2] = events[2], events[1]
    events[1]["version"], events[2]["version"] = events[2]["version"], events[1]["version"]


@attack("whole", "event-changed")
def two_events_change_places_in_the_log(forged: Forged, _books: Books) -> None:
    one = forged.event("PotentialCheckRevised")
    other = forged.event("DealLost")
    places = [forged.lines.index({"event": event}) for event in (one, other)]
    one["position"], other["position"] = other["position"], one["position"]
    forged.lines[places[0]], forged.lines[places[1]] = {"event": other}, {"event": one}


@attack("anna", "event-changed")
def an_event_is_inserted(forged: Forged, books: Books) -> None:
    events = forged.stream(books.deals["shops"])["events"]
    more = deepcopy(events[1])
    more["data"]["action_id"] = "0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"
    more["position"] += 1
    events.insert(2, more)
    for number, event in enumerate(events, 1):
        event["version"] = number


@attack("anna", "out-of-order")
def an_event_is_put_in_the_place_where_the_closing_is_proven(forged: Forged, books: Books) -> None:
    stream, closing = forged.stream(books.deals["hotel"]), forged.line("closing")["event"]
    more = deepcopy(stream["events"][-1]) | {
        "type": "DealLost",
        "data": {"reason": "цена"},
        "effective_on": "2026-09-01",
        "position": closing["position"],
        "recorded_at": closing["recorded_at"],
        "version": len(stream["events"]) + 1,
    }
    stream["events"].append(more)
    stream["index"] = closing["position"] - 1
    before = bytes.fromhex(stream["events"][-2]["leaf"])
    more["leaf"] = audit_verifier.Event.read(more).leaf(before).hex()
    proven_anew(forged, books)


@attack("closed", "deal-left-out")
def a_deal_is_left_out(forged: Forged, books: Books) -> None:
    forged.lines.remove({"stream": forged.stream(books.deals["plant"])})
    proven_anew(forged, books)


@attack("closed", "proof-incomplete")
def a_deal_is_left_out_without_another_proof(forged: Forged, books: Books) -> None:
    forged.lines.remove({"stream": forged.stream(books.deals["plant"])})


@attack("closed", "rows-changed")
def a_managers_row_is_altered(forged: Forged, _books: Books) -> None:
    rows = forged.line("closing")["rows"]
    next(row for row in rows if row["manager_id"] == "m-1")["active"] = "1.00"


@attack("closed", "proof-incomplete")
def a_managers_row_is_taken_out(forged: Forged, _books: Books) -> None:
    forged.line("closing")["rows"].pop(0)
    forged.line("closing")["first"] += 1


@attack("closed", "no-neighbours")
def the_rows_end_before_the_next_manager(forged: Forged, books: Books) -> None:
    """And a deal with them: the rows left are proven, and say nothing of what stands behind."""
    shown = forged.line("closing")
    *left, _next = shown["rows"]
    gone = next(row for row in left[::-1] if row["manager_id"] == "m-1")
    shown["rows"] = left[: left.index(gone)]
    certified = audit_verifier.Closing.read(audit_verifier.Event.read(shown["event"]))
    whole = audit_verifier.Log()
    for line in lines(books.whole)[1:-1]:
        audit_verifier.add(Report(), whole, audit_verifier.Event.read(json.loads(line)["event"]))
    held = {deal: audit_verifier.holders(events) for deal, events in whole.deals.items()}
    rows = audit_verifier.certified_rows(whole, certified.as_of, certified.position, held)
    hashes = [audit_verifier.leaf_hash(audit_verifier.canonical(row)) for row in rows]
    assert audit_verifier.root_of(hashes) == certified.root
    beside = merkle.nodes_beside(range(len(shown["rows"])), len(hashes))
    shown["nodes"] = {
        f"{node.level}/{node.at}": b64encode(one).decode()
        for node, one in zip(beside, merkle.in_memory(hashes)(beside), strict=True)
    }


@attack("closed", "event-changed")
def the_closing_certifies_other_rows(forged: Forged, _books: Books) -> None:
    shown = forged.line("closing")
    row = next(row for row in shown["rows"] if row["manager_id"] == "m-1")
    row["active"] = "1.00"
    shown["event"]["completeness"] |= {
        "root": audit_verifier.leaf_hash(audit_verifier.canonical(row)).hex()
    }


@attack("closed", "closing-misshapen")
def the_closing_is_of_another_month(forged: Forged, _books: Books) -> None:
    forged.line("closing")["event"]["completeness"]["as_of"] = "2026-09-30"


@attack("whole", "wrong-count")
def the_tail_of_the_log_is_cut(forged: Forged, _books: Books) -> None:
    del forged.lines[-4:-1]


@attack("whole", "position-missing")
def an_event_is_taken_out_of_the_log(forged: Forged, _books: Books) -> None:
    del forged.lines[20]


@attack("whole", "event-changed")
def the_totals_of_a_closing_are_altered(forged: Forged, _books: Books) -> None:
    forged.event("PeriodClosed")["data"]["totals"][0]["active"] = "1.00"


@attack("anna", "not-signed")
def the_signature_is_of_something_else(forged: Forged, _books: Books) -> None:
    text, _, signature = forged.head["checkpoint"].rpartition("\n\n")
    origin, size, root = text.split("\n")
    forged.head["checkpoint"] = f"{origin}\n{int(size) + 1}\n{root}\n\n{signature}"


@attack("anna", "not-signed")
def the_root_is_another(forged: Forged, _books: Books) -> None:
    text, _, signature = forged.head["checkpoint"].rpartition("\n\n")
    origin, size, _ = text.split("\n")
    other = b64encode(b"\0" * 32).decode()
    forged.head["checkpoint"] = f"{origin}\n{size}\n{other}\n\n{signature}"


@attack("anna", "other-log")
def it_is_said_to_be_of_another_log(forged: Forged, _books: Books) -> None:
    forged.head["origin"] = "example.org/log/0"


@attack("anna", "figure-differs")
def a_figure_does_not_follow(forged: Forged, _books: Books) -> None:
    forged.result["currencies"][0]["deals"][0]["active"] = "999999999.00"


@attack("anna", "figure-differs")
def a_deal_is_missing_in_the_result(forged: Forged, _books: Books) -> None:
    forged.result["currencies"][0]["deals"].pop()


@attack("anna", "figure-differs")
def a_deal_is_invented_in_the_result(forged: Forged, _books: Books) -> None:
    deals = forged.result["currencies"][0]["deals"]
    deals.append(deals[0] | {"deal_id": "0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"})


@attack("anna", "twice-in-result")
def a_deal_is_twice_in_the_result(forged: Forged, _books: Books) -> None:
    deals = forged.result["currencies"][0]["deals"]
    deals.append(deals[0])


@attack("whole", "figure-differs")
def a_total_of_everybody_does_not_follow(forged: Forged, _books: Books) -> None:
    forged.result["currencies"][0]["total"]["won"] = "19000000.01"


@attack("anna", "figure-differs")
def the_question_was_about_another_day(forged: Forged, _books: Books) -> None:
    forged.head["as_of"] = "2026-09-30"


@attack("anna", "not-a-bundle")
def the_day_is_written_in_a_way_of_its_own(forged: Forged, _books: Books) -> None:
    forged.head["as_of"] = forged.result["as_of"] = "20261020"


@attack("anna", "wrong-point")
def it_is_said_to_have_been_known_earlier(forged: Forged, _books: Books) -> None:
    forged.head["known_at"] = forged.result["known_at"] = "2026-09-30T23:59:59.999999+03:00"


@attack("closed", "wrong-point")
def less_is_said_to_have_been_known(forged: Forged, _books: Books) -> None:
    forged.head["known_at"] = forged.result["known_at"] = "2026-10-30T23:59:59.999999+03:00"
    forged.head["position"] -= 8
    forged.result["position"] -= 8


@attack("anna", "unknown-line")
def a_deal_is_shown_twice(forged: Forged, books: Books) -> None:
    forged.lines.insert(1, {"stream": forged.stream(books.deals["shops"])})


@attack("anna", "unknown-line")
def a_line_of_another_kind_is_among_them(forged: Forged, _books: Books) -> None:
    forged.lines.insert(1, {"correction": {}})


@attack("anna", "event-misshapen")
def an_event_has_a_field_that_nothing_proves(forged: Forged, _books: Books) -> None:
    forged.event("DealOpened")["approved_by"] = "director"


@attack("anna", "not-a-bundle")
def the_rules_are_others(forged: Forged, _books: Books) -> None:
    forged.head["rules"] = "dealfolio-books/2"


@attack("anna", "misshapen")
def a_part_has_not_its_shape(forged: Forged, _books: Books) -> None:
    forged.line("closing")["nodes"] = []


@attack("anna", "kept-no-proof")
def the_proof_is_for_another_checkpoint(forged: Forged, _books: Books) -> None:
    forged.head["consistency"]["from_size"] -= 1


@attack("anna", "rewritten")
def the_proof_of_consistency_is_another(forged: Forged, _books: Books) -> None:
    forged.head["consistency"]["hashes"].reverse()


@attack("whole", "wrong-key")
def all_is_rewritten_and_signed_by_another_key(forged: Forged, books: Books) -> None:
    an_amount_is_raised(forged, books)
    forged.sign(Ed25519PrivateKey.generate())


@attack("whole", "kept-not-signed")
def all_is_signed_by_another_key_and_something_was_kept(forged: Forged, _books: Books) -> None:
    forged.sign(Ed25519PrivateKey.generate())


CAREFUL = {
    the_end_of_a_deal_is_dropped_with_a_proof_of_what_is_left,
    a_deal_is_left_out,
    the_rows_end_before_the_next_manager,
}
"""What is shown is proven: only the closing tells."""


@pytest.mark.parametrize("name", FILE_ATTACKS)
def test_what_is_done_to_the_file_is_told(books: Books, name: str) -> None:
    which, expected, done = FILE_ATTACKS[name]
    bundle: bytes = getattr(books, which)
    assert checked(bundle, books.key, books.kept).holds
    forged = Forged(bundle)
    assert checked(forged.bytes, books.key, books.kept).holds, "to write it anew changes nothing"
    done(forged, books)
    key = None if expected == "not-signed" else books.key
    report = checked(forged.bytes, key, books.kept)
    assert expected in found(report)
    claimed = {"deal-left-out": "complete", "figure-differs": "figures"}.get(expected)
    assert claimed not in [what for what, _ in report.checked]
    if done in CAREFUL:
        assert {"event-changed", "other-root", "proof-incomplete"}.isdisjoint(found(report))
    for language in ("ru", "en"):
        assert told(report, language)


def test_the_changed_event_is_named_and_no_other(books: Books) -> None:
    for bundle in (books.anna, books.whole):
        forged = Forged(bundle)
        an_amount_is_raised(forged, books)
        opening = forged.event("DealOpened", books.deals["shops"])
        changed = [facts for what, facts in checked(forged.bytes).wrong if what == "event-changed"]
        place = {"position": opening["position"], "stream": books.deals["shops"]}
        assert changed == [{**place, "type": "DealOpened"}]


def test_the_figure_is_named_with_what_follows(books: Books) -> None:
    forged = Forged(books.anna)
    a_figure_does_not_follow(forged, books)
    deal = forged.result["currencies"][0]["deals"][0]["deal_id"]
    true = json.loads(lines(books.anna)[-1])["result"]["currencies"][0]["deals"][0]["active"]
    assert checked(forged.bytes).wrong == [
        (
            "figure-differs",
            {
                "path": f"currencies / RUB / deals / {deal} / active",
                "stated": "999999999.00",
                "follows": true,
            },
        )
    ]


# ---------------------------------------------------------------------------- what is no bundle


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        (
            "a key twice",
            lambda one: one.replace(b'"version":', b'"version":1,"version":', 1),
            "not-json",
        ),
        ("a float", lambda one: one.replace(b'"version":1,', b'"version":1.0,', 1), "not-json"),
        ("an exponent", lambda one: one.replace(b'"version":1,', b'"version":1e0,', 1), "not-json"),
        (
            "too large",
            lambda one: one.replace(b'"version":1,', b'"version":9007199254740993,', 1),
            "not-json",
        ),
        (
            "infinity",
            lambda one: one.replace(b'"version":1,', b'"version":Infinity,', 1),
            "not-json",
        ),
        (
            "true for 1",
            lambda one: one.replace(b'"version":1,', b'"version":true,', 1),
            "event-misshapen",
        ),
        ("no UTF-8", lambda one: one.replace("Ромашка".encode(), b"\xff", 1), "not-json"),
        ("half a pair", lambda one: one.replace("Ромашка".encode(), rb"\ud800", 1), "not-json"),
        ("deep", lambda one: one.replace(b'"data":', b'"data":' + b"[" * 100_000, 1), "not-json"),
        ("garbage behind", lambda one: one + b"garbage", "after-the-end"),
        ("an empty line behind", lambda one: one + b"\n", "after-the-end"),
        ("a second result", lambda one: one + one.splitlines(keepends=True)[-1], "after-the-end"),
        ("cut", lambda one: b"".join(one.splitlines(keepends=True)[:-1]), "cut-short"),
        ("torn", lambda one: one[:-100], "not-json"),
        ("an array", lambda one: one.replace(one.splitlines()[1], b"[]", 1), "not-json"),
        ("empty", lambda _one: b"", "cut-short"),
        ("a page", lambda _one: b"<!doctype html>", "not-json"),
        ("another file", lambda _one: b'{"bundle":"x"}', "not-a-bundle"),
        (
            "a note that is none",
            lambda one: one.replace(b'"checkpoint":"', b'"checkpoint":"x', 1).replace(b"\\n", b" "),
            "checkpoint-unreadable",
        ),
    ],
)
def test_what_can_be_read_in_two_ways_is_not_read(
    books: Books, name: str, change: Callable[[bytes], bytes], expected: str
) -> None:
    changed = change(books.anna)
    assert changed != books.anna, name
    assert expected in found(checked(changed)), name


@given(st.sampled_from(["whole", "anna", "closed"]), st.randoms(use_true_random=False))
@examples(60)
def test_whatever_stands_in_the_place_of_a_value_is_told_and_stops_nothing(
    books: Books, which: str, chance: Random
) -> None:
    """Also a closing's total that is no number."""
    forged = Forged(getattr(books, which))
    if which == "whole":  # of the whole log nobody needs to be shown that it begins with a part
        del forged.head["consistency"]
    holder, name = chance.choice([*places(forged.lines)])
    was = holder[name]
    holder[name] = chance.choice(["abc", "", "9" * 5_000, None, True, 0, -1, 2**53 - 1, [], {}])
    report = checked(forged.bytes, books.key, books.kept)
    assert report.holds == (type(holder[name]) is type(was) and holder[name] == was)
    for language in ("ru", "en"):
        assert told(report, language)


def places(thing: Any) -> Iterator[tuple[Any, Any]]:
    """Every list and object in it, with a place of it."""
    if isinstance(thing, dict | list):
        for name, one in [*(thing.items() if isinstance(thing, dict) else enumerate(thing))]:
            yield thing, name
            yield from places(one)


# ---------------------------------------------------------------------------- keys


def test_a_kept_checkpoint_may_be_of_another_log_or_none_or_greater(books: Books) -> None:
    def told_of(kept: str) -> list[str]:
        return found(checked(books.anna, books.key, kept))

    size = int(books.kept.splitlines()[1])
    assert told_of("something else") == ["kept-unreadable"]
    assert told_of(books.kept.replace("dealfolio/log", "example/log")) == ["kept-other-log"]
    assert told_of(books.kept.replace(f"\n{size}\n", f"\n{size + 1}\n")) == ["kept-not-signed"]
    newest_ = json.loads(lines(books.anna)[0])["checkpoint"]
    assert told_of(newest_) == ["kept-no-proof"]
    older = Forged(books.anna)
    older.head["checkpoint"] = books.kept
    assert "cut-off" in found(checked(older.bytes, books.key, newest_))


def test_a_key_that_is_none_is_told(books: Books) -> None:
    for key in ("", "a+b+c", books.key[:-4] + "AAA=", books.key.replace("+", "-")):
        assert found(checked(books.anna, key or "x")) == ["key-unreadable"]
    other = verifier_key(books.key.split("+")[0], Ed25519PrivateKey.generate()).text
    assert found(checked(books.anna, other)) == ["wrong-key"]


# ---------------------------------------------------------------------------- witnesses


WITNESS, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
TRUSTED = witness_key(WITNESS)
SEEN_AT, SEEN = 1_792_487_999, "2026-10-20 09:19:59 UTC"


def seen(
    checkpoint: str,
    *,
    by: Ed25519PrivateKey = WITNESS,
    key: VerifierKey = TRUSTED,
    at: int = SEEN_AT,
    told_at: int | None = None,
    of: str | None = None,
) -> str:
    """The checkpoint with a witness's line below it; it may tell another key and time than those
    by which it was signed, and be `of` another checkpoint.
    """
    signature = by.sign(cosigned(at, Note.parse(of or checkpoint).text).encode())
    said = (at if told_at is None else told_at).to_bytes(8, "big")
    return checkpoint + Signature(key.name, key.hash, said + signature).line


def with_checkpoint(bundle: bytes, change: Callable[[str], str]) -> bytes:
    forged = Forged(bundle)
    forged.head["checkpoint"] = change(forged.head["checkpoint"])
    return forged.bytes


def facts_of(findings: list[audit_verifier.Finding], what: str) -> list[Json]:
    return [dict(facts) for one, facts in findings if one == what]


def test_which_witness_has_signed_which_checkpoint_and_when_is_told(books: Books) -> None:
    size = int(json.loads(lines(books.anna)[0])["checkpoint"].splitlines()[1])
    kept_size = int(books.kept.splitlines()[1])
    told_ = {"witness": TRUSTED.name, "at": SEEN}

    report = verify(lines(with_checkpoint(books.anna, seen)), books.key, books.kept, [TRUSTED.text])
    assert report.wrong == []
    assert facts_of(report.checked, "cosigned") == [told_ | {"size": size}]
    assert {"not-trusted", "unwitnessed"}.isdisjoint(open_(report))
    for language in ("ru", "en"):
        assert f"{TRUSTED.name} " in told(report, language)
        assert SEEN in told(report, language)

    report = verify(lines(books.anna), books.key, seen(books.kept), [TRUSTED.text])
    assert report.wrong == []
    assert facts_of(report.checked, "cosigned") == [told_ | {"size": kept_size}]
    unseen = {"witness": TRUSTED.name, "first": kept_size + 1, "last": size}
    assert facts_of(report.unchecked, "unwitnessed") == [unseen]


def test_a_signature_of_somebody_unknown_is_said_not_to_be_checked(books: Books) -> None:
    """Whatever it is: nobody can tell. Also beside that of a witness who is trusted."""
    other = witness_key(STRANGER, "other.example")
    unknown = with_checkpoint(books.anna, lambda note: seen(note, key=other))
    for bundle, trusted in ((unknown, []), (with_checkpoint(unknown, seen), [TRUSTED.text])):
        report = verify(lines(bundle), books.key, books.kept, trusted)
        assert report.wrong == []
        (facts,) = facts_of(report.unchecked, "not-trusted")
        assert facts["names"] == other.name


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("none", lambda note, _: note, "no-witness"),
        ("by another's key", lambda note, _: seen(note, by=STRANGER), "not-cosigned"),
        (
            "by another's key, which it names",
            lambda note, _: seen(note, by=STRANGER, key=witness_key(STRANGER)),
            "other-witness",
        ),
        ("of another checkpoint", lambda note, kept: seen(note, of=kept), "not-cosigned"),
        ("at another time", lambda note, _: seen(note, told_at=SEEN_AT - 86_400), "not-cosigned"),
        ("in no year", lambda note, _: seen(note, at=253_402_300_800), "not-cosigned"),
        (
            "by its key, as logs sign",
            lambda note, _: str(signed(Note.parse(note).text, TRUSTED.name, WITNESS)).replace(
                Note.parse(note).text + "\n", note
            ),
            "other-witness",
        ),
        ("beside one that is", lambda note, _: seen(seen(note), by=STRANGER), "not-cosigned"),
    ],
)
def test_what_a_witness_has_not_signed_is_refused(
    books: Books, name: str, change: Callable[[str, str], str], expected: str
) -> None:
    assert verify(lines(with_checkpoint(books.anna, seen)), witnesses=[TRUSTED.text]).holds
    bundle = with_checkpoint(books.anna, lambda note: change(note, books.kept))
    report = verify(lines(bundle), books.key, books.kept, [TRUSTED.text])
    assert found(report) == [expected], name
    for language in ("ru", "en"):
        assert TRUSTED.name in told(report, language)


def test_what_was_kept_counts_for_a_witness_only_where_this_log_begins_with_it(
    books: Books,
) -> None:
    other = Forged(books.anna)
    other.head["consistency"]["hashes"].reverse()
    report = verify(lines(other.bytes), books.key, seen(books.kept), [TRUSTED.text])
    assert found(report) == ["rewritten", "no-witness"]


def test_a_key_of_no_witness_is_told(books: Books) -> None:
    for key in ("x", "", books.key, TRUSTED.text[:-4] + "AAA="):
        assert found(verify(lines(books.anna), None, None, [key])) == ["witness-unreadable"]


# ---------------------------------------------------------------------------- attacks by SQL


class Copy(NamedTuple):
    """The same books in a database of their own, with the key in a folder of its own; and a
    superuser in it whom nothing refuses.
    """

    database: str
    settings: Settings
    superuser: psycopg.Connection[Any]

    def bundle(
        self,
        manager: str | None = None,
        position: int | None = None,
        as_of: date = TODAY,
        kept: int | None = None,
    ) -> bytes:
        with self.serving() as service, service.asking() as cursor:
            knowledge = EVERYTHING if position is None else Knowledge(position=position)
            point = settled_at(cursor, service.clock, as_of, knowledge)
            who = None if manager is None else ManagerId(manager)
            return b"".join(bundle_lines(service, cursor, point, who, kept))

    @contextmanager
    def serving(self) -> Iterator[Service]:
        service = Service(self.database, self.settings, lambda: OCTOBER)
        try:
            yield service
        finally:
            service.close()

    def forget_what_was_signed(self) -> None:
        """In the database, and beside the key."""
        self.superuser.execute(
            "TRUNCATE evidence.tiles, evidence.closings,"
            " evidence.cosignatures, evidence.checkpoints"
        )
        key = Path(str(self.settings.signing_key_file))
        for other in key.parent.iterdir():
            if other != key:
                other.unlink()


@pytest.fixture
def copy(books: Books, server: str, tmp_path: Path) -> Iterator[Copy]:
    name = str(conninfo_to_dict(books.database)["dbname"])
    (tmp_path / "keys").mkdir()
    key = shutil.copy(str(books.settings.signing_key_file), tmp_path / "keys" / "own.key")
    settings = books.settings.model_copy(update={"signing_key_file": Path(key)})
    with (
        new_database(server, name) as database,
        psycopg.connect(database, autocommit=True) as superuser,
    ):
        for table in TABLES:
            superuser.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield Copy(database, settings, superuser)


_STATE = "UPDATE books.events SET state = convert_to({}, 'UTF8') WHERE {}"
_TEXT = "convert_from(state, 'UTF8')"
SHOPS = "originator_id = %(shops)s AND topic = '{}'"
SQL_ATTACKS: dict[str, tuple[str, str]] = {
    "an amount": (
        _STATE.format(
            f"replace({_TEXT}, '400000000.00', '900000000.00')", SHOPS.format("DealOpened")
        ),
        "event-changed",
    ),
    "a weight": (
        _STATE.format(f"replace({_TEXT}, '5.00', '50.00')", SHOPS.format("ActionPerformed")),
        "event-changed",
    ),
    "a date": (
        _STATE.format(
            f"replace({_TEXT}, '2026-07-07', '2026-06-11')", SHOPS.format("ActionPerformed")
        ),
        "event-changed",
    ),
    "an author": (
        _STATE.format(
            f"""regexp_replace({_TEXT}, '"actor":"[^"]*"', '"actor":"m-2"')""",
            SHOPS.format("ActionConfirmed"),
        ),
        "event-changed",
    ),
    "a certified total, into what is no number": (
        _STATE.format(
            f"""regexp_replace({_TEXT}, '"active":"[^"]*"', '"active":"abc"')""",
            "topic = 'PeriodClosed'",
        ),
        "event-changed",
    ),
    "a type": (
        "UPDATE books.events SET topic = 'DealSuspended' WHERE topic = 'DealLost'",
        "event-changed",
    ),
    "deleted from the middle": (
        "DELETE FROM books.events WHERE originator_id = %(shops)s AND originator_version = 3",
        "position-missing",
    ),
    "the end of the log is deleted": (
        "DELETE FROM books.events WHERE notification_id > %(size)s - 3",
        "wrong-count",
    ),
    "two change places": (
        "UPDATE books.events SET notification_id = CASE notification_id"
        " WHEN 12 THEN 1000013 ELSE 1000012 END WHERE notification_id IN (12, 13);"
        " UPDATE books.events SET notification_id = notification_id - 1000000"
        " WHERE notification_id > 1000000",
        "position-missing",
    ),
    "one is inserted and the others moved on": (
        "UPDATE books.events SET notification_id = notification_id + 1000000"
        " WHERE notification_id > 20;"
        " UPDATE books.events SET notification_id = notification_id - 999999"
        " WHERE notification_id > 1000000;"
        " INSERT INTO books.events (originator_id, originator_version, topic, state,"
        " notification_id, recorded_at) SELECT gen_random_uuid(), 1, topic, state, 21, recorded_at"
        " FROM books.events WHERE notification_id = 20",
        "position-missing",
    ),
    "the ledger": (
        "UPDATE ledger.postings SET amount = amount * 2 WHERE account = 'active';"
        " DELETE FROM ledger.snapshots; DELETE FROM ledger.cuts",
        "figure-differs",
    ),
    "the leaf in the tree, too": (
        "UPDATE evidence.tiles SET hashes = overlay(hashes PLACING sha256('x') FROM 1)"
        " WHERE level = 0",
        "event-changed",
    ),
    "the root that a closing has": (
        "UPDATE evidence.closings SET root = sha256('x')",
        "event-changed",
    ),
    "the signed note": (
        "UPDATE evidence.checkpoints SET note = replace(note, '=', 'A=')",
        "checkpoint-unreadable",
    ),
    "the keys": (
        "UPDATE evidence.keys SET vkey = 'x+00000000+AAAA'",
        "key-unreadable",
    ),
}


@pytest.mark.parametrize("name", SQL_ATTACKS)
def test_what_a_superuser_does_to_the_database_is_told(books: Books, copy: Copy, name: str) -> None:
    statement, expected = SQL_ATTACKS[name]
    size = int(json.loads(lines(books.whole)[0])["checkpoint"].splitlines()[1])
    assert checked(copy.bundle(position=size), books.key, books.kept).holds
    for one in statement.split(";"):
        copy.superuser.execute(one, {"shops": books.deals["shops"], "size": size})
    after = copy.bundle(position=min(size, 30))
    assert expected in found(checked(after, books.key, books.kept))


def test_the_service_itself_names_what_is_not_as_the_tree_has_it(books: Books, copy: Copy) -> None:
    def differences() -> list[tuple[str, int]]:
        return [
            (one.what, one.position)
            for one in verify_books(copy.database, lambda *_: None).differences
        ]

    migrate(copy.database)  # a copied database has no rights of its own
    assert differences() == []
    shops = {"shops": books.deals["shops"]}
    changed = "the event is not what its leaf in the tree says"
    copy.superuser.execute(SQL_ATTACKS["an author"][0], shops)
    row = copy.superuser.execute(
        "SELECT notification_id FROM books.events WHERE originator_id = %(shops)s"
        " AND topic = 'ActionConfirmed'",
        shops,
    ).fetchone()
    assert row is not None
    assert differences() == [(changed, row[0])]
    copy.superuser.execute(SQL_ATTACKS["the leaf in the tree, too"][0])
    size = int(json.loads(lines(books.whole)[0])["checkpoint"].splitlines()[1])
    assert {(changed, 1), ("the tree is not the one that was signed", size)} < {*differences()}


MANAGER_SQL_ATTACKS: dict[str, tuple[str, str, str]] = {
    "an amount": (SQL_ATTACKS["an amount"][0], "event-changed", "event-changed"),
    "deleted from the middle": (
        SQL_ATTACKS["deleted from the middle"][0],
        "version-missing",
        "version-missing",
    ),
    "deleted from the end": (
        "DELETE FROM books.events WHERE originator_id = %(shops)s AND notification_id ="
        " (SELECT max(notification_id) FROM books.events WHERE originator_id = %(shops)s"
        " AND notification_id <= %(known)s)",
        "rows-changed",
        "other-history",
    ),
    "a deal with all its postings": (
        "DELETE FROM ledger.postings WHERE deal ="
        " (SELECT deal FROM ledger.deals WHERE deal_id = %(shops)s)",
        "proof-incomplete",
        "deal-left-out",
    ),
    "a posting": (
        "UPDATE ledger.postings SET amount = amount + 10000 WHERE account = 'active'",
        "rows-changed",
        "figure-differs",
    ),
}
"""What is done, and what is told: also by a service that has the closing's rows in memory."""


@pytest.mark.parametrize("name", MANAGER_SQL_ATTACKS)
@pytest.mark.parametrize("warm", [True, False])
def test_so_it_is_in_the_bundle_of_one_manager(
    books: Books, copy: Copy, name: str, *, warm: bool
) -> None:
    statement, of_cold, of_warm = MANAGER_SQL_ATTACKS[name]
    with copy.serving() as service, service.asking() as cursor:
        point = point_at(
            cursor, service.clock, date(2026, 8, 31), Knowledge(position=books.certified)
        )

        def bundle() -> bytes:
            lines_ = bundle_lines(service, cursor, point, ManagerId("m-1"), None)
            return b"".join(lines_)

        later = ReviseExpectedClose(DealId(UUID(books.deals["shops"])), TODAY, TODAY)
        assert service.dealfolio.transactor.submit(Order(later, "director")).result(20)
        service.proving.catch_up()
        assert checked(bundle(), books.key).holds, "whatever came behind the closing"
        if not warm:
            service.evidence = SharedEvidence()
        given = {"shops": books.deals["shops"], "known": books.certified}
        copy.superuser.execute("DELETE FROM ledger.snapshots")
        copy.superuser.execute(statement, given)
        assert (of_warm if warm else of_cold) in found(checked(bundle(), books.key))


def test_rows_that_are_not_those_of_the_closing_are_not_remembered(
    books: Books, copy: Copy
) -> None:
    """Once the ledger is mended, they are shown as they are certified."""
    copy.superuser.execute("DELETE FROM ledger.snapshots")
    with copy.serving() as service, service.asking() as cursor:
        known = Knowledge(position=books.certified)
        point = point_at(cursor, service.clock, date(2026, 8, 31), known)
        for more, told_ in ((10_000, ["rows-changed"]), (-10_000, [])):
            copy.superuser.execute("UPDATE ledger.postings SET amount = amount + %s", [more])
            lines_ = bundle_lines(service, cursor, point, ManagerId("m-1"), None)
            found_ = found(checked(b"".join(lines_), books.key))
            assert [one for one in found_ if one != "figure-differs"] == told_


def test_where_the_database_keeps_an_event_makes_no_difference(books: Books, copy: Copy) -> None:
    size = int(json.loads(lines(books.anna)[0])["position"])
    before = copy.bundle("m-1", size)
    moved = "UPDATE books.events SET state = state WHERE originator_id = %s"
    copy.superuser.execute(f"{moved} AND originator_version = 1", [books.deals["shops"]])
    assert copy.bundle("m-1", size) == before


def test_whoever_has_the_key_and_the_database_is_found_by_what_was_kept(
    books: Books, copy: Copy
) -> None:
    """All is rewritten, the tree is built anew, and the log's own key signs it."""
    statement, _ = SQL_ATTACKS["an amount"]
    copy.superuser.execute(statement, {"shops": books.deals["shops"]})
    copy.forget_what_was_signed()
    size = int(books.kept.splitlines()[1])
    whole = copy.bundle(position=books.certified)
    assert "rewritten" in found(checked(whole, books.key, books.kept))
    assert "no-kept" in open_(checked(whole, books.key))
    anna = copy.bundle("m-1", books.certified, kept=size)
    assert "rewritten" in found(checked(anna, books.key, books.kept))


def test_a_tail_that_is_cut_and_signed_anew_is_found_by_what_was_kept(
    books: Books, copy: Copy
) -> None:
    newest = json.loads(lines(books.anna)[0])["checkpoint"]
    size = int(newest.splitlines()[1])
    copy.superuser.execute("DELETE FROM books.events WHERE notification_id > %s", [size - 2])
    copy.superuser.execute("DELETE FROM ledger.postings WHERE position > %s", [size - 2])
    copy.superuser.execute("DELETE FROM ledger.deals WHERE deal > %s", [size - 2])
    copy.forget_what_was_signed()
    for manager in (None, "m-1"):
        cut = copy.bundle(manager, books.certified, kept=size)
        assert found(checked(cut, books.key, newest)) == ["cut-off"]
        assert checked(cut, books.key).holds, "without what was kept nobody could tell"


CHECK = '{"potential_check":{"amount":"800000000.00","currency":"RUB"},"reason":"x"}'


@pytest.mark.parametrize(
    ("deal", "topic", "day", "data", "expected"),
    [
        ("shops", "PotentialCheckRevised", "2026-08-10", CHECK, "in-closed-month"),
        ("export", "PotentialCheckRevised", "2026-10-10", CHECK, "not-allowed"),
        ("hotel", "DealSuspended", "2026-10-10", '{"reason":"x"}', "not-allowed"),
    ],
)
def test_what_is_recorded_past_the_program_is_found_by_the_rules(
    books: Books, copy: Copy, deal: str, topic: str, day: str, data: str, expected: str
) -> None:
    """A superuser appends as if it were the service: the tree has it, and the rules do not."""
    size = int(json.loads(lines(books.whole)[0])["checkpoint"].splitlines()[1])
    head = f'"position":{size + 1},"recorded_at":"2026-10-20T09:59:59.000000Z","actor":"m-1"'
    state = f'{{{head},"effective_on":"{day}","data":{data}}}'
    copy.superuser.execute(
        "INSERT INTO books.events (originator_id, originator_version, topic, state,"
        " notification_id, recorded_at) SELECT originator_id, max(originator_version) + 1, %s, %s,"
        " %s, '2026-10-20T09:59:59Z' FROM books.events WHERE originator_id = %s"
        " GROUP BY originator_id",
        [topic, state.encode(), size + 1, books.deals[deal]],
    )
    assert expected in found(checked(copy.bundle(), books.key, books.kept))


def test_a_change_of_keys_leads_from_the_old_key_to_the_new_and_not_back(
    books: Books, copy: Copy
) -> None:
    file = Path(str(copy.settings.signing_key_file))
    old = load_pem_private_key(file.read_bytes(), None)
    assert isinstance(old, Ed25519PrivateKey)
    with copy.serving() as service, service.asking() as cursor:
        new = rotate(cursor, file, copy.settings.log_host)
        order = Order(RegisterManager(ManagerId("m-9"), "Девятая"), "director")
        service.dealfolio.transactor.submit(order).result()
    whole = copy.bundle()
    report = checked(whole, books.key, books.kept)
    assert report.wrong == []
    assert "rotation" in [what for what, _ in report.checked]
    assert checked(whole, new, books.kept).wrong == []

    without = Forged(whole)
    without.head["rotations"] = []
    assert found(checked(without.bytes, books.key)) == ["wrong-key"]
    retired = Forged(whole)
    retired.sign(old, known=False)
    assert found(checked(retired.bytes, books.key)) == ["retired-key"]
    assert found(checked(retired.bytes, new)) == ["wrong-key"]
    mine, usurped = Ed25519PrivateKey.generate(), Forged(whole)
    origin = usurped.head["origin"]
    own = verifier_key(origin, mine).text
    text = "\n".join([*usurped.head["rotations"][0].split("\n")[:3], own, ""])
    usurped.head["rotations"] = [str(signed(text, origin, mine))]
    usurped.sign(mine)
    assert found(checked(usurped.bytes, books.key)) == ["wrong-key"]


# ---------------------------------------------------------------------------- as a program


ALONE = """
import runpy, sys
class OnlyCryptography:
    @staticmethod
    def find_spec(name, path=None, target=None):
        root = name.split(".")[0]
        if root not in sys.stdlib_module_names and root not in {allowed}:
            raise ImportError(name + " is not there")
sys.meta_path.insert(0, OnlyCryptography)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(directory: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """The verifier's file alone, where there is nothing but `cryptography` and what it needs."""
    program = Path(shutil.copy(audit_verifier.__file__, directory / "audit_verifier.py"))
    alone = ALONE.format(allowed={"cryptography", "cffi", "_cffi_backend", "pycparser"})
    done = subprocess.run(
        [sys.executable, "-I", "-c", alone, str(program), *arguments],
        cwd=directory, capture_output=True, text=True, check=False, encoding="utf-8",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", **environment},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_file_alone_checks_a_bundle(books: Books, tmp_path: Path) -> None:
    (tmp_path / "bundle.jsonl").write_bytes(books.anna)
    (tmp_path / "bundle.jsonl.gz").write_bytes(gzip.compress(books.whole))
    (tmp_path / "log.key").write_text(books.key + "\n")
    (tmp_path / "kept.txt").write_text(books.kept)
    trusted = ("--key", "log.key", "--kept", "kept.txt")
    code, said = run(tmp_path, "bundle.jsonl", *trusted)
    assert (code, said.splitlines()[-1]) == (0, "RESULT: everything holds.")
    code, said = run(tmp_path, "bundle.jsonl.gz", *trusted, "--language", "ru")
    assert (code, said.splitlines()[-1]) == (0, "ИТОГ: всё сходится.")
    (tmp_path / "seen.jsonl").write_bytes(with_checkpoint(books.anna, seen))
    (tmp_path / "witness.key").write_text(TRUSTED.text + "\n")
    code, said = run(tmp_path, "seen.jsonl", *trusted, "--witness", "witness.key")
    assert (code, f"Witness {TRUSTED.name} signed the checkpoint" in said) == (0, True)
    others = ("--witness", TRUSTED.text, "--witness", witness_key(STRANGER, "other.example").text)
    assert run(tmp_path, "seen.jsonl", *trusted, *others)[0] == 1
    forged = Forged(books.anna)
    an_amount_is_raised(forged, books)
    (tmp_path / "forged.jsonl").write_bytes(forged.bytes)
    code, said = run(tmp_path, "forged.jsonl", *trusted, LC_ALL="ru_RU.UTF-8")
    assert code == 1
    position = forged.event("DealOpened", books.deals["shops"])["position"]
    assert f"Событие на позиции {position} (DealOpened" in said
    assert run(tmp_path, "missing.jsonl")[0] == 2
    packed = gzip.compress(books.anna)
    middle = len(packed) // 2
    for damaged in (packed[:-20], packed[:middle] + b"\xff" * 20 + packed[middle + 20 :]):
        (tmp_path / "damaged.gz").write_bytes(damaged)
        assert run(tmp_path, "damaged.gz")[0] == 2


@pytest.mark.skipif(PROFILE != "long", reason="makes a virtual environment; in the long profile")
def test_a_clean_environment_with_cryptography_alone_checks_a_bundle(
    books: Books, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "home"], check=True)
    python = tmp_path / "home" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "cryptography"], check=True)
    (tmp_path / "bundle.jsonl").write_bytes(books.anna)
    shutil.copy(audit_verifier.__file__, tmp_path / "audit_verifier.py")
    done = subprocess.run([python, "audit_verifier.py", "bundle.jsonl"], cwd=tmp_path, check=False)
    assert done.returncode == 0


def test_a_line_without_an_end_is_not_read_to_it(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bundle.jsonl"
    file.write_bytes(books.anna)
    assert check_file(file)[1]
    monkeypatch.setattr(audit_verifier, "MOST_LINE", len(books.anna.partition(b"\n")[0]) - 1)
    said, holds = check_file(file)
    assert not holds
    assert "Line 1 cannot be read" in said


def test_the_command_line_writes_and_checks_bundles(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", books.database)
    monkeypatch.setenv("DEALFOLIO_SIGNING_KEY_FILE", str(books.settings.signing_key_file))
    runner = CliRunner()
    file = str(tmp_path / "bundle.jsonl")
    for asked in ([], ["--manager", "m-1", "--as-of", "2026-08-31", "--known-at", "2026-10-19"]):
        made = runner.invoke(cli.app, ["audit", "bundle", "-o", file, *asked])
        assert made.exit_code == 0, made.output
        done = runner.invoke(cli.app, ["audit", "verify", file, "--key", books.key])
        assert done.exit_code == 0, done.output
        assert "RESULT: everything holds." in done.output
    with_witness = ["audit", "verify", file, "--witness", TRUSTED.text]
    assert "neither the checkpoint" in runner.invoke(cli.app, with_witness).output
    Path(file).write_bytes(with_checkpoint(books.anna, seen))
    assert runner.invoke(cli.app, with_witness).exit_code == 0
    forged = Forged(books.anna)
    an_amount_is_raised(forged, books)
    Path(file).write_bytes(forged.bytes)
    assert runner.invoke(cli.app, ["audit", "verify", file, "--language", "ru"]).exit_code == 1
    Path(file).unlink()
    unknown = runner.invoke(cli.app, ["audit", "bundle", "-o", file, "--manager", "nobody"])
    assert isinstance(unknown.exception, NotFound)
    assert not Path(file).exists()
