"""What was learnt is in the reports that people look at before they look again."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from threading import Event as Signal
from threading import Thread, current_thread
from time import monotonic
from typing import Any

import pytest

from api import retelling
from api.reports import activity
from api.retelling import MOST, Retelling
from application.orders import Unavailable
from projections.reports.kept import Kept
from tests.over_http import Company, company

REPORT = "/v1/reports/activity"
SECONDS = 20
ALL = ("activity", "months", "stalled", "concentration", "digest", "forecast", "calibration")


@pytest.fixture(autouse=True)
def when_the_test_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retelling, "EVERY_SECONDS", 3_600.0)


@pytest.fixture
def here(database: str) -> Iterator[Company]:
    with company(database) as begun:
        yield begun


@pytest.fixture
def added_up(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Whatever was added up for a report of who moved."""
    asked = list[object]()
    answer = vars(activity)["_answer"]

    def counted(*given: Any) -> Any:
        asked.append(given)
        return answer(*given)

    monkeypatch.setattr(activity, "_answer", counted)
    return asked


def work(here: Company) -> Callable[[], object]:
    """Records one more action of a new manager, each time it is called."""
    manager, kind = here.manager(), here.kind()
    deal = here.deal(manager)
    return lambda: here.act(deal, manager, kind, "2026-10-12")


def tell_again(here: Company) -> None:
    here.service.retelling.tell_again()


def test_a_report_that_was_asked_for_is_told_again_before_somebody_asks(
    here: Company, added_up: list[object]
) -> None:
    act, other = work(here), here.hire("director")
    act()
    assert here.director.ask(REPORT)["total"]["now"]["actions"] == 1
    act()
    added_up.clear()
    tell_again(here)
    assert len(added_up) == 1
    assert here.director.ask(REPORT)["total"]["now"]["actions"] == 2
    assert other.ask(REPORT)["total"]["now"]["actions"] == 2
    assert len(added_up) == 1


def test_on_a_new_day_reports_are_those_of_that_day(here: Company, added_up: list[object]) -> None:
    work(here)()
    here.director.ask(REPORT)
    tell_again(here)
    here.clock.now = here.clock.now.replace(day=21)
    added_up.clear()
    tell_again(here)
    assert len(added_up) == 1
    assert here.director.ask(REPORT)["as_of"] == "2026-10-21"
    assert len(added_up) == 1


def test_the_service_does_it_by_itself(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retelling, "EVERY_SECONDS", 0.01)
    by, told = set[str](), Signal()
    answer = vars(activity)["_answer"]

    def seen(*given: Any) -> Any:
        by.add(current_thread().name)
        if "retelling" in by:
            told.set()
        return answer(*given)

    monkeypatch.setattr(activity, "_answer", seen)
    with company(database) as here:
        act = work(here)
        here.director.ask(REPORT)
        act()
        assert told.wait(SECONDS)


@pytest.mark.parametrize("report", ALL)
def test_every_report_that_is_kept_is_told_again(
    here: Company, report: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = work(here)
    path = f"/v1/reports/{report}"
    here.director.ask(path)
    act()
    tell_again(here)
    new = list[object]()
    monkeypatch.setattr(Kept, "keep", lambda _, key, __: new.append(key))
    here.director.ask(path)
    assert not new
    act()
    here.director.ask(path)
    assert new, "else this looks in the wrong place"


def test_what_was_known_once_is_not_wanted_again(
    here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = list[object]()
    monkeypatch.setattr(here.service.retelling, "wanted", lambda *one: wanted.append(one))
    for asked in ({"position": here.position}, {"known_at": "2026-10-19"}):
        here.director.ask(REPORT, **asked)
    assert not wanted
    here.director.ask(REPORT, as_of="2026-10-19")
    assert len(wanted) == 1


def test_it_is_told_again_for_nobody_who_sees_a_part_or_may_not_look_any_more(
    here: Company, added_up: list[object]
) -> None:
    act, team = work(here), here.director.do("/v1/teams", {"name": "Запад"})["team_id"]
    gone = here.hire("auditor")
    for one in (here.hire("head", team_id=team), gone):
        one.ask(REPORT)
    here.admin.http.delete(f"/v1/accounts/{gone.account_id}").raise_for_status()
    act()
    added_up.clear()
    tell_again(here)
    assert not added_up


# ------------------------------------------------------------------------------ by itself


class Told:
    """Reports that say when they were told, and an end that is moved."""

    def __init__(self) -> None:
        self.end, self.told = 0, list[str]()
        self.again = Retelling(lambda: self.end)

    def want(self, name: str, *, is_kept: bool = True, fails: Exception | None = None) -> None:
        def tell() -> bool:
            self.told.append(name)
            if fails is not None:
                raise fails
            return is_kept

        self.again.wanted(name, tell)

    def learn(self) -> list[str]:
        """What is told behind something new."""
        self.end += 1
        self.told.clear()
        self.again.tell_again()
        return self.told


@pytest.fixture
def told() -> Iterator[Told]:
    made = Told()
    yield made
    made.again.close()


def test_what_was_wanted_last_is_told_first_and_only_so_much(told: Told) -> None:
    for number in range(MOST + 2):
        told.want(str(number))
    told.want("5")
    wanted = [str(number) for number in range(MOST + 1, 1, -1) if number != 5]
    assert told.learn() == ["5", *wanted]


def test_nothing_is_told_again_where_nothing_was_learnt(told: Told) -> None:
    told.want("report")
    assert told.learn() == ["report"]
    told.again.tell_again()
    assert told.told == ["report"]


def test_what_nobody_wants_any_more_is_not_told(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.want("old")
    hour = monotonic() + retelling.LATELY_SECONDS
    monkeypatch.setattr(retelling, "monotonic", lambda: hour)
    told.want("new")
    assert told.learn() == ["new"]


def test_one_that_cannot_be_told_is_no_hindrance_and_not_tried_again(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    told.want("first")
    told.want("broken", fails=ValueError("it is broken"))
    told.want("not kept", is_kept=False)
    assert told.learn() == ["not kept", "broken", "first"]
    assert "it is broken" in caplog.text
    assert told.learn() == ["first"]


def test_without_a_database_it_is_tried_again(told: Told) -> None:
    told.want("report", fails=Unavailable("down"))
    for _ in range(2):
        with pytest.raises(Unavailable):
            told.learn()
    told.want("report")
    told.told.clear()
    told.again.tell_again()
    assert told.told == ["report"], "what was learnt meanwhile, nobody was told yet"


@pytest.mark.parametrize("fails", [False, True])
def test_it_rests_nine_times_as_long_as_it_took(
    told: Told, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    now = [monotonic()]
    monkeypatch.setattr(retelling, "monotonic", lambda: now[0])

    def tell() -> bool:
        told.told.append("slow")
        now[0] += 2
        if fails and len(told.told) == 1:
            raise Unavailable("it took too long")
        return True

    told.again.wanted("slow", tell)
    with pytest.raises(Unavailable) if fails else nullcontext():
        told.again.by_turns()
    told.end += 1
    now[0] += 17.9
    told.again.by_turns()
    assert told.told == ["slow"]
    now[0] += 0.1
    told.again.by_turns()
    assert told.told == ["slow"] * 2


def test_a_service_that_stops_does_not_wait_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retelling, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(retelling, "ENDING_SECONDS", 0.05)
    begun, ends = Signal(), Signal()

    def tell() -> bool:
        begun.set()
        return ends.wait(SECONDS)

    slow = Retelling(lambda: 1)
    slow.wanted("slow", tell)
    assert begun.wait(SECONDS)
    waiting = Thread(target=slow.close)
    waiting.start()
    waiting.join(SECONDS / 4)
    has_closed = not waiting.is_alive()
    ends.set()
    waiting.join()
    assert has_closed


def test_a_service_that_stops_waits_for_the_report_that_is_told_and_no_more(told: Told) -> None:
    told.want("second")

    def tell() -> bool:
        told.told.append("first")
        vars(told.again)["_closed"] = True
        return True

    told.again.wanted("first", tell)
    assert told.learn() == ["first"]
