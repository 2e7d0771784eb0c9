"""Two years of a sales department, told in the orders that people would give.

The story is rehearsed in memory on the rules of the books themselves, working day by working day.
What the books refuse is not told, so the batch that the transactor gets holds no refusal. The day
on which it is told and a fixed seed are all that it depends on: the same day, the same ids, dates
and figures. It ends on the evening before that day.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import count
from random import Random
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from api.demo import company
from api.demo.company import PEOPLE, Kind
from application.dealfolio import RUSSIAN
from application.knowledge import Draft, Knowledge
from application.orders import Order
from domain.deal import Action, Deal
from domain.deal_commands import (
    ChangeWeight,
    ConfirmAction,
    HandOver,
    Lose,
    OpenDeal,
    PerformAction,
    RejectAction,
    Reopen,
    Resume,
    ReviseCheck,
    ReviseExpectedClose,
    Suspend,
    Win,
    WithdrawAction,
)
from domain.decisions import Books, Command
from domain.directory_commands import (
    ChangeCatalogueWeight,
    ChangeTeam,
    ClosePeriod,
    CreateTeam,
    RegisterManager,
    ReopenPeriod,
    RetireActionType,
)
from domain.errors import Refusal
from domain.events import Credit, TargetSet
from domain.periods import Month
from domain.target_commands import SetTarget, WithdrawTarget
from domain.values import (
    WHOLE,
    ActionId,
    ActionTypeCode,
    DealId,
    ManagerId,
    Measure,
    Money,
    TargetId,
    TeamId,
    split,
)

DEMO_ACTOR = "demo"
"""Who gives the orders that no manager gives, and under whose name the receipt is kept."""
RECEIPT_KEY = "demo company"
"""Under which the first order is recorded: by its receipt a story that was told is known."""
_REQUEST = b"demo"
SEED = 20_2411
_MONTHS = 24
_DEALS = 122
_LEFT_OPEN_DAYS = 50
"""A month that ended later than so many days ago is not closed yet."""
_REOPENED_MONTH = 5
"""Which of the closed months was reopened, counted from the last."""

T = TypeVar("T")


def demo_orders(today: date, zone: ZoneInfo) -> list[Order]:
    """The whole story, in the order in which it was recorded."""
    return _Story(today, zone).tell()


@dataclass(slots=True)
class _Rehearsal:
    """The books as they stand in the story, kept by the rules that the real ones are kept by."""

    day: date
    draft: Draft = field(default_factory=lambda: Draft(Knowledge(), lambda _: ()))
    accepted: list[Command] = field(default_factory=list)

    def say(self, command: Command) -> bool:
        """Whether the books take it; if not, it was never said."""
        draft = self.draft
        before = partial(RUSSIAN.before, self.day)
        books = Books(self.day, draft.position, draft.directory, draft.deal, lambda _: (), before)
        noon = datetime.combine(self.day, time(12), UTC)
        try:
            decision = command.decide(books)
            draft.record(decision, draft.version(decision.stream_id) or 0, DEMO_ACTOR, noon)
        except Refusal:
            return False
        self.accepted.append(command)
        return True

    def deal(self, deal_id: DealId) -> Deal:
        return self.draft.deal(deal_id).deal

    def deals(self) -> Iterator[tuple[DealId, Deal]]:
        for history in self.draft.histories.values():
            yield history.deal_id, history.deal

    def weight_on(self, code: str, day: date) -> int | None:
        types = self.draft.directory.catalogue.types
        kind = types.get(ActionTypeCode(code))
        return kind.weight_on(day) if kind else None


@dataclass(slots=True)
class _Fate:
    """A deal is won once its progress is `won_at`, or else lost after `lost_on`; None: not so."""

    won_at: int | None = None
    lost_on: date | None = None


class _Story:
    def __init__(self, today: date, zone: ZoneInfo) -> None:
        self.today = today
        self.zone = zone
        self.rng = Random(SEED)  # noqa: S311 - a story that is the same every time, not a secret
        self.begins = _month_after(Month(today.year, today.month), -_MONTHS)
        self.books = _Rehearsal(_first_day(self.begins))
        self.diary: dict[date, list[Callable[[], object]]] = defaultdict(list)
        self.teams = [TeamId(self._uuid()) for _ in company.TEAMS]
        self.fates: dict[DealId, _Fate] = {}
        self.numbers = count(1)
        self.turns: Counter[str] = Counter()

    def tell(self) -> list[Order]:
        self._plan()
        orders: list[Order] = []
        while self.books.day < self.today:
            if _is_working(self.books.day):
                self._live_a_day()
                orders += self._given()
            self.books.day += timedelta(days=1)
        return orders

    def _live_a_day(self) -> None:
        for happening in self.diary.pop(self.books.day, []):
            happening()
        self._work()

    def _given(self) -> Iterator[Order]:
        """The day's orders, at times spread over its working hours."""
        morning = datetime.combine(self.books.day, time(9), self.zone)
        commands, self.books.accepted = self.books.accepted, []
        seconds = sorted(self.rng.randrange(36_000) for _ in commands)
        for command, second in zip(commands, seconds, strict=True):
            first = isinstance(command, CreateTeam) and command.team_id == self.teams[0]
            yield Order(
                command,
                _author(command),
                key=RECEIPT_KEY if first else None,
                request=_REQUEST if first else b"",
                given_at=(morning + timedelta(seconds=second)).astimezone(UTC),
            )

    # What is known from the beginning: people, catalogue, months, and when deals turn up.

    def _plan(self) -> None:
        self._at(0, self._found)
        for after, person, team in company.MOVES:
            self._at(after, partial(self._move, PEOPLE[person].manager_id, self.teams[team]))
        self._plan_the_catalogue()
        self._plan_the_closings()
        self._on(_last_working_day(self.today), self._set_targets)
        length = (self.today - self.books.day).days
        for number in range(_DEALS):
            after = 60 * number // 30 if number < 30 else self.rng.random() ** 1.35 * (length - 14)
            self._at(int(after), self._open_a_deal)

    def _found(self) -> None:
        for team_id, name in zip(self.teams, company.TEAMS, strict=True):
            self.books.say(CreateTeam(team_id, name))
        for person in PEOPLE:
            team_id = self.teams[person.team]
            self.books.say(RegisterManager(person.manager_id, person.name, team_id))
        for kind in (*company.STEPS, *company.SETBACKS):
            self.books.say(kind.definition(_first_day(self.begins)))

    def _move(self, manager_id: ManagerId, team_id: TeamId) -> None:
        self.books.say(ChangeTeam(manager_id, team_id, self.books.day))

    def _plan_the_catalogue(self) -> None:
        """Changes of the catalogue are announced two weeks ahead."""
        for code, weight, after, reason in company.NEW_WEIGHTS:
            change = ChangeCatalogueWeight(
                ActionTypeCode(code), weight, self._day_after(after), reason
            )
            self._at(after - 14, partial(self.books.say, change))
        code, after = company.RETIRED
        retire = RetireActionType(ActionTypeCode(code), self._day_after(after))
        self._at(after - 14, partial(self.books.say, retire))
        after = company.LATER_STEP_FROM
        define = company.LATER_STEP.definition(self._day_after(after))
        self._at(after - 14, partial(self.books.say, define))

    def _plan_the_closings(self) -> None:
        """One to two and a half weeks after its end; one of the months twice."""
        months = [_month_after(self.begins, number) for number in range(_MONTHS)]
        limit = self.today - timedelta(days=_LEFT_OPEN_DAYS)
        closed = [month for month in months if month.last_day <= limit]
        for month in closed:
            day = month.last_day + timedelta(days=self.rng.randint(8, 17))
            self._on(day, partial(self.books.say, ClosePeriod(month)))
            if month == closed[-_REOPENED_MONTH]:
                reopen = ReopenPeriod(month, company.MONTH_REOPENED)
                self._on(day + timedelta(days=4), partial(self.books.say, reopen))
                self._on(day + timedelta(days=4), partial(self._correct, month))
                self._on(day + timedelta(days=7), partial(self.books.say, ClosePeriod(month)))

    def _set_targets(self) -> None:
        """Of this quarter; one is set for the wrong team, and withdrawn."""
        first = Month(self.today.year, (self.today.month - 1) // 3 * 3 + 1)
        days = _first_day(first), _month_after(first, 2).last_day
        for team_id, millions in zip(self.teams, company.TARGETS, strict=True):
            self._promise(Measure.GAINED, days, team_id=team_id, amount=_millions(millions))
        for person in PEOPLE[:3]:
            who, number = person.manager_id, company.TARGET_ACTIONS
            self._promise(Measure.ACTIONS, days, manager_id=who, number=number)
        amount = _millions(sum(company.TARGETS))
        wrong = self._promise(Measure.PORTFOLIO, days, team_id=self.teams[0], amount=amount)
        self.books.say(WithdrawTarget(wrong, company.TARGET_WITHDRAWN))

    def _promise(
        self,
        measure: Measure,
        days: tuple[date, date],
        *,
        manager_id: ManagerId | None = None,
        team_id: TeamId | None = None,
        amount: Money | None = None,
        number: int | None = None,
    ) -> TargetId:
        target_id = TargetId(self._uuid())
        promise = TargetSet(
            target_id=target_id,
            measure=measure,
            first_day=days[0],
            last_day=days[1],
            reason=company.TARGET_REASON,
            manager_id=manager_id,
            team_id=team_id,
            amount=amount,
            number=number,
        )
        self.books.say(SetTarget(promise))
        return target_id

    def _correct(self, month: Month) -> None:
        """The action for whose sake the month was reopened."""
        day = month.last_day - timedelta(days=9)
        for deal_id, deal in list(self.books.deals()):
            if deal.is_open and deal.opened_on < day:
                act = PerformAction(
                    deal_id,
                    ActionId(self._uuid()),
                    ActionTypeCode("decision-maker-meeting"),
                    day,
                    deal.owner,
                    comment=company.FORGOTTEN,
                )
                if self.books.say(act):
                    return

    def _open_a_deal(self) -> None:
        person = self._free_hand()
        deal_id, day = DealId(self._uuid()), self.books.day
        currency = self.rng.choices(["RUB", "KZT", "CNY"], [91, 5, 4])[0]
        client = self._one_of(company.FOREIGN_CLIENTS.get(currency, company.CLIENTS))
        city = self._one_of(company.CITIES[person.team])
        self.books.say(
            OpenDeal(
                deal_id,
                f"{self._one_of(company.SUBJECTS)}, {city}",
                client,
                Money(amount=self._check(currency), currency=currency),
                person.manager_id,
                day - timedelta(days=self._one_of([0, 0, 0, 1, 1, 2]) if day.day > 3 else 0),
                day + timedelta(days=self.rng.randint(180, 520)),
            )
        )
        self.fates[deal_id] = self._fate()
        self._later(self.rng.randint(14, 30), partial(self._review, deal_id))

    def _free_hand(self) -> company.Person:
        """Who gets the next deal: rather the quick, and whoever has few."""
        busy = Counter(deal.owner for _, deal in self.books.deals() if deal.is_open)
        weights = [
            (30 + one.tempo) / (1 + busy[one.manager_id]) ** 2 if self._is_active(one) else 0
            for one in PEOPLE
        ]
        return self.rng.choices(PEOPLE, weights)[0]

    def _check(self, currency: str) -> int:
        """Small ones are more frequent; in minor units, whole millions."""
        least, most = {"RUB": (200, 2000), "KZT": (1200, 9000), "CNY": (18, 150)}[currency]
        times: float = (most / least) ** (self.rng.random() ** 1.3)
        return round(least * times) * 100_000_000

    def _fate(self) -> _Fate:
        draw = self.rng.random()
        if draw < 0.6:
            return _Fate(won_at=self.rng.randint(4000, 8000))
        if draw < 0.86:
            lost_on = self.books.day + timedelta(days=self.rng.randint(80, 420))
            return _Fate(won_at=7000, lost_on=lost_on)
        return _Fate()

    # What managers do every day.

    def _work(self) -> None:
        deals: dict[ManagerId, list[DealId]] = defaultdict(list)
        for deal_id, deal in self.books.deals():
            if deal.is_open:
                deals[deal.owner].append(deal_id)
        for person in PEOPLE:
            mine = deals[person.manager_id]
            if mine and self._is_active(person) and self._happens(person.tempo / 100):
                self._act(person, self._promising(mine))

    def _is_active(self, person: company.Person) -> bool:
        return (self.today - self.books.day).days > person.quiet_days

    def _promising(self, deals: Sequence[DealId]) -> DealId:
        """Managers work more on what has come further, and little where nothing can be added."""
        progresses = [self.books.deal(deal_id).progress for deal_id in deals]
        weights = [1500 + progress if progress < WHOLE else 200 for progress in progresses]
        return self.rng.choices(deals, weights)[0]

    def _act(self, person: company.Person, deal_id: DealId) -> None:
        """Do something on the deal today, or write down today what was done some time ago."""
        deal = self.books.deal(deal_id)
        kind = self._sensible(deal)
        if kind is None:
            return
        credited = [person.manager_id]
        if kind.weight > 0 and self._happens(0.17):
            credited += self._company_of(person)
        for day in (self._some_time_ago(), self.books.day):
            act = self._performed(deal_id, kind, day, credited)
            if act is not None and self.books.say(act):
                self._afterwards(deal_id, act.action_id, kind)
                return

    def _performed(
        self, deal_id: DealId, kind: Kind, day: date, credited: Sequence[ManagerId]
    ) -> PerformAction | None:
        weight = self.books.weight_on(kind.code, day)
        if weight is None:
            return None
        parts = split(abs(weight), [5, 3, 2][: len(credited)])
        return PerformAction(
            deal_id,
            ActionId(self._uuid()),
            ActionTypeCode(kind.code),
            day,
            credits=tuple(
                Credit(manager_id=manager, weight=part if weight > 0 else -part)
                for manager, part in zip(credited, parts, strict=True)
            ),
            evidence=f"{kind.proof} № {next(self.numbers)} от {day:%d.%m.%Y}"
            if kind.proof
            else None,
            comment=self._one_of(company.COMMENTS) if self._happens(0.2) else None,
        )

    def _sensible(self, deal: Deal) -> Kind | None:
        """One of the earliest things not yet done on the deal; now and then a setback."""
        done = Counter(action.action_type for action in deal.actions.values() if action.live)

        def possible(kind: Kind) -> bool:
            return (
                deal.progress >= kind.sensible_from
                and (kind.at_most is None or done[ActionTypeCode(kind.code)] < kind.at_most)
                and self.books.weight_on(kind.code, self.books.day) is not None
            )

        setback = deal.progress < WHOLE and self._happens(0.06)
        kinds = company.SETBACKS if setback else (*company.STEPS, company.LATER_STEP)
        candidates = [kind for kind in kinds if possible(kind)]
        return self._one_of(candidates[:5]) if candidates else None

    def _company_of(self, person: company.Person) -> list[ManagerId]:
        """Who did it together with the manager: one or two, of the same team more often."""
        near = [one for one in PEOPLE if one.team == person.team or self._happens(0.15)]
        others = [one.manager_id for one in near if one != person and self._is_active(one)]
        self.rng.shuffle(others)
        return others[: 2 if self._happens(0.2) else 1]

    def _some_time_ago(self) -> date:
        """A working day: mostly today, sometimes days ago, seldom weeks."""
        draw = self.rng.random()
        if draw < 0.70:
            return self.books.day
        days = self.rng.randint(1, 3) if draw < 0.86 else self.rng.randint(4, 12)
        if draw > 0.95:
            days = self.rng.randint(13, 40)
        day = self.books.day - timedelta(days=days)
        while not _is_working(day):
            day -= timedelta(days=1)
        return day

    def _afterwards(self, deal_id: DealId, action_id: ActionId, kind: Kind) -> None:
        """What may come of an action: an answer to the claim, a new weight, a withdrawal."""
        if kind.confirmed and self._happens(0.88):
            self._later(self.rng.randint(1, 14), partial(self._answer, deal_id, action_id))
        draw = self.rng.random()
        if draw < 0.035:
            self._later(self.rng.randint(2, 25), partial(self._withdraw, deal_id, action_id))
        elif draw < 0.07 and kind.weight > 0:
            self._later(self.rng.randint(3, 40), partial(self._reweight, deal_id, action_id))

    # What the heads decide about an action: on the action's own day where that is still open.

    def _answer(self, deal_id: DealId, action_id: ActionId) -> None:
        def answer(day: date) -> Command:
            if refused:
                return RejectAction(deal_id, action_id, self._one_of(company.REJECTIONS), day)
            return ConfirmAction(deal_id, action_id, day)

        refused = self._happens(0.11)
        self._amend(self._action(deal_id, action_id), 0.6, answer)

    def _withdraw(self, deal_id: DealId, action_id: ActionId) -> None:
        reason = self._one_of(company.WITHDRAWALS)
        self._amend(
            self._action(deal_id, action_id),
            0.5,
            lambda day: WithdrawAction(deal_id, action_id, reason, day),
        )

    def _reweight(self, deal_id: DealId, action_id: ActionId) -> None:
        action = self._action(deal_id, action_id)
        weight = action.weight * self._one_of([50, 60, 70, 120, 150]) // 500 * 5
        reason = self._one_of(company.NEW_RATINGS)
        self._amend(action, 0.4, lambda day: ChangeWeight(deal_id, action_id, weight, day, reason))

    def _amend(self, action: Action, same_day: float, amendment: Callable[[date], Command]) -> None:
        if self._happens(same_day) and self.books.say(amendment(action.effective_on)):
            return
        self.books.say(amendment(self.books.day))

    def _action(self, deal_id: DealId, action_id: ActionId) -> Action:
        return self.books.deal(deal_id).actions[action_id]

    # What becomes of a deal, looked at every two to four weeks.

    def _review(self, deal_id: DealId) -> None:
        deal, fate, day = self.books.deal(deal_id), self.fates[deal_id], self.books.day
        if deal.is_open and fate.won_at is not None and deal.progress >= fate.won_at:
            self._win(deal_id, deal)
            return
        if fate.lost_on is not None and day >= fate.lost_on:
            self._lose(deal_id)
            return
        self._revise(deal_id, deal)
        if deal.is_open:
            self._happen(deal_id, deal)
        self._later(self.rng.randint(12, 28), partial(self._review, deal_id))

    def _revise(self, deal_id: DealId, deal: Deal) -> None:
        day = self.books.day
        overdue = deal.expected_close_on is None or deal.expected_close_on <= day
        if overdue or self._happens(0.05):
            close = day + timedelta(days=self.rng.randint(45, 240))
            self.books.say(ReviseExpectedClose(deal_id, close, day))
        if self._happens(0.09):
            amount = _rounded(deal.check * self._one_of([78, 85, 90, 95, 104, 108, 115, 125]))
            reason = self._one_of(company.CHECK_REASONS)
            self.books.say(ReviseCheck(deal_id, amount, day, reason))

    def _happen(self, deal_id: DealId, deal: Deal) -> None:
        draw, day = self.rng.random(), self.books.day
        if draw < 0.018:
            review_on = day + timedelta(days=self.rng.randint(20, 90))
            self.books.say(Suspend(deal_id, day, self._one_of(company.PAUSES), review_on))
            if self._happens(0.85):
                self._on(review_on, partial(self._resume, deal_id))
        elif draw < 0.032:
            others = [one.manager_id for one in PEOPLE if one.manager_id != deal.owner]
            reason = self._one_of(company.HANDOVER_REASONS)
            transfer = self._every(2, "handover")
            self.books.say(HandOver(deal_id, self._one_of(others), transfer, day, reason))

    def _resume(self, deal_id: DealId) -> None:
        self.books.say(Resume(deal_id, self.books.day))

    def _win(self, deal_id: DealId, deal: Deal) -> None:
        contract = _rounded(deal.check * self.rng.randint(88, 104))
        if self.books.say(Win(deal_id, contract, self.books.day)) and self._every(14, "win"):
            self._later(
                self.rng.randint(15, 40), partial(self._reopen, deal_id, company.UNDONE_WIN)
            )

    def _lose(self, deal_id: DealId) -> None:
        lost = self.books.say(Lose(deal_id, self._one_of(company.LOSSES), self.books.day))
        if lost and self._every(5, "loss"):
            reason = self._one_of(company.REOPENINGS)
            self._later(self.rng.randint(20, 70), partial(self._reopen, deal_id, reason))

    def _reopen(self, deal_id: DealId, reason: str) -> None:
        self.books.say(Reopen(deal_id, reason, self.books.day))
        progress = self.books.deal(deal_id).progress
        self.fates[deal_id] = _Fate(won_at=max(4500, progress + 1500))
        self._later(20, partial(self._review, deal_id))

    # The diary, and chance.

    def _at(self, days: int, happening: Callable[[], object]) -> None:
        """So many days after the beginning."""
        self._on(self._day_after(days), happening)

    def _later(self, days: int, happening: Callable[[], object]) -> None:
        self._on(self.books.day + timedelta(days=days), happening)

    def _on(self, day: date, happening: Callable[[], object]) -> None:
        """On `day`, or the next working day. After the story's end it does not come to pass."""
        while not _is_working(day):
            day += timedelta(days=1)
        self.diary[day].append(happening)

    def _day_after(self, days: int) -> date:
        return _first_day(self.begins) + timedelta(days=days)

    def _uuid(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128), version=4)

    def _one_of(self, things: Sequence[T]) -> T:
        return self.rng.choice(things)

    def _happens(self, chance: float) -> bool:
        return self.rng.random() < chance

    def _every(self, nth: int, what: str) -> bool:
        """True for the second of every `nth` of `what`: what must occur is not left to chance."""
        self.turns[what] += 1
        return self.turns[what] % nth == 2 % nth


def _author(command: Command) -> str:
    """Managers open their deals and record what they did, the first of several for all."""
    match command:
        case OpenDeal():
            return command.manager_id
        case PerformAction():
            return command.performers[0]
        case _:
            return DEMO_ACTOR


def _is_working(day: date) -> bool:
    """Neither a weekend nor the New Year holidays."""
    return day.weekday() < 5 and not (day.month == 1 and day.day <= 8)


def _last_working_day(today: date) -> date:
    """Before `today`."""
    day = today - timedelta(days=1)
    while not _is_working(day):
        day -= timedelta(days=1)
    return day


def _millions(roubles: int) -> Money:
    return Money(amount=roubles * 100_000_000, currency="RUB")


def _rounded(hundredths: int) -> int:
    """A percentage already multiplied out, in whole millions of minor units."""
    return hundredths // 100_000_000 * 1_000_000


def _first_day(month: Month) -> date:
    return date(month.year, month.month, 1)


def _month_after(month: Month, months: int) -> Month:
    number = month.year * 12 + month.month - 1 + months
    return Month(number // 12, number % 12 + 1)
