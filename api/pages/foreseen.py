"""What a command would come to, shown before it is recorded; and where its refusal is told.

The order is decided as it would be, by the one writer, and never stored (`Transactor.foresee`): so
the preview cannot promise what the command then does not do.
"""

import re
from asyncio import gather
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from secrets import token_urlsafe
from typing import Any

from api.pages.deal import EVENTS
from api.pages.frame import gettext, to_people
from api.pages.people import People
from api.pages.visit import Visit
from api.problems import Problem, problem_of
from api.words import Language
from application.orders import Foreseen
from domain.deal import Action, Deal, Status
from domain.errors import Restriction, SignedOut
from domain.ledger import credits_of
from domain.values import WHOLE, Account, DealId, ManagerId, decimal_text, hundredths, value_text

WHOLE_WIDTH = 383.9
"""Pixels for 100 % of a deal; what goes beyond is drawn up to 12 % more."""
Typed = Mapping[str, str]
"""What stands in the fields of a form, by their names."""


@dataclass(frozen=True, slots=True)
class Holders(People):
    """`held` is the value by account and currency of those whom the visitor may see."""

    held: Mapping[tuple[str, str], Mapping[str, str]]


async def holders(visit: Visit) -> Holders:
    """As of today."""
    managers, portfolios = await gather(
        visit.ask("/managers", limit=1_000), visit.ask("/portfolios")
    )
    everybody = People.of(managers["managers"])
    held = {
        (line["manager_id"], one["currency"]): line
        for one in portfolios["currencies"]
        for line in one["managers"]
    }
    return Holders(everybody.slots, everybody.names, everybody.shorts, everybody.teams, held)


@dataclass(frozen=True, slots=True)
class Share:
    """What one manager gets in one account: values, `before` None where it may not be seen."""

    manager_id: str
    name: str
    account: Account
    change: int
    before: int | None

    @property
    def added(self) -> str:
        return value_text(self.change)

    @property
    def was(self) -> str | None:
        return None if self.before is None else value_text(self.before)

    @property
    def becomes(self) -> str | None:
        return None if self.before is None else value_text(self.before + self.change)


@dataclass(frozen=True)
class Preview:
    """`foreseen` in the words of the page. Figures are decimal text, for the filters."""

    foreseen: Foreseen
    people: Holders
    mine: ManagerId | None

    @property
    def before(self) -> Deal:
        return self.foreseen.before

    @property
    def after(self) -> Deal:
        return self.foreseen.after

    @property
    def currency(self) -> str:
        return self.after.currency

    @cached_property
    def action(self) -> Action | None:
        """The action that is new with it."""
        known = self.before.actions
        return next(
            (one for one in self.after.actions.values() if one.action_id not in known), None
        )

    @cached_property
    def shares(self) -> Sequence[Share]:
        """Where a value changes; the visitor's own first, then the greatest change."""
        sums: dict[tuple[ManagerId, Account], int] = {}
        for posting in self.foreseen.postings:
            key = posting.manager_id, posting.account
            sums[key] = sums.get(key, 0) + posting.amount
        shares = [
            Share(who, self.people.name(who), account, amount, self._held(who, account))
            for (who, account), amount in sums.items()
            if amount
        ]
        most = {one.manager_id: 0 for one in shares}
        for one in shares:
            most[one.manager_id] = max(most[one.manager_id], abs(one.change))
        order = [*Account]
        return sorted(
            shares,
            key=lambda one: (
                one.manager_id != self.mine,
                -most[one.manager_id],
                one.manager_id,
                order.index(one.account),
            ),
        )

    def _held(self, manager: str, account: Account) -> int | None:
        line = self.people.held.get((manager, self.currency))
        return None if line is None else value_of(line[account])

    @cached_property
    def account(self) -> Account:
        """What the headline is about: the portfolio, unless something moves elsewhere alone, or the
        contract is there.
        """
        moved = {share.account for share in self.shares}
        if Account.WON in moved and self.after.status is Status.WON:
            return Account.WON
        return next((account for account in Account if account in moved), Account.ACTIVE)

    @cached_property
    def named(self) -> Sequence[Share]:
        """Whose the headline is."""
        return [share for share in self.shares if share.account is self.account]

    @property
    def headline(self) -> str:
        return value_text(sum(share.change for share in self.named))

    @property
    def is_mine(self) -> bool:
        return len(self.named) == 1 and self.named[0].manager_id == self.mine

    @property
    def check(self) -> str:
        return decimal_text(self.after.check)

    @property
    def check_before(self) -> str:
        return decimal_text(self.before.check)

    @property
    def progress_before(self) -> str:
        return decimal_text(self.before.progress)

    @property
    def progress(self) -> str:
        return decimal_text(self.after.progress)

    @property
    def step(self) -> str:
        return decimal_text(self.after.progress - self.before.progress)

    @property
    def room(self) -> str:
        """Where a new action finds it: on its date."""
        return decimal_text(self.foreseen.there.room)

    @property
    def to_take(self) -> str:
        """What a setback finds there."""
        return decimal_text(self.foreseen.there.progress)

    @property
    def weight(self) -> str:
        return decimal_text(self.action.weight) if self.action else "0.00"

    @property
    def credit(self) -> str:
        """What counts of a new action; a setback counts by what it takes away."""
        if self.action is None:
            return "0.00"
        if self.action.is_setback:
            return decimal_text(-sum(taking.amount for taking in self.action.took))
        return decimal_text(self.action.credit)

    @property
    def lost(self) -> str | None:
        """What of a new action's weight does not count; None for nothing, and while it is claimed.

        Of a setback: what there was not to take.
        """
        if self.action is None or self.action.claimed:
            return None
        lost = abs(self.action.weight) - self._begins_with
        return decimal_text(lost) if lost else None

    @property
    def taken_later(self) -> str | None:
        """What setbacks of later dates take of a new action entered late; None for nothing."""
        if self.action is None or self.action.claimed or self.action.is_setback:
            return None
        taken = self._begins_with - self.action.credit
        return decimal_text(taken) if taken else None

    @property
    def _begins_with(self) -> int:
        """What a new action counts for on its date: as far as there is room, or what to take."""
        there = self.foreseen.there
        assert self.action is not None
        bound = there.progress if self.action.is_setback else there.room
        return min(abs(self.action.weight), bound)

    @property
    def shifted(self) -> int:
        """How many other actions count for more or for less by a new one that is entered late."""
        if self.action is None or self.action.is_setback:
            return 0
        return sum(
            one.credit != self.after.actions[one.action_id].credit
            for one in self.before.actions.values()
        )

    @property
    def crowded_out(self) -> str | None:
        """What a new action would count for if all claims of earlier dates were confirmed; None
        where that is no less.
        """
        action = self.action
        if action is None or action.claimed or action.is_setback:
            return None
        claims = sum(
            one.weight
            for one in self.foreseen.there.actions.values()
            if one.live and one.claimed and not one.is_setback
        )
        then = max(0, min(action.weight, self.foreseen.there.room - claims))
        return decimal_text(then) if then < action.credit else None

    @property
    def bar(self) -> Sequence[tuple[float, float, str]]:
        """The deal's progress before, or after where it falls, by manager: from, width, class."""
        deal = min(self.before, self.after, key=lambda one: one.progress)
        bands, x = [], 0.0
        for manager, credit in credits_of(deal).items():
            width = WHOLE_WIDTH * credit / WHOLE
            bands.append((x, width, self.people.colour(manager)))
            x += width
        return bands

    @property
    def added_bar(self) -> tuple[float, float, str]:
        """What comes on top, or is taken away: from, width, class."""
        least, most = sorted((self.before.progress, self.after.progress))
        who = self.action.entries[0].manager_id if self.action else self.after.owner
        colour = self.people.colour(who) if self.after.progress > self.before.progress else "neg"
        return WHOLE_WIDTH * least / WHOLE, WHOLE_WIDTH * (most - least) / WHOLE, colour

    @property
    def over_bar(self) -> float:
        """The width of what is lost at the cap."""
        lost = hundredths(self.lost) if self.lost and not self.is_setback else 0
        return min(WHOLE_WIDTH * lost / WHOLE, 46.0)

    @property
    def is_setback(self) -> bool:
        return self.action is not None and self.action.is_setback

    @property
    def is_claimed(self) -> bool:
        return self.action is not None and self.action.claimed


def value_of(text: str) -> int:
    """`value_text` read back: 1/10 000 of a minor unit."""
    whole, _, places = text.lstrip("-").partition(".")
    value = int(whole) * 1_000_000 + int(places.ljust(6, "0"))
    return -value if text.startswith("-") else value


@dataclass(frozen=True, slots=True)
class Told:
    """A refusal as a form tells it: by the field it belongs to; "" is the form as a whole."""

    slug: str
    title: str
    status: int
    faults: Mapping[str, str]

    def __str__(self) -> str:
        return " ".join(dict.fromkeys(self.faults.values()))

    @property
    def is_passing(self) -> bool:
        """Whether it says nothing against the form: asked again in a while, it may be gone."""
        return self.status in {429, 503}


FIELD_OF: Mapping[str, str] = {
    "evidence-required": "evidence",
    "action-limit-reached": "action_type",
    "action-type-not-in-force": "action_type",
    "unknown-action-type": "action_type",
    "unknown-manager": "manager_id",
    "in-the-future": "effective_on",
    "before-opening": "effective_on",
    "period-closed": "effective_on",
    "breaks-later-history": "effective_on",
    Restriction.TOO_FAR_BACK: "effective_on",
    Restriction.NOT_YOUR_ACTION: "manager_id",
    Restriction.NOT_YOUR_TEAM: "manager_id",
    Restriction.CREDIT_TO_ONESELF: "manager_id",
}
"""Where a form tells it, by the refusal's slug or the restriction."""
SAID: Mapping[str, tuple[str, str]] = {
    "evidence-required": (
        "Evidence is needed",
        "This type needs evidence: give the number of a document or a link.",
    ),
    "idempotency-key-reused": (
        "Already recorded",
        "This form was sent before with other content, and that is recorded. If this is meant"
        " beside it, send it once more.",
    ),
    "version-conflict": (
        "The deal has changed since you looked",
        "What it comes to now stands beside the form: if you still mean it, record it once more.",
    ),
}
"""Title and detail where those for programs would puzzle: msgids, by slug."""
_SHARE = re.compile(r"credits\.([1-9])\.(manager_id|weight)")


def told(visit: Visit, error: Exception, fields: Sequence[str]) -> Told:
    """`fields` are those that the form has. Raises what no form can tell."""
    problem = problem_of(error)
    if problem is None or isinstance(error, SignedOut):
        raise error
    body = to_people(problem, visit.language)
    faults = {
        _placed(one["field"], fields): _sentence(one["detail"]) for one in body.get("errors", ())
    }
    if problem.slug in SAID:
        body["title"], body["detail"] = map(gettext(visit.language), SAID[problem.slug])
    where = FIELD_OF.get(problem.slug, FIELD_OF.get(str(body.get("rule", "")), ""))
    return Told(
        problem.slug,
        body["title"],
        body["status"],
        faults or {where if where in fields else "": body["detail"]},
    )


def _placed(field: str, fields: Sequence[str]) -> str:
    """The form's field for one of a command's body."""
    if found := _SHARE.fullmatch(field):
        field = f"{'weight' if found[2] == 'weight' else 'with'}_{found[1]}"
    elif field.startswith("credits"):
        field = "weight_1"
    elif field == "to_manager_id":
        field = "manager_id"
    return field if field in fields else ""


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def written_number(text: str, language: Language) -> str:
    """The other way, to be changed in a field."""
    written = f"{Decimal(text):,.2f}".replace(",", " ")
    return written.replace(".", ",") if language == "ru" else written


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_VERSION = re.compile(r"[0-9]{1,9}", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


def is_id(text: str) -> bool:
    return bool(_UUID.fullmatch(text))


def key_of(form: Typed) -> str:
    """The Idempotency-Key that a form was given when it was made. Raises Problem."""
    key = form.get("key", "")
    if not _KEY.fullmatch(key):
        raise Problem("validation", errors=(("key", "missing", {}),))
    return key


def version_of(form: Typed) -> int | None:
    """Of the deal as the form showed it; None where it showed none."""
    text = form.get("version", "")
    return int(text) if _VERSION.fullmatch(text) else None


def version_shown(form: Typed, deal: Mapping[str, Any] | None, *, fragment: bool) -> str:
    """What the form goes on with: parts that a script exchanges while somebody types do not count
    as having looked at the deal anew.
    """
    if fragment and version_of(form) is not None:
        return form["version"]
    return str(deal["version"]) if deal else ""


@dataclass(frozen=True, slots=True)
class Since:
    """What was recorded of a deal after the form showed it: a msgid, where it stands, and when."""

    event: str
    position: int
    recorded_at: datetime


async def since(visit: Visit, deal_id: str, form: Typed, refused: Told | None) -> Sequence[Since]:
    """Where that is why it was refused."""
    if refused is None or refused.slug != "version-conflict":
        return ()
    known = version_of(form)
    answer = await visit.ask(f"/deals/{deal_id}/events")
    return [
        Since(
            EVENTS[one["type"]][0],
            one["position"],
            datetime.fromisoformat(one["recorded_at"]).astimezone(visit.service.settings.zone),
        )
        for one in answer["events"]
        if known is not None and one["version"] > known
    ]


def day_of(visit: Visit, text: str) -> date:
    """A day at which the catalogue can be asked: today for what is none, or not yet."""
    try:
        return min(date.fromisoformat(text), visit.today)
    except ValueError:
        return visit.today


async def foresee(
    visit: Visit, path: str, body: Mapping[str, Any], deal_id: DealId, those: Holders
) -> Preview:
    """Raises what is a refusal."""
    foreseen = await visit.foresee(path, body, deal_id)
    return Preview(foreseen, those, visit.grant.manager_id)


def key_for(given: Typed, refused: Told | None) -> str:
    """The one that the form has, as long as nothing was recorded under it."""
    is_spent = refused is not None and refused.slug == "idempotency-key-reused"
    return given.get("key", "") if not is_spent and given.get("key") else token_urlsafe(16)
