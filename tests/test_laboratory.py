"""History under other regulations: what of it changes, and that nothing else does."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.service import Service
from api.settings import Settings
from application.orders import Answer, Order
from domain.deal import fold
from domain.directory_commands import RegisterManager
from domain.events import (
    ActionConfirmed,
    ActionPerformed,
    ActionWithdrawn,
    Credit,
    DealEvent,
    DealHandedOver,
    DealOpened,
    Recorded,
    WeightChanged,
    is_about_a_deal,
)
from domain.history import known
from domain.ledger import credits_of
from domain.values import WHOLE, ActionId, ActionTypeCode, DealId, ManagerId, Money
from projections import replaying
from projections.ledger import NOBODY, Standing
from projections.portfolio import Portfolios, portfolios_as_of, portfolios_from_ledger
from projections.reports import refolding
from projections.reports.laboratory import (
    Alternative,
    Changes,
    Plan,
    Stood,
    begun,
    folded_by_part,
    plan_of,
    portfolios_under,
    refolded,
)
from projections.reports.refolding import Laboratory, Progress
from tests.browser import page_of
from tests.conftest import new_database
from tests.histories import (
    CATALOGUE,
    DAYS,
    NOON,
    Plot,
    Point,
    cast_of,
    catalogue_commands,
    command_for,
    examples,
    lively,
    play,
    plots,
    points,
    read_log,
)
from tests.over_http import Company, company, refused

ANNA, BORIS = ManagerId("anna"), ManagerId("boris")
CALL, PROPOSAL, SETBACK = map(ActionTypeCode, ("call", "proposal", "setback"))
AS_RECORDED = Alternative(
    weights=tuple(sorted((ActionTypeCode(code), kind.weight) for code, kind in CATALOGUE.items()))
)
"""The catalogue as an alternative to itself."""
_chapters = count(1)

# ---------------------------------------------------------------------------- by hand


def history(*events: DealEvent) -> list[Recorded[DealEvent]]:
    """One after the other, on one day each."""
    opened = DealOpened(
        title="Пресс",
        client="Завод",
        potential_check=Money(amount=40_000_000_000, currency="RUB"),
        manager_id=ANNA,
    )
    return [
        Recorded(UUID(int=1), number, number, NOON, "desk", date(2026, 1, number), event)
        for number, event in enumerate((opened, *events), 1)
    ]


def action(number: int) -> ActionId:
    return ActionId(UUID(int=number))


def done(
    number: int, kind: ActionTypeCode, *credits_: tuple[ManagerId, int], claimed: bool = False
) -> ActionPerformed:
    return ActionPerformed(
        action_id=action(number),
        action_type=kind,
        credits=tuple(Credit(manager_id=who, weight=weight) for who, weight in credits_),
        needs_confirmation=claimed,
    )


def credit_under(alternative: Alternative, *events: DealEvent) -> dict[ManagerId, int]:
    deal = refolded(history(*events), alternative)
    assert deal is not None
    return credits_of(deal)


def test_another_weight_is_split_as_the_recorded_one_was() -> None:
    shared = done(1, PROPOSAL, (ANNA, 300), (BORIS, 200))
    heavier = Alternative(weights=((PROPOSAL, 1_001),))
    assert credit_under(heavier, shared) == {ANNA: 601, BORIS: 400}
    assert credit_under(heavier, done(1, CALL, (ANNA, 200))) == {ANNA: 200}, "another type"


def test_another_weight_stands_whatever_was_made_of_the_old_one_later() -> None:
    events = (
        done(1, PROPOSAL, (ANNA, 500)),
        WeightChanged(action_id=action(1), weight=900, reason="пересмотр"),
        done(2, CALL, (ANNA, 200)),
        WeightChanged(action_id=action(2), weight=100, reason="пересмотр"),
    )
    assert credit_under(Alternative(weights=((PROPOSAL, 400),)), *events) == {ANNA: 500}


def test_a_setback_weighs_otherwise_and_never_becomes_a_success() -> None:
    events = (done(1, PROPOSAL, (ANNA, 500)), done(2, SETBACK, (ANNA, -300)))
    assert credit_under(Alternative(weights=((SETBACK, -100),)), *events) == {ANNA: 400}
    assert credit_under(Alternative(weights=((SETBACK, 100),)), *events) == {ANNA: 200}


def test_a_type_that_was_never_done_leaves_with_all_that_befell_it() -> None:
    events = (
        done(1, CALL, (ANNA, 9_900), claimed=True),
        ActionConfirmed(action_id=action(1)),
        done(2, PROPOSAL, (BORIS, 500)),
        WeightChanged(action_id=action(1), weight=9_950, reason="пересмотр"),
        ActionWithdrawn(action_id=action(1), reason="ошибка"),
    )
    assert credit_under(Alternative(without_type=CALL), *events) == {BORIS: 500}
    assert credit_under(Alternative(), *events) == {BORIS: 100}, "there was no more room"


def test_without_a_manager_others_keep_what_they_did_together() -> None:
    events = (
        done(1, PROPOSAL, (ANNA, 300), (BORIS, 200)),
        done(2, CALL, (ANNA, 200)),
        WeightChanged(action_id=action(1), weight=1_000, reason="пересмотр"),
        WeightChanged(action_id=action(2), weight=100, reason="пересмотр"),
    )
    assert credit_under(Alternative(without_manager=ANNA), *events) == {BORIS: 400}
    assert credit_under(Alternative(without_manager=BORIS), *events) == {ANNA: 700}


def test_credit_that_was_handed_over_stays() -> None:
    events = (
        done(1, PROPOSAL, (ANNA, 500)),
        DealHandedOver(to_manager_id=BORIS, transfer_credit=True, reason="отпуск"),
        done(2, CALL, (BORIS, 200)),
    )
    assert credit_under(Alternative(without_manager=BORIS), *events) == {BORIS: 500}


@pytest.mark.parametrize(("cap", "credit"), [(400, 400), (500, 500), (501, 501), (WHOLE, 700)])
def test_another_cap_binds_as_the_whole_does(cap: int, credit: int) -> None:
    events = (done(1, PROPOSAL, (ANNA, 500)), done(2, CALL, (ANNA, 200)))
    assert credit_under(Alternative(cap=cap), *events) == {ANNA: credit}


# ---------------------------------------------------------------------------- any history


def alternatives() -> st.SearchStrategy[tuple[Alternative, int | None]]:
    """With whom to leave out, by the number in the cast."""
    codes = st.sampled_from(sorted(CATALOGUE)).map(ActionTypeCode)
    weights = st.dictionaries(codes, st.sampled_from((1, 7, 450, 5_000, -200, 10_000)), max_size=3)
    return st.tuples(
        st.builds(
            Alternative,
            weights=weights.map(lambda found: tuple(sorted(found.items()))),
            cap=st.sampled_from((WHOLE, WHOLE, 9_000, 333, 1)),
            without_type=st.none() | codes,
        ),
        st.none() | st.integers(0, 3),
    )


@given(plots(16, 30), points(2))
@examples(40)
def test_unaltered_regulations_are_the_books_to_the_last_digit(
    plot: Plot, asked: list[Point]
) -> None:
    log = play(plot).by_deal
    last = sum(map(len, log.values()))
    for point in asked:
        as_of, position = point.as_of, point.position(1, last)
        books = portfolios_as_of(log, as_of, position)
        assert portfolios_under(log, Alternative(), as_of, position) == books
        untouched = not any(
            isinstance(fact.event, WeightChanged) for facts in log.values() for fact in facts
        )
        if untouched:
            assert portfolios_under(log, AS_RECORDED, as_of, position) == books
        for facts in log.values():
            events = known(facts, as_of, position)
            assert refolded(events, Alternative()) == fold(events)


@given(plots(16, 30), alternatives())
@examples(60)
def test_whatever_the_regulations_no_rule_of_the_fold_is_broken(
    plot: Plot, asked: tuple[Alternative, int | None]
) -> None:
    alternative, nobody = asked
    who = None if nobody is None else cast_of(0)[nobody]
    alternative = alternative._replace(without_manager=who)
    for facts in play(plot).by_deal.values():
        deal = refolded(known(facts, DAYS[-1], 10**9), alternative)
        assert deal is not None
        assert 0 <= deal.progress <= alternative.cap
        assert deal.progress == sum(one.credit for one in deal.actions.values())
        for one in deal.actions.values():
            assert one.action_type != alternative.without_type
            assert who not in one.performers
            assert all(entry.credit >= 0 for entry in one.entries)
            assert one.credit <= max(one.weight, 0)


@pytest.fixture(scope="module")
def service(shared_database: str) -> Iterator[Service]:
    service = Service(shared_database, Settings(), lambda: NOON)
    _record(service, [Order(command, "director") for command in catalogue_commands()])
    yield service
    service.close()


def _record(service: Service, orders: list[Order]) -> None:
    outcomes = service.dealfolio.transactor.submit_all(orders).result(30)
    assert all(isinstance(one, Answer) for one in outcomes)


@given(plots(16, 30), alternatives(), points(2))
@examples(16, times=8)
def test_the_books_and_what_changes_are_every_deal_folded_anew(
    service: Service, plot: Plot, asked: tuple[Alternative, int | None], at: list[Point]
) -> None:
    number = next(_chapters)
    people = cast_of(number)
    alternative = asked[0]._replace(without_manager=None if asked[1] is None else people[asked[1]])
    _record(service, [Order(RegisterManager(who, who), "admin") for who in people])
    with service.asking() as cursor:
        first = len(read_log(cursor))
        _record(service, [Order(command_for(fact), "desk") for fact in play(plot, number).log])
        log = _deals(cursor)
        for point in at:
            position = point.position(first, sum(map(len, log.values())) + first)
            position = min(position, len(read_log(cursor)))
            books = portfolios_from_ledger(cursor, point.as_of, position)
            then = Stood(point.as_of, position - 1)
            stood: dict[UUID, Stood] = {
                deal: then for deal, facts in log.items() if known(facts, then.day, then.known)
            }
            plan = plan_of(cursor, alternative, point.as_of, position, stood)
            changes = _all(cursor, plan)
            expected = portfolios_under(log, alternative, point.as_of, position)
            assert _added(books, changes) == _standing(expected)
            for deal, progress in changes.progress.items():
                facts = known(log[DealId(deal)], then.day, then.known)
                folded = refolded(facts, alternative)
                assert folded is not None
                assert folded.progress == progress
            every = plan_of(cursor, Alternative(cap=1), point.as_of, position, {})
            same = _all(cursor, every._replace(alternative=Alternative()))
            assert {*same.standings.values()} <= {NOBODY}, "as in the books, to the last digit"


def _deals(cursor) -> dict[DealId, list[Recorded[DealEvent]]]:
    log: dict[DealId, list[Recorded[DealEvent]]] = {}
    for event in read_log(cursor):
        if is_about_a_deal(event):
            log.setdefault(DealId(event.originator_id), []).append(event)
    return log


def _all(cursor, plan: Plan) -> Changes:
    changes = begun(plan)
    for _, part in folded_by_part(cursor, plan):
        changes.add(part)
    return changes


def _standing(portfolios: Portfolios) -> dict[tuple[str, ManagerId], Standing]:
    return {
        (currency, who): held
        for currency, managers in portfolios.items()
        for who, held in managers.items()
        if held != NOBODY
    }


def _added(books: Portfolios, changes: Changes) -> dict[tuple[str, ManagerId], Standing]:
    found = _standing(books)
    for key, more in changes.standings.items():
        found[key] = found.get(key, NOBODY).plus(more)
    return {key: held for key, held in found.items() if held != NOBODY}


# ---------------------------------------------------------------------------- at work


@pytest.fixture
def plan(service: Service) -> Plan:
    """Everything recorded so far, under a lower cap; some of it there is in any case."""
    number = next(_chapters)
    _record(service, [Order(RegisterManager(who, who), "admin") for who in cast_of(number)])
    for seed in range(3):
        chapter = next(_chapters)
        _record(service, [Order(RegisterManager(who, who), "admin") for who in cast_of(chapter)])
        _record(service, [Order(command_for(one), "desk") for one in lively(seed, chapter).log])
    with service.asking() as cursor:
        position = len(read_log(cursor))
        return plan_of(cursor, Alternative(cap=700), date(2026, 2, 28), position, {})


def test_what_is_long_is_folded_in_a_process_and_comes_to_the_same(
    service: Service, plan: Plan, monkeypatch: pytest.MonkeyPatch, shared_database: str
) -> None:
    monkeypatch.setattr(refolding, "WORTH_A_PROCESS", 0)
    laboratory = Laboratory(shared_database)
    with service.asking() as cursor:
        expected = _all(cursor, plan)
        told = laboratory.ask(cursor, "key", lambda: plan, 30)
        again = laboratory.ask(cursor, "key", lambda: pytest.fail("it is known"), 0)
    assert expected.standings
    assert told == again == Progress(plan.events, plan.events, expected)
    laboratory.close()


def test_who_asks_meanwhile_is_told_how_far_it_is_and_others_wait(
    service: Service, plan: Plan, monkeypatch: pytest.MonkeyPatch, shared_database: str
) -> None:
    monkeypatch.setattr(refolding, "WORTH_A_PROCESS", 0)
    laboratory = Laboratory(shared_database)
    with service.asking() as cursor:
        first = laboratory.ask(cursor, "one", lambda: plan, 0)
        assert first == Progress(0, plan.events)
        assert laboratory.ask(cursor, "other", lambda: plan, 0) == Progress(0, 0)
        while (told := laboratory.ask(cursor, "one", lambda: plan, 30)).changes is None:
            assert told.done <= told.of == plan.events
        assert laboratory.ask(cursor, "other", lambda: plan, 30).changes == told.changes
    laboratory.close()


def test_what_nobody_asks_about_any_more_is_given_up(
    service: Service, plan: Plan, monkeypatch: pytest.MonkeyPatch, shared_database: str
) -> None:
    monkeypatch.setattr(refolding, "WORTH_A_PROCESS", 0)
    monkeypatch.setattr(refolding, "PATIENCE_SECONDS", 0.0)
    laboratory = Laboratory(shared_database)
    with service.asking() as cursor:
        laboratory.ask(cursor, "one", lambda: plan, 0)
        with laboratory._told:
            assert laboratory._told.wait_for(lambda: laboratory._job is None, 30)
        assert laboratory._results.find("one") is None
    laboratory.close()


def test_a_process_that_ends_is_told_and_the_next_one_may_do_it(
    service: Service, plan: Plan, monkeypatch: pytest.MonkeyPatch, shared_database: str
) -> None:
    monkeypatch.setattr(refolding, "WORTH_A_PROCESS", 0)
    laboratory = Laboratory(shared_database)
    with service.asking() as cursor:
        with monkeypatch.context() as broken:
            broken.setattr(refolding, "_PROGRAM", "raise SystemExit(3)")
            with pytest.raises(replaying.Failed):
                laboratory.ask(cursor, "one", lambda: plan, 30)
        assert laboratory.ask(cursor, "one", lambda: plan, 30).changes is not None
    laboratory.close()


# ---------------------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def here(server: str, template: str) -> Iterator[Company]:
    with (
        new_database(server, template) as database,
        company(database, datetime(2026, 10, 20, 9, tzinfo=UTC)) as begun,
    ):
        team = begun.director.do("/v1/teams", {"name": "Юг"})["team_id"]
        anna = begun.manager(name="Анна Соколова", team_id=team)
        boris = begun.manager(name="Борис Крылов")
        begun.kind("5.00", code="proposal")
        begun.kind("2.00", code="call")
        begun.act(begun.deal(anna), anna, "proposal", "2026-03-02")
        begun.act(begun.deal(boris), boris, "call", "2026-03-02")
        begun.act(begun.deal(boris, "100000000.00"), boris, "call", "2026-03-02")
        yield begun


def test_portfolios_and_places_stand_beside_those_of_the_books(here: Company) -> None:
    told = here.director.ask("/v1/reports/laboratory", weights="call:6.00,proposal:5")
    assert told["done"] == told["of"] > 0
    anna, boris = told["result"]["managers"]
    assert (anna["place_in_books"], anna["place_in_laboratory"]) == (1, 2)
    assert (boris["place_in_books"], boris["place_in_laboratory"]) == (2, 1)
    assert boris["books"]["active"] == "10000000.00"
    assert boris["laboratory"]["active"] == "30000000.00"
    assert boris["difference"]["active"] == "20000000.00"
    assert anna["difference"] == dict.fromkeys(anna["books"], "0.00")
    assert (boris["progress_in_books"], boris["progress_in_laboratory"]) == ("4.00", "12.00")
    assert told["result"]["total"]["laboratory"]["active"] == "50000000.00"
    books = here.director.ask("/v1/portfolios")["currencies"][0]
    assert told["result"]["total"]["books"].items() <= books["total"].items()
    assert told["alternative"] == {
        "weights": [
            {"action_type": "call", "weight": "6.00"},
            {"action_type": "proposal", "weight": "5.00"},
        ],
        "cap": "100.00", "without_type": None, "without_manager": None,
    }  # fmt: skip


def test_the_books_stay_as_they_are_and_the_link_gives_the_same_again(here: Company) -> None:
    before = here.position
    asked = {"cap": "3.00", "without_type": "call", "as_of": "2026-10-20", "position": before}
    first = here.director.get("/v1/reports/laboratory", **asked)
    assert here.position == before
    here.act(here.deal("m-1"), "m-1", "proposal", "2026-03-02")
    assert here.director.get("/v1/reports/laboratory", **asked).content == first.content
    (anna, boris) = first.json()["result"]["managers"]
    assert (anna["laboratory"]["active"], boris["laboratory"]["active"]) == ("12000000.00", "0.00")


def test_one_tries_with_those_whom_one_may_see(here: Company) -> None:
    team = here.director.ask("/v1/teams")["teams"][0]["team_id"]
    for person in (here.hire("manager", manager_id="m-1"), here.hire("head", team_id=team)):
        told = person.ask("/v1/reports/laboratory", without_manager="m-1")
        (anna,) = told["result"]["managers"]
        assert anna["laboratory"]["active"] == "0.00"
        assert told["result"]["total"]["books"]["active"] == anna["books"]["active"]
        refused(person.get("/v1/reports/laboratory", without_manager="m-2"), 404, "not-found")
    refused(here.admin.get("/v1/reports/laboratory"), 403, "forbidden")
    refused(here.director.get("/v1/reports/laboratory", weights="nothing:5"), 404, "not-found")
    refused(here.director.get("/v1/reports/laboratory", without_type="nothing"), 404, "not-found")


# ---------------------------------------------------------------------------- as a page


def test_what_is_typed_becomes_a_link_and_the_link_shows_it(here: Company) -> None:
    page = page_of(here, here.director)
    typed = "weight.call=6%2C00&weight.proposal=5.00&cap=100&without_type=&without_manager="
    link = page.get(f"/reports/laboratory?{typed}&lang=en").headers["location"]
    assert link == "/reports/laboratory?lang=en&weights=call%3A6.00"
    seen = page.get(link)
    assert seen.status_code == 200
    field = 'name="weight.call" type="text" inputmode="decimal" class="num r" value="{}"'
    assert field.format("6.00") in seen.text
    assert field.format("6,00") in page.get(link.replace("lang=en", "lang=ru")).text
    told = here.director.ask("/v1/reports/laboratory", weights="call:6.00")["result"]["managers"]
    rows = page.get("/reports/laboratory/managers.json?weights=call:6.00&lang=en").json()["rows"]
    assert {row["Difference"] for row in rows} == {one["difference"]["active"] for one in told}
    assert {row["Place in the laboratory"] for row in rows} == {1, 2}
    for kind in ("csv", "excel.csv", "xlsx"):
        assert page.get(f"/reports/laboratory/accounts.{kind}?cap=5").status_code == 200


def test_the_page_says_what_to_do_and_what_is_wrong(here: Company) -> None:
    page = page_of(here, here.director)
    assert "Nothing is changed yet" in page.get("/reports/laboratory?lang=en").text
    wrong = page.get("/reports/laboratory?weight.call=much&lang=en").headers["location"]
    refusal = page.get(wrong)
    assert refusal.status_code == 422
    assert "weights are types and percent" in refusal.text
    assert page_of(here, here.hire("admin")).get("/reports/laboratory").status_code == 403


def test_while_it_is_at_work_the_page_says_how_far_and_looks_again(
    here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(here.service.laboratory, "ask", lambda *_: Progress(120, 1_000))
    page = page_of(here, here.director)
    pinned = page.get("/reports/laboratory?cap=7&lang=en").headers["location"]
    assert f"position={here.position}" in pinned, "the same point until it is done"
    seen = page.get(pinned)
    assert seen.headers["refresh"] == "2"
    assert "120 of 1,000 events are folded." in seen.text
    assert '<progress max="1000" value="120"' in seen.text
    assert here.director.ask("/v1/reports/laboratory", cap="7")["result"] is None
