"""The verifier against the domain, on drawn histories: it has read the rules a second time.

It shares nothing with the service. So what it folds, whom it finds to have anything, what it lets
pass, how it hashes, and what it makes of proofs, is held to what the service does.
"""

import json
import re
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from api.audit import audit_verifier
from api.audit.audit_verifier import (
    Checkpoint,
    Event,
    Head,
    Log,
    Wrong,
    everybody,
    holders,
    is_consistent,
    one_manager,
    report_differences,
    root_from,
    root_of,
    verify,
)
from api.audit.bundle import bundle_lines
from api.portfolio_answers import currency_portfolios, portfolio_deal, portfolio_figures
from api.service import Service
from api.settings import Settings
from application.orders import Answer, Order
from domain.directory_commands import ClosePeriod, RegisterManager, ReopenPeriod
from domain.events import encode
from domain.periods import Month
from domain.values import ManagerId
from projections.evidence import merkle
from projections.ledger import NOBODY
from projections.point import Knowledge, point_at
from projections.portfolio import line_of, manager_portfolio_as_of, portfolios_as_of
from tests import oracle
from tests.conftest import reachable_directory
from tests.histories import (
    NOON,
    Fact,
    Plot,
    Point,
    Story,
    cast_of,
    catalogue_commands,
    command_for,
    examples,
    play,
    plots,
    points,
    to_public,
)
from tests.test_definition import outcome

COMPANY = "RUB"


def shown(fact: Fact) -> Event:
    """The event as a bundle shows it, but for its hash."""
    return Event.read({**to_public(fact), "version": fact.originator_version, "leaf": ""})


def log_of(story: Story) -> Log:
    return Log({str(deal): [*map(shown, facts)] for deal, facts in story.by_deal.items()})


def head_at(story: Story, point: Point, manager: str | None = None) -> Head:
    position = point.position(0, len(story.log))
    return Head("", point.as_of.isoformat(), "", position, manager, COMPANY, "", [], [])


# ---------------------------------------------------------------------------- the books


@given(plots(), points())
@examples(100)
def test_every_figure_of_a_portfolio_follows_as_the_service_answers(
    plot: Plot, asked: list[Point]
) -> None:
    story = play(plot)
    log = log_of(story)
    for point in asked:
        position = point.position(0, len(story.log))
        for manager in cast_of(0):
            rows = manager_portfolio_as_of(story.by_deal, manager, point.as_of, position)
            figures = portfolio_figures([line_of(row, portfolio_deal) for row in rows], COMPANY)
            stated = json.loads(b'{"manager_id":"%b"%b' % (manager.encode(), figures))
            follows = one_manager(head_at(story, point, manager), log, manager)
            assert differences(stated, follows) == []


@given(plots(), points())
@examples(50)
def test_every_figure_of_everybody_follows_as_the_service_answers(
    plot: Plot, asked: list[Point]
) -> None:
    story = play(plot)
    log = log_of(story)
    for point in asked:
        position = point.position(0, len(story.log))
        held = portfolios_as_of(story.by_deal, point.as_of, position)
        others = [(currency, own) for currency, own in held.items() if currency != COMPANY]
        stated = {
            "currencies": [
                json.loads(currency_portfolios(currency, dict(managers), None))
                for currency, managers in [(COMPANY, held.get(COMPANY, {})), *others]
            ]
        }
        assert differences(stated, everybody(head_at(story, point), log)) == []
        assert all(NOBODY not in managers.values() for managers in held.values())


def test_a_setback_gives_back_no_more_than_the_weight_has_room_for() -> None:
    """Seldom drawn: 10 percent, of which a setback takes 4; the weight is lowered to 7; then the
    setback is withdrawn.
    """
    check = {"amount": "100.00", "currency": COMPANY}
    deal = {"title": "Витрины", "client": "Ромашка", "potential_check": check}
    story: list[tuple[str, dict[str, Any]]] = [
        ("DealOpened", {**deal, "manager_id": "anna", "expected_close_on": None}),
        ("ActionPerformed", acted("a", "10.00")),
        ("ActionPerformed", acted("b", "-4.00")),
        ("WeightChanged", {"action_id": "a", "weight": "7.00", "reason": "пересмотр"}),
        ("ActionWithdrawn", {"action_id": "b", "reason": "ошибка"}),
    ]
    events = [
        Event(at, at, "d", kind, f"2026-02-0{at}", "", "", data, b"", True, None)
        for at, (kind, data) in enumerate(story, 1)
    ]
    for known, progress in enumerate(("0.00", "10.00", "6.00", "6.00", "7.00"), 1):
        head = Head("", "2026-02-05", "", known, "anna", COMPANY, "", [], [])
        assert one_manager(head, Log({"d": events}), "anna")["progress"] == progress


def acted(action: str, weight: str) -> dict[str, Any]:
    credit = {"manager_id": "anna", "weight": weight}
    data = {"action_id": action, "action_type": "step", "credits": [credit]}
    return {**data, "needs_confirmation": False, "evidence": None, "comment": None}


def differences(stated: object, follows: object) -> list[Any]:
    report = audit_verifier.Report()
    report_differences(report, stated, follows, "")
    return report.wrong


@given(plots())
@examples(100)
def test_whoever_has_a_posting_in_a_deal_is_found_and_from_which_event_on(plot: Plot) -> None:
    story = play(plot)
    since: dict[tuple[str, str], int] = {}
    for posting in story.postings:
        since.setdefault((str(posting.deal_id), posting.manager_id), posting.position)
    found = {
        (deal_id, manager): position
        for deal_id, events in log_of(story).deals.items()
        for manager, position in holders(events).items()
    }
    assert found == since


@given(plots())
@examples(60)
def test_what_the_rules_forbid_is_not_let_pass(plot: Plot) -> None:
    streams: dict[object, list[Event]] = {}
    for tried in play(plot).tried:
        stream = streams.setdefault(tried.fact.originator_id, [])
        event = shown(tried.fact)
        accepted = outcome(tried)[0] == "ok"
        if accepted:
            stream.append(event)
            holders(stream)
            continue
        with pytest.raises(Wrong) as caught:
            holders([*stream, event])
        assert caught.value.what == "not-allowed"


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10_000), min_size=1, max_size=9))
@examples(300)
def test_it_splits_as_the_oracle(whole: int, shares: list[int]) -> None:
    if not sum(shares):
        whole = 0
    assert audit_verifier.split(whole, shares) == oracle.split(whole, shares)


# ---------------------------------------------------------------------------- hashes and proofs


@given(plots(), st.text(), st.integers(-(2**53) + 1, 2**53 - 1))
@examples(25)
def test_its_canonical_json_is_that_of_rfc_8785(plot: Plot, text: str, number: int) -> None:
    values: list[Any] = [json.loads(encode(fact)) for fact in play(plot).log]
    if text.isprintable():
        values.append({"z": [text, number, None, True], "a": {"b": text, "a": []}})
    for value in values:
        assert audit_verifier.canonical(value) == rfc8785.dumps(value)


@given(st.integers(1, 300), st.integers(0, 2**32))
@examples(100)
def test_any_leaves_with_the_nodes_beside_them_lead_to_the_root(size: int, seed: int) -> None:
    chance = Random(seed)
    leaves = [chance.randbytes(32) for _ in range(size)]
    read = merkle.in_memory(leaves)
    root = merkle.root(read, size)
    assert root_of(leaves) == root
    known = sorted(chance.sample(range(size), chance.randint(0, min(size, 9))))
    beside = merkle.nodes_beside(known, size)
    nodes = {f"{one.level}/{one.at}": h for one, h in zip(beside, read(beside), strict=True)}
    assert root_from(size, {index: leaves[index] for index in known}, nodes) == root
    for index in known:
        other = {one: leaves[one] for one in known} | {index: b"\0" * 32}
        assert root_from(size, other, nodes) != root
    for name in nodes:
        assert root_from(size, {one: leaves[one] for one in known}, {**nodes, name: b""}) != root


def test_a_tree_begins_with_an_earlier_one_and_with_no_other() -> None:
    leaves = [audit_verifier.leaf_hash(b"%d" % number) for number in range(40)]
    read = merkle.in_memory(leaves)
    trees = [Checkpoint("log", size, merkle.root(read, size), "") for size in range(41)]
    for later in trees:
        for earlier in trees[: later.size + 1]:
            proof = merkle.consistency_proof(read, earlier.size, later.size)
            assert is_consistent(earlier, later, proof)
            other = earlier._replace(root=b"\1" * 32)
            assert not is_consistent(other, later, proof)
            assert not is_consistent(earlier, later, [*proof, b"\1" * 32])
            if earlier.size:
                assert not is_consistent(earlier, later._replace(root=b"\1" * 32), proof)
            for left_out in range(len(proof)):
                assert not is_consistent(earlier, later, proof[:left_out] + proof[left_out + 1 :])


# ---------------------------------------------------------------------------- all of it together


_chapters = count(1)


@pytest.fixture(scope="module")
def service(shared_database: str) -> Iterator[Service]:
    with reachable_directory() as directory:
        settings = Settings(signing_key_file=directory / "signing.key")
        service = Service(shared_database, settings, lambda: NOON)
        done(service, *(Order(command, "director") for command in catalogue_commands()))
        yield service
        service.close()


def done(service: Service, *orders: Order) -> int:
    """The position of the last one."""
    answers = service.dealfolio.transactor.submit_all([*orders]).result(30)
    last = answers[-1]
    assert isinstance(last, Answer), last
    return last.position


@given(plots(16, 30), points(2), st.booleans())
@examples(12)
def test_a_bundle_of_any_history_at_any_point_holds(
    service: Service, plot: Plot, asked: list[Point], closes_both: bool
) -> None:
    """The books of all chapters are in one log; each closes its months and opens them again."""
    number = next(_chapters)
    people = cast_of(number)
    first = done(service, *(Order(RegisterManager(one, one), "admin") for one in people))
    facts = play(plot, number).log
    half = len(facts) // 2
    for fact in facts[:half]:
        done(service, Order(command_for(fact), "desk"))
    months = [Month(2026, 1), Month(2026, 2)][: 1 + closes_both]
    for part in (facts[half:], []):
        for month in months:
            done(service, Order(ClosePeriod(month), "director"))
        for month in months[::-1]:
            last = done(service, Order(ReopenPeriod(month, "проверка"), "director"))
        for fact in part:
            last = done(service, Order(command_for(fact), "desk"))
    service.proving.catch_up()
    for point in asked:
        for manager in (*people[:2], None):
            bundle = made(service, point, point.position(first, last), manager)
            report = verify(bundle.splitlines(keepends=True))
            assert report.wrong == [], (point, manager)


def made(service: Service, at: Point, position: int, manager: ManagerId | None) -> bytes:
    with service.asking() as cursor:
        knowledge = Knowledge(position=position)
        point = point_at(cursor, service.clock, at.as_of, knowledge)
        return b"".join(bundle_lines(service, cursor, point, manager, None))


# ---------------------------------------------------------------------------- it stands alone


def test_it_imports_the_standard_library_and_cryptography_alone() -> None:
    source = Path(audit_verifier.__file__).read_text(encoding="utf-8")
    imported = {
        line.split()[1].split(".")[0]
        for line in source.splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported - sys.stdlib_module_names == {"cryptography"}


def test_every_sentence_is_there_in_both_languages_and_names_the_same() -> None:
    source = Path(audit_verifier.__file__).read_text(encoding="utf-8")
    code = source[: source.index("WORDS:")]
    told = set(re.findall(r'(?:Wrong|\.ok|\.open|\.no)\(\s*"([a-z-]+)"', code))
    assert told <= audit_verifier.WORDS.keys()
    for what, (russian, english) in audit_verifier.WORDS.items():
        assert f'"{what}"' in code, what
        places = [set(re.findall(r"{(\w+)}", sentence)) for sentence in (russian, english)]
        assert places[0] == places[1], what
        assert re.search("[а-я]", russian), what
        assert not re.search("[а-я]", english), what
