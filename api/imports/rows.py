"""Our own columns, and what a row says in them.

A row is read cell by cell to its end, so that everything wrong with it is known at once. Amounts
and dates are taken only in the notations documented here; nothing is guessed or rounded.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from hashlib import sha256
from typing import Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from api.imports.words import Flaw
from api.inputs import Line, Text
from domain.values import (
    CURRENCIES,
    FIRST_DAY,
    LAST_DAY,
    MOST_MINOR_UNITS,
    decimal_text,
    hundredths,
)

Kind = Literal["deals", "actions"]
T = TypeVar("T")

COLUMNS: dict[Kind, dict[str, str]] = {
    "deals": {
        "deal": "сделка",
        "title": "название",
        "client": "клиент",
        "potential_check": "потенциальный чек",
        "currency": "валюта",
        "manager": "менеджер",
        "opened_on": "дата открытия",
        "expected_close_on": "ожидаемая дата закрытия",
        "outcome": "исход",
        "closed_on": "дата закрытия",
        "contract_amount": "сумма договора",
        "loss_reason": "причина проигрыша",
    },
    "actions": {
        "action": "действие",
        "deal": "сделка",
        "action_type": "вид действия",
        "manager": "менеджер",
        "effective_on": "дата",
        "evidence": "подтверждение",
        "comment": "комментарий",
    },
}
"""Every column, with the heading that says the same in Russian. Case and underscores are free."""
REQUIRED: dict[Kind, tuple[str, ...]] = {
    "deals": ("deal", "title", "client", "potential_check", "manager", "opened_on"),
    "actions": ("action", "deal", "action_type", "manager", "effective_on"),
}
WON, LOST = "won", "lost"
OUTCOMES = {"won": WON, "lost": LOST, "выиграна": WON, "проиграна": LOST}
DEFAULT_CURRENCY = "RUB"

MOST_ID, MOST_LINE, MOST_TEXT = 100, 300, 2_000
"""Characters of external ids and codes; of titles, clients and names; of reasons and comments."""
_LINE: TypeAdapter[str] = TypeAdapter(Line)
_TEXT: TypeAdapter[str] = TypeAdapter(Text)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row stands. `headings` are our columns as this file calls them."""

    file: str
    line: int
    headings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DealRow:
    """Amounts in kopecks. `outcome` None: still open, and the three behind it are None too."""

    origin: Origin
    deal: str
    title: str
    client: str
    potential_check: int
    currency: str
    manager: str
    opened_on: date
    expected_close_on: date | None
    outcome: str | None
    closed_on: date | None
    contract_amount: int | None
    loss_reason: str | None


@dataclass(frozen=True, slots=True)
class ActionRow:
    origin: Origin
    action: str
    deal: str
    action_type: str
    manager: str
    effective_on: date
    evidence: str | None
    comment: str | None


Row = DealRow | ActionRow


def digest(row: Row, manager_id: str) -> bytes:
    """SHA-256 of what the row says, however it was written down; kept with its receipts for ever.

    What is not given leaves no trace, so that a column added later changes no old row.
    """
    names = _SAID_OF_A_DEAL if isinstance(row, DealRow) else _SAID_OF_AN_ACTION
    said = [
        f'"{name}": {value if type(value) is int else _quoted(str(value))}'
        for name in names
        if (value := manager_id if name == "manager" else getattr(row, name)) is not None
    ]
    return sha256(f"{{{', '.join(said)}}}".encode()).digest()


_SAID_OF_A_DEAL = sorted(COLUMNS["deals"])
_SAID_OF_AN_ACTION = sorted(COLUMNS["actions"])
_quoted = json.encoder.encode_basestring_ascii  # all of `json.dumps` takes ten times as long


@dataclass(slots=True)
class Cells:
    """The texts of one row by our column, stripped. `flaws` grows with each cell that is wrong.

    `decimal_mark` None: a comma or a point, whichever is there. `read_day` raises Flaw.
    """

    texts: Mapping[str, str]
    read_day: Callable[[str], date]
    decimal_mark: str | None = None
    flaws: list[Flaw] = field(default_factory=list)

    def given(self, column: str) -> bool:
        return bool(self.texts.get(column))

    def may(self, column: str, read: Callable[[str], T]) -> T | None:
        """What the cell says; None when it is empty, or wrong."""
        text = self.texts.get(column)
        if not text:
            return None
        try:
            return read(text)
        except Flaw as flaw:
            flaw.column = column
            self.flaws.append(flaw)
            return None

    def must(self, column: str, read: Callable[[str], T], blank: T) -> T:
        """What the cell says; `blank` when it is empty or wrong, and then there is a flaw."""
        value = self.may(column, read)
        if value is None and not self.given(column):
            self.flaws.append(Flaw("required", column))
        return blank if value is None else value

    def amount(self, text: str) -> int:
        return amount(text, self.decimal_mark)


def deal_row(origin: Origin, cells: Cells) -> DealRow:
    """What the row says; of no use when the cells have flaws."""
    row = DealRow(
        origin,
        deal=cells.must("deal", name, ""),
        title=cells.must("title", line, ""),
        client=cells.must("client", line, ""),
        potential_check=cells.must("potential_check", cells.amount, 0),
        currency=cells.may("currency", currency) or DEFAULT_CURRENCY,
        manager=cells.must("manager", line, ""),
        opened_on=cells.must("opened_on", cells.read_day, FIRST_DAY),
        expected_close_on=cells.may("expected_close_on", cells.read_day),
        outcome=cells.may("outcome", outcome),
        closed_on=cells.may("closed_on", cells.read_day),
        contract_amount=cells.may("contract_amount", cells.amount),
        loss_reason=cells.may("loss_reason", prose),
    )
    if row.outcome or not cells.given("outcome"):
        cells.flaws += _unfit_for_outcome(row.outcome, cells)
    return row


def _unfit_for_outcome(outcome: str | None, cells: Cells) -> list[Flaw]:
    """An outcome needs its date and, won, its contract or, lost, its reason; and nothing else."""
    allowed = {None: (), WON: ("closed_on", "contract_amount"), LOST: ("closed_on", "loss_reason")}
    flaws = [
        Flaw(f"needed-when-{outcome}", name) for name in allowed[outcome] if not cells.given(name)
    ]
    return flaws + [
        Flaw(code, name)
        for name, code in _OUT_OF_PLACE.items()
        if cells.given(name) and name not in allowed[outcome]
    ]


_OUT_OF_PLACE = {
    "closed_on": "only-when-closed",
    "contract_amount": "only-when-won",
    "loss_reason": "only-when-lost",
}


def action_row(origin: Origin, cells: Cells) -> ActionRow:
    """What the row says; of no use when the cells have flaws."""
    return ActionRow(
        origin,
        action=cells.must("action", name, ""),
        deal=cells.must("deal", name, ""),
        action_type=cells.must("action_type", name, ""),
        manager=cells.must("manager", line, ""),
        effective_on=cells.must("effective_on", cells.read_day, FIRST_DAY),
        evidence=cells.may("evidence", prose),
        comment=cells.may("comment", prose),
    )


_DAY = re.compile(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)|(\d\d)\.(\d\d)\.(\d{4})", re.ASCII)
_SPACES = " \u00a0\u2009\u202f"
_GROUPED = re.compile(rf"-?\d{{1,3}}([{_SPACES}])\d{{3}}(\1\d{{3}})*([.,]\d+)?", re.ASCII)


@lru_cache(10_000)
def name(text: str) -> str:
    """An external id or a code."""
    return _checked(text, _LINE, MOST_ID)


@lru_cache(10_000)
def line(text: str) -> str:
    return _checked(text, _LINE, MOST_LINE)


def prose(text: str) -> str:
    """May have several lines, which end the same whatever the file's own do."""
    return _checked(text.replace("\r\n", "\n").replace("\r", "\n"), _TEXT, MOST_TEXT)


def _checked(text: str, rule: TypeAdapter[str], most: int) -> str:
    """`text` as the API would take it. Raises Flaw."""
    if len(text) > most:
        raise Flaw("too-long", found=len(text), most=most)
    try:
        checked: str = rule.validator.validate_python(text)
    except ValidationError as error:
        raise Flaw("illegible") from error
    return checked


@lru_cache(10_000)
def day(text: str) -> date:
    """YYYY-MM-DD or DD.MM.YYYY. Raises Flaw, also for a day that no calendar has."""
    found = _DAY.fullmatch(text)
    if found is None:
        raise Flaw("date", given=text, example="2026-06-30, 30.06.2026")
    year, month, number = found.group("y", "m", "d") if found["y"] else found.group(6, 5, 4)
    try:
        return in_range(date(int(year), int(month), int(number)))
    except ValueError as error:
        raise Flaw("date", given=text, example="2026-06-30, 30.06.2026") from error


def in_range(given: date) -> date:
    if not FIRST_DAY <= given <= LAST_DAY:
        raise Flaw("date-range", given=given, first=FIRST_DAY, last=LAST_DAY)
    return given


def amount(text: str, decimal_mark: str | None = None) -> int:
    """Kopecks. Thousands may be set apart by spaces, in threes; two decimals at most; above 0."""
    plain = re.sub(f"[{_SPACES}]", "", text) if _GROUPED.fullmatch(text) else text
    mark = decimal_mark or ("," if "," in plain else ".")
    number = plain.translate({ord(mark): ".", ord("." if mark == "," else ","): "?"})
    try:
        kopecks = hundredths(number)
    except ValueError as error:
        example = "1 234 567,89" if mark == "," else "1234567.89"
        raise Flaw("amount", given=text, example=example) from error
    if not 0 < kopecks <= MOST_MINOR_UNITS:
        raise Flaw("amount-range", given=text, most=decimal_text(MOST_MINOR_UNITS))
    return kopecks


def currency(text: str) -> str:
    if text.upper() not in CURRENCIES:
        raise Flaw("currency", given=text)
    return text.upper()


def outcome(text: str) -> str:
    if text.casefold() not in OUTCOMES:
        raise Flaw("outcome", given=text)
    return OUTCOMES[text.casefold()]
