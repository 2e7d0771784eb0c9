"""A company at work over HTTP: everybody commands and asks, whatever they may and may not.

Two teams, their heads, a director, an auditor and an administrator, with whom roles, teams and keys
change. What each is told is foretold from the public log by three plain readings of the design that
share nothing with the product: rights.py (who may), wishes.py (what comes of it, or which rule
refuses), told.py (the answers), on oracle.py. Status, rule, event and every figure are compared.
"""

import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import httpx
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests import oracle, told
from tests.conftest import new_database
from tests.histories import PROFILE
from tests.over_http import Company, company, refused
from tests.rights import (
    NOT_FOUND,
    ROLE,
    SIGNED_OUT,
    Grant,
    Log,
    Refused,
    Wish,
    deal_of,
    events_of,
    grant_of,
    managers,
    not_permitted,
    sees_deal,
    targets,
    teams,
)
from tests.told import Asked
from tests.wishes import NEW, outcome, percent, weight_on

START = datetime(2026, 11, 3, 9, tzinfo=UTC)
"""Noon in Moscow on a Tuesday; the Wednesday behind it is a holiday."""
UNKNOWN = str(UUID(int=7, version=4))
WHY = {"reason": "проверка"}
PEOPLE: dict[str, tuple[str, str]] = {
    "anna": ("manager", "anna north"),
    "boris": ("manager", "boris south"),
    "vera": ("manager", "vera south"),
    "gleb": ("head", "gleb north"),
    "hanna": ("head", "- south"),
    "dina": ("director", "dina -"),
    "olga": ("auditor", "- -"),
    "ivan": ("admin", "- -"),
}
"""Each with a role, the manager who they are, and that manager's team (a head's is led, too). Boris
moves north before it begins.
"""
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"weight": "5.00"},
    "claimed": {"weight": "33.33", "needs_confirmation": True},
    "setback": {"weight": "-7.01"},
    "rumour": {"weight": "-3.00", "needs_confirmation": True},
    "tender": {"weight": "60.00", "max_per_deal": 1, "evidence_required": True},
    "spare": {"weight": "1.00"},
}
CHECKS = ("400000000.00", "333333333.33", "0.07")
STATUSES = ("open", "suspended", "won", "lost")

RUNS = {"long": 100, "fault": 4}.get(PROFILE, 2)
LENGTH = 250


def test_everybody_is_told_what_the_design_says_whatever_was_done_before(
    server: str, template: str
) -> None:
    """Each run has a seed of its own: of several under one seed Hypothesis makes most alike, which
    is good for finding the least example and poor for meeting what is rare. The first of three is
    the one in which nothing happens.
    """
    seen = Counter[str]()

    class Here(AtWork):
        def __init__(self) -> None:
            super().__init__(server, template, seen)

    for number in range(RUNS):
        chosen = secrets.randbits(64) if PROFILE == "long" else number
        run_state_machine_as_test(
            seed(chosen)(Here),
            settings=settings(
                max_examples=3,
                stateful_step_count=LENGTH,
                deadline=None,
                database=None,
                phases=[Phase.generate, *([Phase.shrink] if PROFILE == "long" else [])],
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert {what.rpartition(" ")[2] for what in seen} >= MET


MET = {
    *("200", "201", "204", "unauthenticated", "not-found", "period-closed", "in-the-future"),
    *("role", "not-your-team", "no-own-claim", "own-action"),
    *("too-far-back", "before-opening", "unknown-manager", "not-open", "before-its-action"),
}
"""What must have been answered on the way, for it to have been worth going."""


# ---------------------------------------------------------------------------- what is drawn

SMALL = st.integers(0, 11)
WHO = st.sampled_from([*PEOPLE, "gleb", "gleb", "hanna"])
COMMANDERS = st.sampled_from([*PEOPLE, "gleb", "hanna", *["dina"] * 5])
KEY = st.sampled_from((-1, -1, -1, -1, -1, 0))
"""Of the keys somebody was ever given, the last or the first."""
LATE = st.sampled_from((0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 11, 14, 20, 29, -1))
"""By how many days the date is before today; -1 is tomorrow."""
PAST = st.sampled_from((0, 0, 0, 1, 1, 2, 3, 4, 5, 7, 9, 12, 16, 21, 34))
SPAN = st.sampled_from((0, 1, 3, 7, 14, 21, 28, 35))
KNOWN = st.sampled_from((None, None, None, 1000, 950, 900, 700, 400, 0))
"""How much of the log is known, in thousandths; None: nothing is said of it."""
WILD = st.sampled_from((False, False, False, True))
"""Takes no heed of what somebody may see, or of how a deal stands."""
CURRENCY = st.sampled_from((None, None, "RUB", "USD"))
UNIT = st.sampled_from(("day", "week", "month"))


Drawn = dict[str, Any]
MENU: list[str] = []
STEPS: dict[str, st.SearchStrategy[Drawn]] = {}
Step = TypeVar("Step", bound=Callable[..., None])


def step(times: int = 1, **drawn: st.SearchStrategy[Any]) -> Callable[[Step], Step]:
    """One of the things that happen, with what is drawn for it, so many times as often as another.

    A rule of its own for each would not do: Hypothesis leaves out some rules in each run, and a
    company in which nobody asks, or nothing is recorded, tells little.
    """

    def register(told: Step) -> Step:
        MENU.extend([told.__name__] * times)
        STEPS[told.__name__] = st.fixed_dictionaries(drawn)
        return told

    return register


@dataclass
class Somebody:
    """`keys` as they were given: the token and its id, empty where the id was never shown."""

    account_id: str
    keys: list[tuple[str, str]] = field(default_factory=list)


class AtWork(RuleBasedStateMachine):
    """`seen` counts over all runs what was asked for, and what came of it."""

    here: Company
    http: httpx.Client

    def __init__(self, server: str, template: str, seen: Counter[str]) -> None:
        super().__init__()
        self._server, self._template, self._seen = server, template, seen
        self._open = ExitStack()
        self.log: Log = []
        self.people: dict[str, Somebody] = {}

    def teardown(self) -> None:
        self._open.close()

    def _begin(self) -> None:
        """The prelude: people, the catalogue, and a few deals of a month ago."""
        database = self._open.enter_context(new_database(self._server, self._template))
        here = self.here = self._open.enter_context(company(database, START))
        self.http = here.stranger.http
        places = {"-": None} | {
            name: here.director.do("/v1/teams", {"name": name})["team_id"]
            for name in ("north", "south")
        }
        for role, place in PEOPLE.values():
            who, team = place.split()
            if who != "-":
                body = {"manager_id": who, "name": told.NAMES.format(who), "team_id": places[team]}
                here.director.do("/v1/managers", body)
            body = {"manager_id": None if who == "-" else who, "role": role, "name": "Кто-то"}
            body |= {"team_id": places[team]} if role == "head" else {}
            made = here.admin.do("/v1/accounts", body)
            name = [*PEOPLE][len(self.people)]
            self.people[name] = Somebody(made["account_id"], [(made["token"], "")])
        for code, kind in KINDS.items():
            here.kind(code=code, **kind)
        self.log = self._news()
        self._deals_of_a_month_ago()

    def _deals_of_a_month_ago(self) -> None:
        moved = {"team_id": teams(self.log)[0], "effective_on": "2026-10-20"}
        self._tell("dina", Wish("team-changes", moved, name="boris"))
        for number, owner in enumerate(("anna", "boris", "vera", "gleb", "dina")):
            check = {"amount": CHECKS[number % 2], "currency": "USD" if owner == "gleb" else "RUB"}
            body = {"title": owner, "client": "Завод", "potential_check": check}
            body |= {"manager_id": owner, "effective_on": "2026-09-28"}
            self._tell("dina", Wish("deals", body))
            deal = self._deals()[-1]
            for code, day in (("plain", "2026-10-05"), ("claimed", "2026-10-27")):
                done = {"action_type": code, "manager_id": owner, "effective_on": day}
                self._tell("dina", Wish("actions", done, deal))

    # ------------------------------------------------------------------------ commands

    @step()
    def nothing_happens(self) -> None:
        """First of all, so that it is what a run comes to where nothing else is needed."""

    @step(2, who=COMMANDERS, key=KEY, owner=SMALL, own=WILD, late=LATE, size=SMALL)
    def opens_a_deal(self, who: str, key: int, owner: int, own: bool, late: int, size: int) -> None:
        currency = "USD" if size == 0 else "RUB"
        body = {
            "title": "Витрины",
            "client": "Ромашка",
            "potential_check": {"amount": _of(CHECKS, size), "currency": currency},
            "manager_id": self._manager(who, owner, own=not own),
            "effective_on": self._day(late),
        }
        body |= {"expected_close_on": "2027-02-01"} if size % 2 else {}
        self._tell(who, Wish("deals", body), key)

    @step(5,
        who=COMMANDERS, key=KEY, which=SMALL, wild=WILD, code=st.sampled_from([*KINDS, "none"]),
        performer=SMALL, own=st.booleans(), together=WILD, late=LATE, evidence=st.booleans(),
    )  # fmt: skip
    def records_an_action(
        self, who: str, key: int, which: int, wild: bool, code: str, performer: int, own: bool,
        together: bool, late: int, evidence: bool,
    ) -> None:  # fmt: skip
        day = self._day(late)
        body: dict[str, Any] = {"action_type": code, "effective_on": day}
        body |= {"evidence": "Протокол"} if evidence else {}
        first = self._manager(who, performer, own=own)
        weight = weight_on(self.log, code, day)
        part = oracle.basis_points(weight) // 3 if weight else 0
        second = self._manager(who, performer + 1, own=False)
        if together and weight and part > 0 and first != second:
            rest = oracle.basis_points(weight) - part
            shares = ((first, percent(rest)), (second, percent(part)))
            body["credits"] = [{"manager_id": who, "weight": weight} for who, weight in shares]
        else:
            body["manager_id"] = first
        self._tell(who, Wish("actions", body, self._deal(who, which, wild=wild)), key)

    @step(5,
        who=COMMANDERS, key=KEY, which=SMALL, wild=WILD, action=SMALL, unfit=WILD,
        what=st.sampled_from(("confirmation", "confirmation", "rejection", "weight-changes",
                              "weight-changes", "withdrawal", "withdrawal")),
        late=st.one_of(st.none(), LATE), size=SMALL,
    )  # fmt: skip
    def amends_an_action(
        self, who: str, key: int, which: int, wild: bool, action: int, unfit: bool, what: str,
        late: int | None, size: int,
    ) -> None:  # fmt: skip
        deal = self._deal(who, which, wild=wild)
        body: dict[str, Any] = {} if what == "confirmation" else dict(WHY)
        if what == "weight-changes":
            body["weight"] = _of(("5.01", "4.99", "0.07", "100.00", "33.33"), size)
            late = 0 if late is None else late
        if late is not None:
            body["effective_on"] = self._day(late)
        self._tell(
            who, Wish(what, body, deal, self._action(deal, action, what, fit=not unfit)), key
        )

    @step(4, who=COMMANDERS, key=KEY, which=SMALL, wild=WILD, what=SMALL, late=LATE, size=SMALL)
    def changes_a_deal(
        self, who: str, key: int, which: int, wild: bool, what: int, late: int, size: int
    ) -> None:
        name = self._deal(who, which, wild=wild)
        deal = deal_of(self.log, name)
        status = "open" if wild or deal is None else deal["status"]
        words = {
            "open": ("check-revisions", "handovers", "handovers", "suspension", "win", "loss"),
            "suspended": ("resumption", "resumption", "handovers", "check-revisions", "win"),
            "won": ("reopening",),
            "lost": ("reopening",),
        }[status]
        word = _of((*words, "expected-close-revisions"), what)
        body = {"effective_on": self._day(late)} | {
            "check-revisions": {"amount": _of(CHECKS, size), **WHY},
            "expected-close-revisions": {"expected_close_on": "2027-03-01"},
            "handovers": {
                "to_manager_id": self._manager(who, size, own=size == 0),
                "transfer_credit": size % 3 > 0,
                **WHY,
            },
            "suspension": {"review_on": "2026-12-01", **WHY},
            "resumption": {},
            "win": {"contract_amount": _of(("1000000.01", "0.02", "77.77"), size)},
            "loss": WHY,
            "reopening": WHY,
        }[word]
        self._tell(who, Wish(word, body, name), key)

    @step(2,
        who=COMMANDERS, key=KEY, manager=SMALL, team=SMALL, late=LATE,
        what=st.sampled_from(("move", "move", "move", "team", "manager")),
    )  # fmt: skip
    def changes_teams(
        self, who: str, key: int, manager: int, team: int, late: int, what: str
    ) -> None:
        team_id = _of([*teams(self.log)[:2], *teams(self.log), UNKNOWN], team)
        if what == "team":
            self._tell(who, Wish("teams", {"name": "Запад"}), key)
        elif what == "manager":
            name = _of(("anna", "pavel", "rita"), manager)
            body = {"manager_id": name, "name": told.NAMES.format(name), "team_id": team_id}
            self._tell(who, Wish("managers", body), key)
        else:
            body = {"team_id": team_id, "effective_on": self._day(late)}
            name = self._manager(who, manager, own=False)
            self._tell(who, Wish("team-changes", body, name=name), key)

    @step(2, who=COMMANDERS, key=KEY, size=SMALL, what=st.sampled_from(
        ("closing", "closing", "reopening", "reopening", "weights", "backdating", "targets",
         "target-withdrawal")
    ))  # fmt: skip
    def regulates(self, who: str, key: int, size: int, what: str) -> None:
        month = _of(("2026-09", "2026-08", "2026-10", "2026-11"), size)
        days = _of((0, 3, 4, 5, 6, None), size)
        new = {"weight": "2.00", "effective_from": _of(("2026-10-01", "2026-11-04"), size)}
        name, body = {
            "closing": (month, {}),
            "reopening": (month, WHY),
            "weights": (_of(("spare", "plain", "none"), size), WHY | new),
            "backdating": ("", WHY | {"working_days": days}),
            "targets": ("", WHY | self._target(size)),
            "target-withdrawal": (_of([UNKNOWN, *targets(self.log)], -1 - size % 2), WHY),
        }[what]
        self._tell(who, Wish(what, body, name=name), key)

    def _target(self, size: int) -> dict[str, Any]:
        """Of somebody, some team, or nobody; some of them over already."""
        name = _of(("anna", "vera", "nobody"), size)
        whom = {"team_id": _of(teams(self.log)[:2], size)} if size % 2 else {"manager_id": name}
        days = {"first_day": "2026-10-01", "last_day": _of(("2026-12-31", "2026-10-19"), size)}
        money = {"amount": "9000.00", "currency": "RUB"}
        figure = {"amount": money} if size % 3 else {"number": 9}
        return {**whom, **days, **figure, "measure": "gained" if size % 3 else "actions"}

    @step(2,
        who=st.sampled_from(("ivan", "ivan", "ivan", "dina", "gleb", "anna", "olga")), key=KEY,
        whom=st.sampled_from(("anna", "boris", "vera", "gleb", "hanna", "dina", "olga", "nobody")),
        what=st.sampled_from(("role", "role", "role", "keys", "keys", "keys", "close", "revoke")),
        role=st.sampled_from(("manager", "head", "head", "director", "auditor", "admin")),
        manager=SMALL, team=SMALL,
    )  # fmt: skip
    def administers(
        self, who: str, key: int, whom: str, what: str, role: str, manager: int, team: int
    ) -> None:
        person = self.people.get(whom, Somebody(UNKNOWN, [("", UNKNOWN)]))
        if what == "close":
            self._take_away(who, key, f"/v1/accounts/{person.account_id}", "RoleRevoked")
        elif what == "revoke":
            path = f"/v1/accounts/{person.account_id}/keys"
            self._take_away(who, key, f"{path}/{person.keys[-1][1] or UNKNOWN}", "KeyRevoked")
        elif what == "keys":
            made = self._tell(who, Wish("keys", name=person.account_id), key)
            if made is not None:
                person.keys.append((made["token"], made["key_id"]))
        else:
            named = None if manager == 0 and role != "manager" else self._manager(whom, manager)
            body: dict[str, Any] = {"role": role, "manager_id": named}
            body |= {"team_id": _of(teams(self.log)[:2], team)} if role == "head" else {}
            self._tell(who, Wish("role", body, name=person.account_id), key)

    @step()
    def a_day_passes(self) -> None:
        self.here.clock.now += timedelta(days=1)

    # ------------------------------------------------------------------------ questions

    @step(2, who=WHO, key=KEY, manager=SMALL, own=WILD, late=PAST, known=KNOWN)
    def asks_about_a_manager(
        self, who: str, key: int, manager: int, own: bool, late: int, known: int | None
    ) -> None:
        name = self._manager(who, manager, own=own)
        question = Question(f"/v1/managers/{name}/portfolio", late, known, manager=name)
        if found := self._ask(who, key, question):
            asked, answer = found
            assert answer == told.manager_portfolio(asked, name)

    @step(2, who=WHO, key=KEY, team=SMALL, late=PAST, known=KNOWN)
    def asks_about_everybody(
        self, who: str, key: int, team: int, late: int, known: int | None
    ) -> None:
        question = Question("/v1/portfolios", late, known, team=self._team(team))
        if found := self._ask(who, key, question):
            asked, answer = found
            assert answer == told.portfolios(asked, question.team)

    @step(2,
        who=WHO, key=KEY, manager=SMALL, own=WILD, one=st.booleans(), team=SMALL, late=PAST,
        longer=SPAN, known=KNOWN, unit=UNIT, currency=CURRENCY,
    )  # fmt: skip
    def asks_for_a_series(
        self, who: str, key: int, manager: int, own: bool, one: bool, team: int, late: int,
        longer: int, known: int | None, unit: str, currency: str | None,
    ) -> None:  # fmt: skip
        name = self._manager(who, manager, own=own)
        first, last = self._day(late + longer), self._day(late)
        days = told.step_ends(first, last, unit)
        more = {"from": first, "to": last, "step": unit, "currency": currency}
        path = f"/v1/managers/{name}/portfolio/series" if one else "/v1/portfolios/series"
        about = {"manager": name} if one else {"team": self._team(team)}
        question = Question(path, late, known, more=more, **about)
        if found := self._ask(who, key, question):
            asked, answer = found
            if one:
                seen = {day: [name] for day in days if asked.sees(name, day)}
            else:
                seen = {day: asked.seen(question.team, day) for day in days}
            assert answer == told.series(asked, currency or "RUB", seen)

    @step(2,
        who=WHO, key=KEY, manager=SMALL, own=WILD, one=WILD, team=SMALL, late=PAST, longer=SPAN,
        known=KNOWN, currency=CURRENCY,
    )  # fmt: skip
    def asks_for_a_movement(
        self, who: str, key: int, manager: int, own: bool, one: bool, team: int, late: int,
        longer: int, known: int | None, currency: str | None,
    ) -> None:  # fmt: skip
        name = self._manager(who, manager, own=own) if one else None
        first, last = self._day(late + longer), self._day(late)
        more = {"from": first, "to": last, "currency": currency, "manager_id": name}
        question = Question(
            "/v1/portfolios/movement", late, known, name, self._team(team), [first, last], more
        )
        if found := self._ask(who, key, question):
            asked, answer = found
            counted = [one for one in asked.seen(question.team, first, last) if name in (None, one)]
            assert answer == told.movement(asked, first, currency or "RUB", counted)

    @step(
        who=st.sampled_from((*PEOPLE, "dina", "olga", "dina", "olga")), key=KEY, manager=SMALL,
        one=WILD, team=SMALL, late=PAST, known=st.integers(0, 1000), learnt=st.integers(0, 1000),
        currency=CURRENCY,
    )  # fmt: skip
    def asks_for_a_restatement(
        self, who: str, key: int, manager: int, one: bool, team: int, late: int, known: int,
        learnt: int, currency: str | None,
    ) -> None:  # fmt: skip
        name = self._manager(who, manager, own=False) if one else None
        early, later = sorted((known, learnt))
        first, last = self._position(early), self._position(later)
        more = {
            "as_of": self._day(late), "from_position": first, "to_position": last,
            "currency": currency, "manager_id": name,
        }  # fmt: skip
        path = "/v1/portfolios/restatement"
        question = Question(path, late, later, name, self._team(team), more=more, audit=True)
        if found := self._ask(who, key, question):
            asked, answer = found
            counted = [one for one in asked.seen(question.team, asked.as_of) if name in (None, one)]
            answer.pop("from_known_at")
            assert answer == told.restatement(asked, first, currency or "RUB", counted)

    @step(2,
        who=WHO, key=KEY, late=PAST, known=KNOWN, owner=st.one_of(st.none(), SMALL), own=WILD,
        status=st.sampled_from((None, None, None, *STATUSES)),
    )  # fmt: skip
    def asks_for_the_deals(
        self, who: str, key: int, late: int, known: int | None, owner: int | None, own: bool,
        status: str | None,
    ) -> None:  # fmt: skip
        name = None if owner is None else self._manager(who, owner, own=own)
        more = {"manager_id": name, "status": status}
        question = Question("/v1/deals", late, known, manager=name, more=more)
        if found := self._ask(who, key, question):
            asked, answer = found
            assert answer == told.deals(asked, status, name)

    @step(2, who=WHO, key=KEY, which=SMALL, wild=st.booleans(), late=PAST, known=KNOWN)
    def asks_about_a_deal(
        self, who: str, key: int, which: int, wild: bool, late: int, known: int | None
    ) -> None:
        name = self._deal(who, which, wild=wild)
        question = Question(f"/v1/deals/{name}", late, known, deal=name)
        if found := self._ask(who, key, question):
            asked, answer = found
            assert answer == told.one_deal(asked, name, told.found(asked, name))
        history = Question(f"/v1/deals/{name}/events", late, known, deal=name)
        if found := self._ask(who, key, history):
            asked, answer = found
            for event in answer["events"]:
                event["added"] = {
                    (one["manager_id"], one["account"]): (one["amount"], one["credit"])
                    for one in event["added"]
                }
            assert answer == told.deal_events(asked, name)

    @step(who=WHO, key=KEY, late=PAST, known=KNOWN)
    def looks_up(self, who: str, key: int, late: int, known: int | None) -> None:
        for what in ("action-types", "managers", "teams", "rules", "periods"):
            if found := self._ask(who, key, Question(f"/v1/{what}", late, known, open_to_all=True)):
                asked, answer = found
                if what == "periods":
                    assert answer["periods"] == told.periods(asked)

    @step(who=WHO, key=KEY, after=st.integers(0, 1000))
    def reads_the_log(self, who: str, key: int, after: int) -> None:
        position = self._position(after)
        response = self._get(who, key, "/v1/events", {"after": position, "limit": 1000})
        grant = self._grant(who, key)
        if grant is None:
            self._refused(response, SIGNED_OUT)
        elif grant["role"] not in {"director", "auditor"}:
            self._refused(response, ROLE)
        else:
            answer = response.json()
            assert answer["events"] == self.log[position:]
            assert answer["position"] == len(self.log)
            assert set(answer) == {"as_of", "known_at", "position", "events"}

    @rule(what=st.sampled_from(MENU).flatmap(lambda name: st.tuples(st.just(name), STEPS[name])))
    def something_happens(self, what: tuple[str, Drawn]) -> None:
        name, drawn = what
        if name == "nothing_happens":
            return
        if not self.people:
            self._begin()
        getattr(self, name)(**drawn)

    # ------------------------------------------------------------------------ telling

    def _tell(self, who: str, wish: Wish, key: int = -1) -> dict[str, Any] | None:
        """The answer, when it was accepted."""
        today, grant = self._today, self._grant(who, key)
        response = self._send("POST", who, key, wish.path, json=wish.body)
        refusal = not_permitted(self.log, today, grant, wish) if grant else SIGNED_OUT
        foretold = refusal or outcome(self.log, today, wish)
        news = self._news()
        if isinstance(foretold, Refused):
            self._refused(response, foretold)
            assert news == [], "what is refused leaves nothing"
            return None
        made = wish.what in {"deals", "actions", "teams", "managers", "keys", "targets"}
        assert response.status_code == (201 if made else 200), response.text
        (event,) = news
        answer: dict[str, Any] = response.json()
        self._is_recorded(event, foretold, answer, self.people[who].account_id)
        self.log += news
        if wish.what not in {"role", "keys"}:
            own = [one for one in self.log if one["stream_id"] == event["stream_id"]]
            told = {"position": event["position"], "recorded_at": event["recorded_at"]}
            assert answer == answer | told | {"version": len(own)}
            assert response.headers["etag"] == f'"{len(own)}"'
        return answer

    def _is_recorded(
        self, event: dict[str, Any], foretold: dict[str, Any], answer: dict[str, Any], actor: str
    ) -> None:
        names = ("deal_id", "action_id", "team_id", "manager_id", "key_id", "target_id")
        data = {
            name: answer[name] if value == NEW and name in names else value
            for name, value in foretold["data"].items()
        }
        place = {"deal_id": answer["deal_id"]} if "deal_id" in foretold else {}
        stored = {"position": len(self.log) + 1, "actor": actor}
        assert event == event | foretold | place | stored | {"data": data}
        assert ("effective_on" in event) == ("effective_on" in foretold)

    def _take_away(self, who: str, key: int, path: str, kind: str) -> None:
        """Close an account, or take a key back."""
        grant = self._grant(who, key)
        account, _, key_id = path.removeprefix("/v1/accounts/").partition("/keys/")
        response = self._send("DELETE", who, key, path)
        news = self._news()
        gone = grant_of(self.log, account, key_id) is None
        if grant is None or grant["role"] != "admin" or gone or key_id == UNKNOWN:
            not_an_admin = ROLE if grant and grant["role"] != "admin" else NOT_FOUND
            self._refused(response, SIGNED_OUT if grant is None else not_an_admin)
            assert news == []
            return
        assert response.status_code == 204, response.text
        (event,) = news
        named = {"account_id": account} | ({"key_id": key_id} if key_id else {})
        assert (event["type"], event["data"]) == (kind, named)
        assert event["actor"] == self.people[who].account_id
        self.log += news

    def _news(self) -> Log:
        """As somebody reads it who may."""
        answer = self.here.director.ask("/v1/events", after=len(self.log), limit=1000)
        return list(answer["events"])

    def _refused(self, response: httpx.Response, foretold: Refused) -> None:
        problem = refused(response, foretold.status, foretold.slug)
        if foretold.slug == "breaks-later-history":
            assert str(problem["event"]["position"]) == foretold.rule
        elif foretold.rule:
            assert problem["rule"] == foretold.rule

    # ------------------------------------------------------------------------ asking

    def _ask(self, who: str, key: int, question: "Question") -> tuple[Asked, dict[str, Any]] | None:
        """The point and the answer without its `known_at`, when who asks may ask it."""
        position = None if question.known is None else self._position(question.known)
        params: dict[str, Any] = {"as_of": self._day(question.late), "position": position}
        if question.audit:
            params = {}
        if "from" in question.more:
            del params["as_of"]
        params |= {"team_id": question.team, **question.more}
        given = {name: value for name, value in params.items() if value is not None}
        response = self._get(who, key, question.path, given)
        grant = self._grant(who, key)
        if grant is None:
            self._refused(response, SIGNED_OUT)
            return None
        end = len(self.log) if position is None else position
        asked = Asked(self.log, grant, self._today, self._day(question.late), end)
        if refusal := question.refused(asked):
            self._refused(response, refusal)
            return None
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        known_at = datetime.fromisoformat(answer.pop("known_at"))
        if position is None:
            latest = datetime.fromisoformat(self.log[-1]["recorded_at"])
            assert known_at == max(latest, self.here.clock.now)
        elif position:
            assert known_at == datetime.fromisoformat(self.log[position - 1]["recorded_at"])
        return asked, answer

    def _get(self, who: str, key: int, path: str, params: dict[str, Any]) -> httpx.Response:
        return self._send("GET", who, key, path, params=params)

    def _send(self, method: str, who: str, key: int, path: str, **what: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.people[who].keys[key][0]}"}
        response = self.http.request(method, path, headers=headers, **what)
        self._count(method, path, response)
        return response

    def _count(self, method: str, path: str, response: httpx.Response) -> None:
        word = [part for part in path.split("/") if len(part) != len(UNKNOWN)][-1]
        told = str(response.status_code)
        if response.status_code >= 400:
            problem = response.json()
            told = problem.get("rule") or problem["type"].removeprefix("/problems/")
        self._seen[f"{method} {word} {told}"] += 1

    # ------------------------------------------------------------------------ choosing

    @property
    def _today(self) -> str:
        return str(self.here.clock.now.date())

    def _day(self, late: int) -> str:
        return str(self.here.clock.now.date() - timedelta(days=late))

    def _grant(self, who: str, key: int) -> Grant | None:
        somebody = self.people[who]
        return grant_of(self.log, somebody.account_id, somebody.keys[key][1])

    def _position(self, known: int) -> int:
        return len(self.log) * known // 1000

    def _team(self, which: int) -> str | None:
        return None if which % 2 else str(_of([*teams(self.log), UNKNOWN], which // 2))

    def _manager(self, who: str, which: int, *, own: bool = False) -> str:
        """With `own` the manager who they are, if they are one."""
        me = (self._grant(who, -1) or {}).get("manager_id") if who in self.people else None
        return str(me if own and me else _of([*managers(self.log), "nobody"], which))

    def _deals(self) -> list[str]:
        return [*oracle.by_deal(self.log)]

    def _deal(self, who: str, which: int, *, wild: bool) -> str:
        """One that they see, if there is one, unless it is `wild`."""
        grant = self._grant(who, -1)
        seen = [
            name
            for name in self._deals()
            if grant and sees_deal(self.log, grant, deal_of(self.log, name), self._today)
        ]
        return str(_of([*self._deals(), UNKNOWN] if wild or not seen else seen, which))

    def _action(self, deal_id: str, which: int, what: str, *, fit: bool) -> str:
        """Of the deal; with `fit` one that the books would have amended so."""
        actions = {
            e["data"]["action_id"]: deal_id
            for e in events_of(self.log, deal_id)
            if e["type"] == "ActionPerformed"
        }
        if fit and actions:
            now = deal_of(self.log, deal_id)["actions"]
            claims = what in {"confirmation", "rejection"}
            fitting = [a for a in actions if now[a]["live"] and now[a]["claimed"] >= claims]
            return str(_of(fitting or [*actions], which))
        return str(_of([*actions, UNKNOWN], which))


@dataclass(frozen=True)
class Question:
    """`late` and `known` as drawn; `more` are parameters beside the point and the team."""

    path: str
    late: int
    known: int | None
    manager: str | None = None
    team: str | None = None
    days: list[str] | None = None
    more: dict[str, Any] = field(default_factory=dict)
    deal: str | None = None
    audit: bool = False
    open_to_all: bool = False

    def refused(self, asked: Asked) -> Refused | None:  # noqa: PLR0911 - one return a rule
        """Whoever may not see a thing is told that there is none."""
        role = asked.grant["role"]
        if self.open_to_all:
            return None
        if role == "admin":
            about_a_thing = "manager_id" not in self.more and (self.manager or self.deal)
            return NOT_FOUND if about_a_thing else ROLE
        if self.audit and role not in {"director", "auditor"}:
            return ROLE
        days = self.days or [asked.as_of]
        if self.manager is not None and not (
            self.manager in managers(asked.log) and asked.sees(self.manager, *days)
        ):
            return NOT_FOUND
        if self.deal is not None and told.found(asked, self.deal) is None:
            return NOT_FOUND
        if self.team is not None and self.team not in teams(asked.known):
            return NOT_FOUND
        leads = role in {"director", "auditor"} or asked.grant.get("team_id") == self.team
        return None if self.team is None or leads else NOT_FOUND


def _of(things: "list[Any] | tuple[Any, ...]", which: int) -> Any:
    return things[which % len(things)]
