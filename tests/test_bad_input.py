"""What is not accepted, each beside what is: a case differs from its control in one thing only.

Whoever refuses everything would pass a list of bad inputs; so every case first sends the bad
request, in both languages, sees that it is refused and nothing stored, and then sends the control
to the same ground and sees it accepted.
"""

import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import psycopg
import pytest

from api.words import FIELDS, OTHERWISE
from tests.over_http import JSON, PROBLEM, Company, company

STATUS = {
    "malformed-json": 400,
    "unauthenticated": 401,
    "not-found": 404,
    "in-the-future": 409,
    "unknown-manager": 409,
    "unknown-action-type": 409,
    "version-conflict": 412,
    "payload-too-large": 413,
    "unsupported-media-type": 415,
    "validation": 422,
}


# ------------------------------------------------------------------------------------ the request


@dataclass(frozen=True)
class Request:
    """`{names}` in path and body stand for what the ground provides."""

    path: str
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str | bytes] = field(default_factory=dict)
    written: Callable[[str], str | bytes] = str
    """What becomes of the JSON text before it is sent."""
    method: str = "POST"

    def send(self, client: httpx.Client, ground: "Ground", language: str) -> httpx.Response:
        content = None if self.body is None else self.written(_json(ground.fill(self.body)))
        headers: list[tuple[bytes, bytes]] = [
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in {
                "accept-language": language,
                "connection": "close",  # a 500 would end it under the next request
                **({} if content is None else {"content-type": JSON}),
                **self.headers,
            }.items()
        ]
        path = ground.fill(self.path)
        query = ground.fill(dict(self.query))
        url = f"{path}?{urlencode(query)}" if query else path
        return client.request(self.method, url, content=content, headers=headers)


class Raw(str):
    """JSON text that stands in the body as it is."""

    __slots__ = ()


def _json(body: Any) -> str:
    """Every Raw is put in where it stood."""
    raws: list[Raw] = []

    def marked(value: Any) -> Any:
        if isinstance(value, Raw):
            raws.append(value)
            return f"raw-{len(raws) - 1}-raw"
        if isinstance(value, dict):
            return {name: marked(one) for name, one in value.items()}
        return [marked(one) for one in value] if isinstance(value, list) else value

    text = json.dumps(marked(body), ensure_ascii=False)
    return re.sub(r'"raw-(\d+)-raw"', lambda found: raws[int(found[1])], text)


class Ground(dict[str, str]):
    """What a case stands on, made when it is first named: `{deal}`, `{claim}`, `{new}`..."""

    def __init__(self, here: Company, standing: Mapping[str, str]) -> None:
        super().__init__(standing)
        self._here = here

    def fill(self, value: Any) -> Any:
        match value:
            case Raw():
                return value
            case str():
                return re.sub(r"\{([a-z_]+)\}", lambda name: self[name[1]], value)
            case dict():
                return {name: self.fill(one) for name, one in value.items()}
            case list():
                return [self.fill(one) for one in value]
            case _:
                return value

    def __missing__(self, name: str) -> str:
        self[name] = made = getattr(self, f"_{name}")()
        return str(made)

    def _new(self) -> str:
        return f"new-{uuid4()}"

    def _deal(self) -> str:
        return self._here.deal(self["manager"], on="2026-02-02")

    def _action(self) -> str:
        return self._here.act(self["deal"], self["manager"], self["kind"], "2026-02-03")

    def _claim(self) -> str:
        return self._here.act(self["deal"], self["manager"], self["claimed"], "2026-02-03")

    def _suspended(self) -> str:
        body = {"effective_on": "2026-03-01", "reason": "Бюджет", "review_on": "2026-09-01"}
        return self._done("suspension", body)

    def _acted(self) -> str:
        """A deal at version 2."""
        return self["deal"] if self["action"] else ""

    def _deal_in_arabic(self) -> str:
        return self["deal"].translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))

    def _deal_hyphens_behind(self) -> str:
        return self["deal"].replace("-", "") + "----"

    def _lost(self) -> str:
        return self._done("loss", {"effective_on": "2026-03-01", "reason": "Другой поставщик"})

    def _done(self, command: str, body: Mapping[str, str]) -> str:
        deal = self._deal()
        self._here.director.do(f"/v1/deals/{deal}/{command}", body)
        return deal

    def _target(self) -> str:
        body = {"manager_id": self["manager"], "measure": "actions", "number": 9, "reason": "План"}
        days = {"first_day": "2026-10-01", "last_day": "2026-12-31"}
        return str(self._here.director.do("/v1/targets", body | days)["target_id"])

    def _month(self) -> str:
        """Later than every month that was closed, and long before anything happened."""
        number = next(_months)
        return f"{2000 + number // 12}-{number % 12 + 1:02d}"

    def _closed(self) -> str:
        month = self._month()
        self._here.director.do(f"/v1/periods/{month}/closing")
        return month


_months = count()
Stored = Callable[[], object]


# ----------------------------------------------------------------------------------- the controls

ON = {"effective_on": "2026-03-02"}
CONTROLS: dict[str, Request] = {
    "team": Request("/v1/teams", {"name": "Юг"}),
    "manager": Request(
        "/v1/managers", {"name": "Анна Соколова", "team_id": "{team}", "manager_id": "{new}"}
    ),
    "team change": Request("/v1/managers/{manager}/team-changes", {"team_id": "{team}", **ON}),
    "kind": Request(
        "/v1/action-types",
        {
            "code": "{new}",
            "title": {"ru": "ТКП представлено", "en": "Proposal presented"},
            "weight": "5.00",
            "effective_from": "2026-01-01",
            "max_per_deal": 1,
            "evidence_required": True,
            "needs_confirmation": False,
        },
    ),
    "kind's weight": Request(
        "/v1/action-types/{kind}/weights",
        {"weight": "5.00", "effective_from": "2026-01-01", "reason": "Регламент"},
    ),
    "retirement": Request(
        "/v1/action-types/{unused_kind}/retirement", {"effective_from": "2027-01-01"}
    ),
    "opening": Request(
        "/v1/deals",
        {
            "title": "Витрины для сети «Ромашка»",
            "client": "Ромашка",
            "potential_check": {"amount": "400000000.00", "currency": "RUB"},
            "manager_id": "{manager}",
            "effective_on": "2026-01-12",
            "expected_close_on": "2026-12-01",
        },
    ),
    "action": Request(
        "/v1/deals/{deal}/actions",
        {
            "action_type": "{kind}",
            "manager_id": "{manager}",
            "evidence": "Протокол",
            "comment": "Встреча\nвторая",
            **ON,
        },
    ),
    "joint action": Request(
        "/v1/deals/{deal}/actions",
        {
            "action_type": "{kind}",
            "credits": [
                {"manager_id": "{manager}", "weight": "3.00"},
                {"manager_id": "{other}", "weight": "2.00"},
            ],
            **ON,
        },
    ),
    "setback": Request(
        "/v1/deals/{deal}/actions",
        {
            "action_type": "{setback}",
            "credits": [{"manager_id": "{manager}", "weight": "-4.00"}],
            **ON,
        },
    ),
    "confirmation": Request("/v1/deals/{deal}/actions/{claim}/confirmation", dict(ON)),
    "rejection": Request(
        "/v1/deals/{deal}/actions/{claim}/rejection", {"reason": "Встречи не было", **ON}
    ),
    "re-weighting": Request(
        "/v1/deals/{deal}/actions/{action}/weight-changes",
        {"weight": "4.00", "reason": "Не первому лицу", **ON},
    ),
    "withdrawal": Request(
        "/v1/deals/{deal}/actions/{action}/withdrawal", {"reason": "Не та сделка", **ON}
    ),
    "check": Request(
        "/v1/deals/{deal}/check-revisions",
        {"amount": "450000000.00", "currency": "RUB", "reason": "Два магазина", **ON},
    ),
    "expected close": Request(
        "/v1/deals/{deal}/expected-close-revisions", {"expected_close_on": "2027-02-01", **ON}
    ),
    "handover": Request(
        "/v1/deals/{deal}/handovers",
        {"to_manager_id": "{other}", "transfer_credit": False, "reason": "Территория", **ON},
    ),
    "suspension": Request(
        "/v1/deals/{deal}/suspension", {"reason": "Бюджет", "review_on": "2026-09-01", **ON}
    ),
    "resumption": Request("/v1/deals/{suspended}/resumption", {"effective_on": "2026-04-01"}),
    "win": Request(
        "/v1/deals/{deal}/win", {"contract_amount": "437500000.00", "currency": "RUB", **ON}
    ),
    "loss": Request("/v1/deals/{deal}/loss", {"reason": "Другой поставщик", **ON}),
    "reopening": Request(
        "/v1/deals/{lost}/reopening", {"reason": "Вернулись", "effective_on": "2026-04-01"}
    ),
    "closing of a month": Request("/v1/periods/{month}/closing", {}),
    "reopening of a month": Request("/v1/periods/{closed}/reopening", {"reason": "Пропущено"}),
    "target": Request(
        "/v1/targets",
        {
            "manager_id": "{manager}",
            "measure": "gained",
            "amount": {"amount": "50000000.00", "currency": "RUB"},
            "first_day": "2026-10-01",
            "last_day": "2026-12-31",
            "reason": "План",
        },
    ),
    "target of actions": Request(
        "/v1/targets",
        {
            "team_id": "{team}",
            "measure": "actions",
            "number": 12,
            "first_day": "2026-10-01",
            "last_day": "2026-12-31",
            "reason": "План",
        },
    ),
    "withdrawal of a target": Request("/v1/targets/{target}/withdrawal", {"reason": "Отпуск"}),
    "account": Request(
        "/v1/accounts",
        {"name": "Анна Соколова", "role": "manager", "manager_id": "{manager}", "team_id": None},
    ),
    "head's account": Request(
        "/v1/accounts", {"name": "Пётр Орлов", "role": "head", "team_id": "{team}"}
    ),
}
ADMINS = frozenset({"account", "head's account"})


def asking(path: str, **query: str) -> Request:
    return Request(
        path, query={name.rstrip("_"): value for name, value in query.items()}, method="GET"
    )


SPAN = {"from_": "2026-02-01", "to": "2026-03-31"}
QUESTIONS: dict[str, Request] = {
    "portfolios": asking("/v1/portfolios", as_of="2026-06-30", team_id="{team}"),
    "portfolios known then": asking("/v1/portfolios", as_of="2026-06-30", known_at="2026-10-19"),
    "portfolios at a position": asking("/v1/portfolios", as_of="2026-06-30", position="1"),
    "portfolio": asking("/v1/managers/{manager}/portfolio", as_of="2026-06-30"),
    "series": asking(
        "/v1/managers/{manager}/portfolio/series", **SPAN, step="week", currency="RUB"
    ),
    "team's series": asking("/v1/portfolios/series", **SPAN, team_id="{team}"),
    "movement": asking("/v1/portfolios/movement", **SPAN, manager_id="{manager}", currency="RUB"),
    "activity": asking(
        "/v1/reports/activity", **SPAN, as_of="2026-06-30", team_id="{team}", currency="RUB"
    ),
    "targets": asking("/v1/targets", as_of="2026-06-30", known_at="2026-10-19", limit="10"),
    "restatement": asking(
        "/v1/portfolios/restatement",
        as_of="2026-06-30",
        from_known_at="2026-10-18",
        to_known_at="2026-10-19",
        manager_id="{manager}",
    ),
    "restatement by position": asking(
        "/v1/portfolios/restatement", as_of="2026-06-30", from_position="1", to_position="2"
    ),
    "journal": asking("/v1/audit/journal", format="hledger", as_of="2026-06-30"),
    "journal of one": asking(
        "/v1/audit/journal", format="beancount", manager_id="{manager}", known_at="2026-10-19"
    ),
    "certified": asking("/v1/audit/certified", known_at="2026-10-19", limit="12", cursor="0"),
    "integrity": asking(
        "/v1/audit/integrity",
        **SPAN,
        as_of="2026-06-30",
        manager_id="{manager}",
        team_id="{team}",
        currency="RUB",
        late_after="2",
        month_end="3",
        near="7",
        high_weight="5.00",
        limit="100",
    ),
    "months": asking(
        "/v1/reports/months",
        **SPAN,
        as_of="2026-06-30",
        manager_id="{manager}",
        team_id="{team}",
        currency="RUB",
    ),
    "stalled": asking(
        "/v1/reports/stalled",
        as_of="2026-06-30",
        minimum_days="45",
        factor="2",
        manager_id="{manager}",
        team_id="{team}",
        currency="RUB",
        limit="100",
    ),
    "concentration": asking(
        "/v1/reports/concentration",
        as_of="2026-06-30",
        manager_id="{manager}",
        team_id="{team}",
        currency="RUB",
        limit="5",
    ),
    "digest": asking(
        "/v1/reports/digest",
        as_of="2026-06-30",
        week="2026-06-24",
        manager_id="{manager}",
        team_id="{team}",
        currency="RUB",
        limit="10",
    ),
    "forecast": asking(
        "/v1/reports/forecast",
        as_of="2026-06-30",
        by="month",
        horizon="12",
        target="400000000.00",
        shared_risk="20",
        seed="1",
        manager_id="{manager}",
        team_id="{team}",
        currency="RUB",
        limit="100",
    ),
    "forecast's record": asking(
        "/v1/reports/forecast/record", as_of="2026-06-30", known_at="2026-10-19"
    ),
    "calibration": asking(
        "/v1/reports/calibration",
        as_of="2026-06-30",
        horizon_months="3",
        as_known="now",
        manager_id="{manager}",
        team_id="{team}",
    ),
    "calibrated deals": asking("/v1/reports/calibration/deals", limit="2", cursor="1"),
    "laboratory": asking(
        "/v1/reports/laboratory",
        known_at="2026-10-19",
        weights="{kind}:4.00",
        cap="80.00",
        without_type="{kind}",
        without_manager="{manager}",
        currency="RUB",
    ),
    "certified month": asking("/v1/audit/certified", period="2026-06", position="1"),
    "deals": asking(
        "/v1/deals", status="open", manager_id="{manager}", limit="1000", as_of="2026-06-30"
    ),
    "actions": asking(
        "/v1/actions",
        state="all",
        action_type="{kind}",
        manager_id="{manager}",
        team_id="{team}",
        from_="2026-01-01",
        to="2026-06-30",
        deal_status="open",
        as_of="2026-06-30",
    ),
    "deal": asking("/v1/deals/{deal}", as_of="2026-06-30"),
    "deal's events": asking("/v1/deals/{deal}/events", as_of="2026-06-30"),
    "events": asking("/v1/events", after="0", limit="1000"),
    "managers": asking("/v1/managers", limit="1", cursor="0"),
    "teams": asking("/v1/teams", limit="1"),
    "action types": asking("/v1/action-types", as_of="2026-06-30"),
    "periods": asking("/v1/periods", as_of="2026-06-30"),
    "accounts": asking("/v1/accounts", limit="1"),
}


# -------------------------------------------------------------------------------------- the cases


@dataclass(frozen=True)
class Case:
    name: str
    control: Request
    bad: Request
    slug: str
    by_admin: bool = False
    field: str | None = None
    """Which field the refusal must name, of a `validation`."""


CASES: list[Any] = []


def add(
    control: str,
    name: str,
    bad: Request,
    slug: str = "validation",
    *,
    named: str | None = None,
) -> None:
    source = CONTROLS.get(control) or QUESTIONS[control]
    case = Case(f"{control}: {name}", source, bad, slug, control in ADMINS | {"accounts"}, named)
    CASES.append(pytest.param(case, id=case.name))


MISSING = object()
Values = Mapping[str, Any]


def fields(control: str, where: str, values: Values, slug: str = "validation") -> None:
    """`where` is the field, in dots; each of `values` is put there in turn."""
    for name, value in values.items():
        body = _changed(CONTROLS[control].body, where.split("."), value)
        bad = replace(CONTROLS[control], body=body)
        add(control, f"{where} {name}", bad, slug, named=where)


def _changed(body: Any, path: list[str], value: Any) -> Any:
    head, *rest = path
    if isinstance(body, list):
        changed = [*body]
        changed[int(head)] = _changed(body[int(head)], rest, value) if rest else value
        return changed
    new = _changed(body[head], rest, value) if rest else value
    return {name: one for name, one in {**body, head: new}.items() if one is not MISSING}


def query(control: str, name: str, values: Values, slug: str = "validation", **more: str) -> None:
    """The parameter `name`; `more` are added beside it."""
    for called, value in values.items():
        asked = {**QUESTIONS[control].query, name: value, **more}
        asked = {key: one for key, one in asked.items() if one is not MISSING}
        bad = replace(QUESTIONS[control], query=asked)
        add(control, f"{name} {called}", bad, slug, named=name)


ABSENT = {"missing": MISSING, "null": None}
NO_TEXT = {"a number": 5, "a boolean": True, "a list": ["a"], "an object": {"a": "b"}}
BAD_TEXT = {
    "empty": "",
    "blank": " \u00a0\u2003 ",
    "with NUL": "a\x00b",
    "with a lone surrogate": Raw(r'"a\ud800b"'),
    "with half a pair": Raw(r'"\udc00\ud83d"'),
    "with a bell": "a\x07b",
    "with an escape": "\x1b[31mred",
    "with DEL": "a\x7fb",
    "with a C1 control": "a\x85b",
    "with right-to-left override": "сумма \u202e000 1",
    "with an isolate": "\u2067a\u2069",
    "with zero width space": "Ро\u200bмашка",
    "with a BOM inside": "Ро\ufeffмашка",
    "with an unassigned character": "a\u0378b",
    "with a noncharacter": "a\uffffb",
    "with an Arabic letter mark": "сумма\u061c 1",
    "of soft hyphens only": "\u00ad\u00ad",
    "of tag characters only": "\U000e0041\U000e0042",
}
BAD_LINE = BAD_TEXT | {
    "of two lines": "Ромашка\nЛютик",
    "with a tab": "Ромашка\tЛютик",
    "with a carriage return": "Ромашка\rЛютик",
    "of two lines by U+2028": "Ромашка\u2028Лютик",
    "too long": "я" * 301,
}
BAD_SLUG = {
    "empty": "",
    "with a space": "anna sokolova",
    "with a line break behind": "anna\n",
    "in Cyrillic": "анна",
    "with a slash": "anna/sokolova",
    "that begins with a dot": ".anna",
    "with NUL": "anna\x00",
    "too long": "a" * 65,
    "null": None,
    "a number": 7,
    "a list": ["anna"],
}
BAD_DATE = {
    "missing": MISSING,
    "null": None,
    "before 2000": "1999-12-31",
    "that does not exist": "2026-02-30",
    "in a leap year that is none": "2100-02-29",
    "zero": "0000-00-00",
    "with a time": "2026-03-02T00:00:00",
    "with a zone": "2026-03-02Z",
    "an epoch number": 1772409600,
    "an epoch in text": "1772409600",
    "Russian": "02.03.2026",
    "American": "03/02/2026",
    "basic": "20260302",
    "a week date": "2026-W10-1",
    "an ordinal date": "2026-061",
    "without leading zeros": "2026-3-2",
    "with spaces": " 2026-03-02 ",
    "with a line break behind": "2026-03-02\n",
    "in full-width digits": "２０２６-０３-０２",
    "in Arabic digits": "٢٠٢٦-٠٣-٠٢",
    "with a minus sign": "2026\u221203\u221202",
    "negative": "-2026-03-02",
    "with six digits of a year": "+002026-03-02",
    "empty": "",
    "a word": "today",
    "true": True,
    "a list": ["2026-03-02"],
}
FUTURE = {
    "tomorrow": "2026-10-21",
    "in a year": "2027-03-02",
    "in a century": "2126-03-02",
    "at the end of all dates": "9999-12-31",
}
BAD_NUMBER = {
    "missing": MISSING,
    "null": None,
    "true": True,
    "false": False,
    "a list": ["5.00"],
    "empty": "",
    "blank": " ",
    "with spaces": " 5.00 ",
    "with a line break behind": "5.00\n",
    "with a plus": "+5",
    "without decimals behind the point": "5.",
    "without digits before the point": ".5",
    "with an underscore": "1_0",
    "with a decimal comma": "5,00",
    "with thousands": "1 000",
    "in Arabic digits": "٥",
    "in full-width digits": "５",
    "with three decimals": "5.001",
    "a number with three decimals": Raw("5.001"),
    "zero": "0",
    "zero with decimals": "0.00",
    "the number zero": 0,
    "minus zero": "-0",
    "the number minus zero": Raw("-0.0"),
    "a hair above zero": Raw("1e-400"),
    "NaN in text": "NaN",
    "Infinity in text": "Infinity",
    "an exponent in text": "5e0",
    "hexadecimal": "0x5",
    "a fraction": "1/2",
    "in percent": "5%",
    "1e400": Raw("1e400"),
    "1e999999": Raw("1e999999"),
    "1e999999 in text": "1e999999",
    "of forty digits": Raw("9" * 40),
    "of eighteen digits in text": "9" * 18,
    "of a thousand digits in text": "9" * 1_000,
    "with a minus of another kind": "\u22125",
}
NO_BOOLEAN = {"null": None, "a word": "true", "a number": 1, "zero": 0, "a list": [True]}
BAD_CURRENCY = {
    "in lower case": "rub",
    "unknown": "XXX",
    "a sign": "₽",
    "empty": "",
    "a number": 643,
    "with a space": "RUB ",
    "in Cyrillic": "РУБ",
}
BAD_EMAIL = {
    "empty": "",
    "no address": "anna",
    "without a host": "anna@",
    "of nobody": "@romashka.ru",
    "with a name": "Анна <anna@romashka.ru>",
    "in Cyrillic": "анна@ромашка.рф",
    "with a line break behind": "anna@romashka.ru\n",
    "with a header": "anna@romashka.ru\r\nBcc: all@romashka.ru",
    "two": "anna@romashka.ru,boris@romashka.ru",
    "of two hosts": "anna@romashka.ru@evil.example",
    "too long": "a" * 243 + "@romashka.ru",
    "a number": 7,
    "a list": ["anna@romashka.ru"],
}
BAD_UUID = {
    "a word": "south",
    "empty": "",
    "a number": 7,
    "without hyphens": "0" * 32,
    "too long": str(uuid4()) + "0",
    "in braces": "{" + str(uuid4()) + "}",
    "a URN": f"urn:uuid:{uuid4()}",
    "with a letter too far": "g" + str(uuid4())[1:],
    "with NUL": str(uuid4())[:-1] + "\x00",
}

# JSON itself. The control is a deal's opening.

FORMS: dict[str, Callable[[str], str | bytes]] = {
    "empty": lambda _: b"",
    "blank": lambda _: b"  \n ",
    "truncated": lambda text: text[:-1],
    "truncated in a text": lambda text: text[:20],
    "with a trailing comma": lambda text: text[:-1] + ",}",
    "twice": lambda text: text + text,
    "with something behind": lambda text: text + "x",
    "with a comment": lambda text: text[:-1] + "/* no */}",
    "with a line comment": lambda text: text + "// no",
    "in single quotes": lambda text: text.replace('"', "'"),
    "with bare keys": lambda text: text.replace('"title"', "title"),
    "with NaN": lambda text: text.replace('"400000000.00"', "NaN"),
    "with Infinity": lambda text: text.replace('"400000000.00"', "Infinity"),
    "with -Infinity": lambda text: text.replace('"400000000.00"', "-Infinity"),
    "with a plus before a number": lambda text: text.replace('"400000000.00"', "+5"),
    "with leading zeros": lambda text: text.replace('"400000000.00"', "05"),
    "with a bare point": lambda text: text.replace('"400000000.00"', "5."),
    "with an integer of 5000 digits": lambda text: text.replace('"400000000.00"', "9" * 5_000),
    "with a fraction of 5000 digits": lambda text: text.replace(
        '"400000000.00"', "0." + "9" * 5_000
    ),
    "with an exponent of 5000 digits": lambda text: text.replace(
        '"400000000.00"', "1e" + "9" * 5_000
    ),
    "with a key twice": lambda text: '{"title": "x", ' + text[1:],
    "with the same key and value twice": lambda text: text[:-1] + ', "client": "Ромашка"}',
    "with a key twice further in": lambda text: text.replace(
        '"amount"', '"amount": "1.00", "amount"'
    ),
    "with a key twice by an escape": lambda text: r'{"titl\u0065": "x", ' + text[1:],
    "with a line break in a text": lambda text: text.replace("Витрины", "Витр\nины"),
    "with a raw NUL": lambda text: text.replace("Витрины", "Витр\x00ины"),
    "with an unknown escape": lambda text: text.replace("Витрины", r"\x41"),
    "nested a thousand deep": lambda text: text[:-1] + ', "x": ' + "[" * 1_000 + "]" * 1_000 + "}",
    "nested 30000 deep": lambda text: text[:-1] + ', "x": ' + "[" * 30_000 + "]" * 30_000 + "}",
    "with 30000 open objects": lambda _: '{"x":' * 10_000,
    "with a BOM": lambda text: "\ufeff" + text,
    "in UTF-16": lambda text: text.encode("utf-16"),
    "in UTF-16 without a BOM": lambda text: text.encode("utf-16-le"),
    "in UTF-32": lambda text: text.encode("utf-32-be"),
    "in Windows-1251": lambda text: text.encode("cp1251", "ignore"),
    "with an overlong NUL": lambda text: text.encode().replace(b"R", b"\xc0\x80", 1),
    "with a surrogate in UTF-8": lambda text: text.encode().replace(b"R", b"\xed\xa0\x80", 1),
    "a form": lambda _: b"title=x&client=y",
    "XML": lambda _: b"<deal/>",
}
for name, form in FORMS.items():
    add("opening", f"JSON {name}", replace(CONTROLS["opening"], written=form), "malformed-json")


def instead(text: str) -> Request:
    return replace(CONTROLS["opening"], written=lambda _: text)


def with_amount(number: str) -> Request:
    return replace(CONTROLS["opening"], written=lambda text: text.replace('"400000000.00"', number))


for number in ("1e99999999999999999999", "-1e99999999999999999999", "1e-99999999999999999999"):
    add("opening", f"the number {number}", with_amount(number))
for name, text in {
    "a list": "[]",
    "a list around it": "[{}]",
    "null": "null",
    "a text": '"x"',
    "a number": "5",
    "true": "true",
}.items():
    add("opening", f"{name} instead of an object", instead(text))

MEDIA: dict[str, str | bytes] = {
    "text/plain": "text/plain",
    "a form": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data; boundary=x",
    "XML": "application/xml",
    "JSON by another name": "text/json",
    "JSON lines": "application/jsonl",
    "merge patch": "application/merge-patch+json",
    "empty": "",
    "nonsense": ";;;",
    "not ASCII": "application/jsоn".encode(),
}
for name, content_type in MEDIA.items():
    bad = replace(CONTROLS["opening"], headers={"content-type": content_type})
    add("opening", f"content type {name}", bad, "unsupported-media-type")

# Fields, one after the other.

fields("opening", "title", BAD_LINE | ABSENT | NO_TEXT)
for control, where in {
    "team": "name",
    "manager": "name",
    "kind": "title.ru",
    "account": "name",
}.items():
    fields(
        control, where, ABSENT | NO_TEXT | {"blank": " ", "with NUL": "a\x00", "long": "я" * 301}
    )
    fields(control, where, {"of two lines": "a\nb", "with an override": "\u202ea"})
fields("opening", "client", {"missing": MISSING, "too long": "я" * 301, "blank": " "})
fields("kind", "title.en", {"missing": MISSING, "null": None, "blank": " "})
fields("kind", "title", ABSENT | {"a text": "ТКП", "a list": []})
fields("rejection", "reason", BAD_TEXT | ABSENT | NO_TEXT | {"too long": "я" * 2_001})
for control in (
    "re-weighting",
    "withdrawal",
    "check",
    "handover",
    "suspension",
    "loss",
    "reopening",
    "kind's weight",
    "reopening of a month",
):
    fields(control, "reason", {"missing": MISSING, "null": None, "blank": "\n", "number": 5})
for where in ("evidence", "comment"):
    fields("action", where, {"blank": " ", "with NUL": "\x00", "a number": 5, "long": "я" * 2_001})

fields("opening", "potential_check.amount", BAD_NUMBER | {"negative": "-5.00", "minus": -5})
fields("opening", "potential_check.amount", {"too large": "1000000000000.01", "1e13": Raw("1e13")})
fields("opening", "potential_check.currency", BAD_CURRENCY | ABSENT)
fields("opening", "potential_check", ABSENT | {"a text": "400", "a number": 4, "a list": []})
fields("check", "amount", {"missing": MISSING, "zero": 0, "true": True, "too large": 10**13})
fields("check", "currency", BAD_CURRENCY)
fields("win", "contract_amount", {"missing": MISSING, "zero": 0, "false": False, "minus": "-1"})
fields("win", "currency", {"in lower case": "rub", "a number": 643})
fields("target", "amount.amount", {"missing": MISSING, "zero": 0, "true": True, "minus": "-1"})
fields("target", "amount.currency", {"missing": MISSING, "in lower case": "rub"})
fields("target", "measure", ABSENT | {"unknown": "calls", "a number": 1})
fields("target", "first_day", {"missing": MISSING, "a word": "today", "1999": "1999-12-31"})
fields("target", "first_day", {"behind the last": "2027-01-01"})
fields("target", "last_day", {"null": None, "after 2100": "2101-01-01"})
fields("target", "reason", ABSENT | {"blank": " ", "with NUL": "a\x00"})
fields("withdrawal of a target", "reason", ABSENT | {"blank": " "})
fields("target of actions", "number", {"zero": 0, "a fraction": 1.5, "true": True, "text": "12"})
for name, changed in {
    "a number of money": {"measure": "portfolio", "amount": None, "number": 5},
    "both": {"number": 5},
    "neither": {"amount": None},
    "an amount of actions": {"measure": "actions"},
    "of nobody": {"manager_id": None},
    "of two": {"team_id": "{team}"},
}.items():
    add("target", name, replace(CONTROLS["target"], body=CONTROLS["target"].body | changed))
fields("kind", "weight", BAD_NUMBER | {"above the whole": "100.01", "below": -100.5, "a lot": 1e3})
for control in ("re-weighting", "kind's weight"):
    fields(control, "weight", {"missing": MISSING, "zero": 0, "true": True, "above": "100.01"})

fields("opening", "effective_on", BAD_DATE)
fields("opening", "effective_on", FUTURE, "in-the-future")
fields("opening", "expected_close_on", {"without a day": "2026-12", "far": "2101-01-01", "0": 0})
for control in ("action", "handover", "suspension", "win", "loss", "check", "team change"):
    fields(control, "effective_on", {"missing": MISSING, "null": None, "no date": "2026-02-30"})
    fields(control, "effective_on", FUTURE, "in-the-future")
for control in ("confirmation", "withdrawal", "rejection"):
    fields(control, "effective_on", {"no date": "2026-02-30", "a number": 20260302})
    fields(control, "effective_on", FUTURE, "in-the-future")
fields("expected close", "expected_close_on", ABSENT | {"no date": "2026-13-01"})
fields("suspension", "review_on", ABSENT | {"no date": "next month"})
for control in ("kind", "kind's weight", "retirement"):
    fields(control, "effective_from", ABSENT | {"before 2000": "1999-12-31", "a number": 2026})
    fields(control, "effective_from", {"after 2100": "2101-01-01"})

fields("kind", "code", BAD_SLUG)
fields("kind", "max_per_deal", {"zero": 0, "minus": -1, "text": "1", "1.0": 1.0, "1001": 1_001})
fields("kind", "max_per_deal", {"true": True, "huge": Raw("1" + "0" * 39), "1e5": Raw("1e5")})
fields("kind", "evidence_required", NO_BOOLEAN)
fields("kind", "needs_confirmation", NO_BOOLEAN)
fields("handover", "transfer_credit", NO_BOOLEAN | {"missing": MISSING})

fields("manager", "manager_id", {name: v for name, v in BAD_SLUG.items() if name != "null"})
fields("manager", "team_id", BAD_UUID)
fields("manager", "team_id", {"unknown": str(uuid4())}, "not-found")
fields("team change", "team_id", BAD_UUID | ABSENT)
fields("team change", "team_id", {"unknown": str(uuid4())}, "not-found")
fields("opening", "manager_id", BAD_SLUG | {"missing": MISSING})
fields("opening", "manager_id", {"unknown": "nobody"}, "unknown-manager")
fields("action", "action_type", BAD_SLUG | {"missing": MISSING})
fields("action", "action_type", {"unknown": "no-such-thing"}, "unknown-action-type")
fields("action", "manager_id", {"unknown": "nobody"}, "unknown-manager")
fields("handover", "to_manager_id", BAD_SLUG | {"missing": MISSING})
fields("handover", "to_manager_id", {"unknown": "nobody"}, "unknown-manager")

fields("account", "role", ABSENT | {"unknown": "boss", "capital": "Manager", "a list": ["admin"]})
fields("account", "manager_id", {"unknown": "nobody"}, "not-found")
fields("account", "email", BAD_EMAIL)
fields("head's account", "team_id", {"unknown": str(uuid4())}, "not-found")
fields("head's account", "team_id", {"a word": "south", "a number": 7})

# Whose an action is.

fields("joint action", "credits.1.weight", ABSENT | {"zero": 0, "true": True, "three": "2.000"})
fields("joint action", "credits.1.manager_id", {"null": None, "missing": MISSING, "blank": " "})
fields("joint action", "credits.1.manager_id", {"unknown": "nobody"}, "unknown-manager")
fields("joint action", "credits", {"empty": [], "an object": {}, "a text": "x", "numbers": [5]})
fields("joint action", "credits.1", {"null": None, "a number": 5, "a list": [], "a text": "x"})


def wrongly_shared(
    name: str, control: str, body: Mapping[str, Any], named: str = "credits"
) -> None:
    bad = replace(CONTROLS[control], body={**CONTROLS[control].body, **body})
    add(control, name, bad, named=named)


def share(manager: str, weight: str) -> dict[str, str]:
    return {"manager_id": manager, "weight": weight}


wrongly_shared(
    "shares below the weight",
    "joint action",
    {"credits": [share("{manager}", "3.00"), share("{other}", "1.99")]},
)
wrongly_shared(
    "shares above the weight",
    "joint action",
    {"credits": [share("{manager}", "3.00"), share("{other}", "2.01")]},
)
wrongly_shared(
    "a negative share",
    "joint action",
    {"credits": [share("{manager}", "6.00"), share("{other}", "-1.00")]},
)
wrongly_shared(
    "one manager twice",
    "joint action",
    {"credits": [share("{manager}", "3.00"), share("{manager}", "2.00")]},
    "body",
)
wrongly_shared(
    "51 managers",
    "joint action",
    {"credits": [share(f"m{number}", "0.10") for number in range(51)]},
)
wrongly_shared("both a manager and shares", "joint action", {"manager_id": "{manager}"}, "body")
wrongly_shared(
    "two report a setback",
    "setback",
    {"credits": [share("{manager}", "-3.00"), share("{other}", "-1.00")]},
)
wrongly_shared("neither manager nor shares", "action", {"manager_id": None}, "body")
wrongly_shared("a manager's without a manager", "account", {"manager_id": None}, "body")
wrongly_shared("a head's without a team", "head's account", {"team_id": None}, "body")

for called, unseen in {"joiners": "\u200d\u200c", "Hangul filler": "\u3164"}.items():
    bad = replace(CONTROLS["opening"], body={**CONTROLS["opening"].body, "title": unseen})
    add("opening", f"title of {called} only", bad, named="title")
for parameter in ("dry_run", "effective_on"):
    bad = replace(CONTROLS["opening"], query={parameter: "2026-02-02"})
    add(
        "opening",
        f"{parameter} in the address",
        bad,
        named=parameter,
    )

# A field that nobody knows, in every body and further in.

for control in CONTROLS:
    fields(control, "note", {"is no field": "x"})
fields("opening", "potential_check.cents", {"is no field": 0})
fields("joint action", "credits.1.amount", {"is no field": "1.00"})
fields("kind", "title.de", {"is no field": "Angebot"})
fields("opening", "Title", {"is no field": "x"})
fields("opening", "deal_id", {"is no field": str(uuid4())})
fields("opening", "recorded_at", {"is no field": "2026-01-01T00:00:00Z"})

# Addresses.

NOBODYS = {"unknown": str(uuid4())}
UNKNOWN = NOBODYS | {"no UUID": "7", "a UUID without hyphens": uuid4().hex}


def address(control: str, wanted: str, values: Values, slug: str = "not-found") -> None:
    """`values` in the address in place of `{wanted}`."""
    source = CONTROLS.get(control) or QUESTIONS[control]
    for name, value in values.items():
        bad = replace(source, path=source.path.replace("{" + wanted + "}", value))
        named = wanted if slug == "validation" else None
        add(control, f"address of {wanted} {name}", bad, slug, named=named)


for control, source in {**CONTROLS, **QUESTIONS}.items():
    for name in re.findall(r"\{(deal|claim|action|suspended|lost)\}", source.path):
        address(control, name, UNKNOWN if control in {"action", "check", "deal"} else NOBODYS)
address("deal", "deal", {"in Arabic digits": "{deal_in_arabic}"})
address("deal", "deal", {"hyphens behind": "{deal_hyphens_behind}"})
for control in ("team change", "portfolio", "series"):
    address(control, "manager", {"unknown": "nobody", "in Cyrillic": "анна"})
for control in ("team change", "series"):
    address(control, "manager", {"with NUL": "%00"})
address("portfolio", "manager", {"with NUL": "%00"})
address("kind's weight", "kind", {"unknown": "nothing", "with NUL": "%00"})
address("retirement", "unused_kind", {"unknown": "nothing", "a quote": "'"})
NO_MONTH = {
    "13": "2026-13",
    "00": "2026-00",
    "without a zero": "2026-1",
    "a date": "2026-01-01",
    "before 2000": "1999-12",
    "after 2100": "2101-01",
    "in Arabic digits": "٢٠٢٦-٠١",
    "with a plus": "+026-01",
    "a word": "january",
}
for control, wanted in {"closing of a month": "month", "reopening of a month": "closed"}.items():
    source = CONTROLS[control]
    for name, value in NO_MONTH.items():
        bad = replace(source, path=source.path.replace("{" + wanted + "}", value))
        add(control, f"month {name}", bad, named="period")
address("closing of a month", "month", {"not over": "2026-10"}, "in-the-future")

# Headers.

for name, key in {
    "empty": b"",
    "too long": b"k" * 201,
    "in Cyrillic": "ключ".encode(),
    "in Latin-1": "clé".encode("latin-1"),
    "with a tab": b"a\tb",
}.items():
    bad = replace(CONTROLS["check"], headers={"idempotency-key": key})
    add("check", f"Idempotency-Key {name}", bad, named="Idempotency-Key")
TAGS: dict[str, str | bytes] = {
    "of a version that is past": '"1"',
    "of a version to come": '"3"',
    "weak": 'W/"2"',
    "empty": "",
    "a word": '"abc"',
    "negative": '"-2"',
    "of another kind": '"2.0"',
    "in Arabic digits": '"٢"'.encode(),
    "of thirty digits": '"' + "2" * 30 + '"',
    "a date": "Tue, 20 Oct 2026 09:00:00 GMT",
    "of several past versions": '"0", "1"',
}
for name, tag in TAGS.items():
    # The control is meant for version 2, which is what opening and one action make.
    meant = replace(
        CONTROLS["check"], path="/v1/deals/{acted}/check-revisions", headers={"if-match": '"2"'}
    )
    case = Case(
        f"check: If-Match {name}",
        meant,
        replace(meant, headers={"if-match": tag}),
        "version-conflict",
    )
    CASES.append(pytest.param(case, id=case.name))
for name, token in {
    "missing": "",
    "without a scheme": "{token}",
    "basic": "Basic {token}",
    "wrong": "Bearer wrong",
    "without a token": "Bearer",
    "not ASCII": "Bearer ключ",
    "too long": "Bearer " + "x" * 5_000,
    "with something behind": "Bearer {token}x",
    "twice": "Bearer {token}, Bearer {token}",
}.items():
    bad = replace(CONTROLS["check"], headers={"authorization": token})
    add("check", f"Authorization {name}", bad, "unauthenticated")

# Questions.

for control in QUESTIONS:
    query(control, "asof", {"is misspelt": "2026-06-30"})
query("portfolios", "as_of", FUTURE, "in-the-future")
for control in ("portfolio", "deals", "actions", "deal", "deal's events", "action types"):
    query(control, "as_of", FUTURE, "in-the-future")
    query(control, "as_of", {"no date": "2026-02-30", "empty": "", "a word": "today"})
query("portfolios", "as_of", {n: v for n, v in BAD_DATE.items() if isinstance(v, str)})
query("portfolios", "team_id", {"a word": "south", "empty": ""})
query("portfolios", "team_id", {"unknown": str(uuid4())}, "not-found")
query("team's series", "team_id", {"unknown": str(uuid4())}, "not-found")
query("portfolios", "position", {"beside known_at": "1"}, known_at="2026-10-19")
BAD_INSTANT = {
    "without a zone": "2026-10-19T09:00:00",
    "without seconds": "2026-10-19T09:00+03:00",
    "at 25 o'clock": "2026-10-19T25:00:00Z",
    "with a leap second": "2026-10-19T23:59:60Z",
    "with a point and no decimals": "2026-10-19T09:00:00.Z",
    "with a zone's name": "2026-10-19T09:00:00 Europe/Moscow",
    "with a zone of 99 hours": "2026-10-19T09:00:00+99:00",
    "with a short zone": "2026-10-19T09:00:00+03",
    "with a space in the middle": "2026-10-19 09:00:00Z",
    "of the year one": "0001-01-01T00:00:00+14:00",
    "an epoch": "1760864400",
    "of no day": "2026-02-30T09:00:00Z",
    "a word": "now",
    "empty": "",
    "in Arabic digits": "٢٠٢٦-١٠-١٩",
}
query("portfolios known then", "known_at", BAD_INSTANT)
query(
    "portfolios known then",
    "known_at",
    FUTURE
    | {"in a minute": "2026-10-20T12:01:00+03:00", "of the year 9999": "9999-12-31T23:59:59-14:00"},
    "in-the-future",
)
BAD_POSITION = {
    "negative": "-1",
    "a fraction": "1.0",
    "with a plus": "+1",
    "with spaces": " 1 ",
    "with an underscore": "1_0",
    "in Arabic digits": "١",
    "of thirty digits": "1" * 30,
    "empty": "",
    "a word": "last",
    "hexadecimal": "0x1",
}
query("portfolios at a position", "position", BAD_POSITION)
query("portfolios at a position", "position", {"to come": "999999"}, "in-the-future")
query("events", "after", BAD_POSITION)
query("managers", "cursor", BAD_POSITION)
query("accounts", "cursor", {"a word": "next", "a number": "1"})
query(
    "accounts",
    "cursor",
    {"of nobody": str(uuid4())},
)
BAD_LIMIT = {
    "zero": "0",
    "negative": "-1",
    "1001": "1001",
    "a word": "all",
    "empty": "",
    "of thirty digits": "1" * 30,
    "an exponent": "1e2",
    "in Arabic digits": "٥",
    "with an underscore": "1_0",
    "with a plus": "+5",
    "a fraction": "5.0",
    "with a space": " 5",
}
for control in ("deals", "actions", "events", "managers", "accounts", "certified"):
    query(control, "limit", BAD_LIMIT)
query("series", "step", {"unknown": "year", "in capitals": "WEEK", "empty": "", "a number": "7"})
query("series", "from", {"missing": MISSING, "after to": "2026-04-01", "empty": ""})
query("series", "from", {"too long ago": "2001-01-01"})
query("series", "to", {"missing": MISSING, "no date": "2026-02-30"})
query("series", "to", FUTURE, "in-the-future")
query("series", "currency", {k: v for k, v in BAD_CURRENCY.items() if isinstance(v, str)})
query("series", "team_id", {"of one manager": "{team}"})
query("movement", "from", {"missing": MISSING, "after to": "2026-04-01"})
query("movement", "to", {"missing": MISSING})
query("movement", "manager_id", {"unknown": "nobody", "with NUL": "\x00"}, "not-found")
query("movement", "team_id", {"unknown": str(uuid4())}, "not-found")
query("movement", "currency", {"in lower case": "rub"})
query("movement", "step", {"is of another question": "week"})
query("restatement", "from_known_at", {"missing": MISSING, "without a zone": "2026-10-18T09:00:00"})
query("restatement", "manager_id", {"unknown": "nobody"}, "not-found")
query("restatement", "known_at", {"is of another question": "2026-10-19"})
query("restatement by position", "from_position", {"after to": "3", "negative": "-1"})
query("restatement by position", "to_position", {"to come": "999999"}, "in-the-future")
query("journal", "format", {"missing": MISSING, "unknown": "ledger", "in capitals": "HLEDGER"})
query("journal", "as_of", {"no date": "2026-02-30"})
query("journal", "as_of", {"tomorrow": "2026-10-21"}, "in-the-future")
query("journal of one", "manager_id", {"unknown": "nobody"}, "not-found")
query("journal of one", "position", {"beside known_at": "1"})
query("integrity", "late_after", {"negative": "-1", "251": "251", "a fraction": "2.5", "empty": ""})
query("integrity", "month_end", {"zero": "0", "29": "29"})
query("integrity", "near", {"93": "93", "a word": "week"})
query(
    "integrity", "high_weight", {"nothing": "0", "above all": "100.01", "three decimals": "5.001"}
)
query("calibration", "horizon_months", {"4": "4", "a fraction": "6.0", "empty": ""})
query("calibrated deals", "limit", {"zero": "0", "a word": "all"})
query("calibration", "as_known", {"a word": "later", "empty": ""})
query("calibration", "team_id", {"no UUID": "south"})
query("calibration", "manager_id", {"unknown": "nobody"}, "not-found")
query(
    "laboratory",
    "weights",
    {
        "empty": "",
        "no weight": "{kind}",
        "nothing": "{kind}:0",
        "three decimals": "{kind}:1.005",
        "above all": "{kind}:100.01",
        "twice": "{kind}:1,{kind}:2",
        "an end": "{kind}:1,",
        "Arabic digits": "{kind}:٣",
    },
)
query("laboratory", "weights", {"unknown": "nothing:1"}, "not-found")
query("laboratory", "cap", {"nothing": "0", "above all": "100.01", "three decimals": "5.001"})
query("laboratory", "without_type", {"no code": "«»"})
query("laboratory", "without_type", {"unknown": "nothing"}, "not-found")
query("laboratory", "without_manager", {"unknown": "nobody"}, "not-found")
query("integrity", "from", {"after to": "2026-04-01", "no date": "2026-02-30"})
query("integrity", "to", {"tomorrow": "2026-10-21"}, "in-the-future")
query("integrity", "manager_id", {"unknown": "nobody"}, "not-found")
query("months", "from", {"after to": "2026-08-01", "no date": "2026-02-30", "long": "2000-01-01"})
query("months", "to", {"after as_of": "2026-07-01"})
query("months", "manager_id", {"unknown": "nobody"}, "not-found")
query("months", "currency", {"in lower case": "rub"})
query("stalled", "minimum_days", {"none": "0", "3651": "3651", "a word": "month"})
query("stalled", "factor", {"none": "0", "101": "101", "a fraction": "1.5"})
query("stalled", "limit", {"none": "0"})
query("stalled", "manager_id", {"unknown": "nobody"}, "not-found")
query("concentration", "manager_id", {"unknown": "nobody"}, "not-found")
query("concentration", "limit", {"above all": "1001"})
query("digest", "week", {"to come": "2026-07-06", "of the other kind": "2026-W26"})
query("digest", "manager_id", {"unknown": "nobody"}, "not-found")
query("forecast", "by", {"unknown": "year", "in capitals": "MONTH", "empty": ""})
query("forecast", "horizon", {"zero": "0", "37": "37", "a fraction": "1.5"})
query("forecast", "target", {"nothing": "0", "negative": "-1", "three decimals": "1.001"})
query("forecast", "shared_risk", {"91": "91", "negative": "-1", "a fraction": "0.2"})
query("forecast", "seed", {"negative": "-1", "too long": "2147483648"})
query("forecast", "limit", {"zero": "0"})
query("forecast", "as_of", {"tomorrow": "2026-10-21"}, "in-the-future")
query("forecast", "manager_id", {"unknown": "nobody"}, "not-found")
query("forecast", "team_id", {"unknown": str(uuid4())}, "not-found")
query("forecast's record", "by", {"is of another question": "month"})
query("forecast's record", "known_at", {"tomorrow": "2026-10-21"}, "in-the-future")
query("certified", "as_of", {"is of another question": "2026-10-19"})
query("certified", "known_at", {"tomorrow": "2026-10-21"}, "in-the-future")
query("certified month", "period", {"no month": "2026-13", "a day": "2026-06-30", "empty": ""})
query("certified month", "position", {"to come": "999999"}, "in-the-future")
query("deals", "status", {"unknown": "asleep", "in capitals": "OPEN", "empty": ""})
query(
    "deals",
    "manager_id",
    {
        "unknown": "nobody",
        "with NUL": "\x00",
    },
    "not-found",
)
query("actions", "state", {"unknown": "dead", "in capitals": "LIVE", "empty": ""})
query("actions", "deal_status", {"unknown": "asleep", "empty": ""})
query("actions", "from", {"after to": "2026-07-01", "no date": "2026-02-30", "empty": ""})
query("actions", "to", {"a word": "today", "empty": ""})
query("actions", "team_id", {"a word": "south", "empty": ""})
query("actions", "team_id", {"unknown": str(uuid4())}, "not-found")
query("actions", "manager_id", {"unknown": "nobody", "with NUL": "\x00"}, "not-found")
query("actions", "action_type", {"unknown": "nothing", "with NUL": "\x00"}, "not-found")
query("actions", "status", {"is of another question": "open"})
query("events", "as_of", {"is of another question": "2026-06-30"})


# -------------------------------------------------------------------------------------- the tests


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    with company(shared_database) as begun:
        yield begun


@pytest.fixture(scope="module")
def standing(here: Company) -> Mapping[str, str]:
    """What all cases share, for none of them changes it."""
    team = here.director.do("/v1/teams", {"name": "Юг"})["team_id"]
    return {
        "team": team,
        "manager": here.manager(),
        "other": here.manager("Павел Орлов"),
        "kind": here.kind("5.00"),
        "unused_kind": here.kind("1.00"),
        "setback": here.kind("-4.00"),
        "claimed": here.kind("10.00", needs_confirmation=True),
        "token": here.director.http.headers["authorization"].removeprefix("Bearer "),
    }


@pytest.fixture(scope="module")
def stored(shared_database: str) -> Iterator[Stored]:
    """How much is stored, of everything that a request could store."""
    tables = ("events", "receipts", "people", "accounts")
    counts = ", ".join(f"(SELECT count(*) FROM books.{table})" for table in tables)
    with psycopg.connect(shared_database, autocommit=True) as connection:
        yield lambda: connection.execute(
            f"SELECT {counts}, (SELECT max(notification_id) FROM books.events)"
        ).fetchone()


def test_the_table_is_long_enough_and_names_each_case_once() -> None:
    names = [case.id for case in CASES]
    assert len(names) >= 150
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES)
def test_refused_while_its_control_is_accepted(
    case: Case, here: Company, standing: Mapping[str, str], stored: Stored
) -> None:
    who = here.admin.http if case.by_admin else here.director.http
    ground = Ground(here, standing)
    ground.fill([case.control.path, case.control.body, case.bad.path])  # made before we count
    before = stored()

    russian = _problem(case, case.bad.send(who, ground, "ru"))
    english = _problem(case, case.bad.send(who, ground, "en"))
    assert stored() == before

    assert re.search("[а-яё]", russian["detail"])
    assert not re.search(r"\b(or|and|not|is|must)\b", russian["detail"])
    assert re.search("[a-z]", english["detail"])
    assert russian["title"] != english["title"]

    accepted = case.control.send(who, ground, "ru")
    assert accepted.status_code in {200, 201}, accepted.text
    if case.control.method == "POST":
        assert stored() != before


def _problem(case: Case, response: httpx.Response) -> dict[str, Any]:
    problem = {"status": response.status_code, "text": response.text}
    assert problem["status"] == STATUS[case.slug], problem
    assert response.headers["content-type"] == PROBLEM
    body = response.json()
    assert body["type"] == f"/problems/{case.slug}"
    assert body["status"] == response.status_code
    assert body["detail"].strip()
    if case.field is not None and case.slug == "validation":
        named = [error["field"] for error in body["errors"]]
        assert any(name.startswith(case.field) for name in named), named
        assert all(error["detail"] for error in body["errors"])
        assert not {error["detail"] for error in body["errors"]} & set(OTHERWISE)
    return dict(body)


# Sizes, which no table shows well.

MOST = 65_536


@pytest.fixture
def opening(here: Company, standing: Mapping[str, str]) -> bytes:
    body = CONTROLS["opening"].body
    return _json(Ground(here, standing).fill(body)).encode()


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_a_body_of_64_kb_is_read_and_one_byte_more_is_not(
    here: Company, opening: bytes, stored: Stored, chunked: bool
) -> None:
    def post(size: int) -> httpx.Response:
        content = opening.ljust(size)
        client: httpx.Client = here.director.http
        return client.post(
            "/v1/deals",
            content=iter([content[: size // 2], content[size // 2 :]]) if chunked else content,
            headers={"content-type": JSON, "connection": "close"},
        )

    before = stored()
    response = post(MOST + 1)
    assert response.status_code == 413, response.text
    assert response.headers["content-type"] == PROBLEM
    assert response.json()["type"] == "/problems/payload-too-large"
    assert stored() == before
    assert post(MOST).status_code == 201


def test_a_length_that_is_too_large_is_refused_before_anything_is_sent(here: Company) -> None:
    host, port = here.address.removeprefix("http://").split(":")
    token = here.director.http.headers["authorization"]
    head = f"POST /v1/deals HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n"
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        head += f"Content-Type: {JSON}\r\nContent-Length: 10000000000\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1_000).startswith(b"HTTP/1.1 413")


def test_the_longest_texts_and_the_largest_sums_are_taken_as_they_are(
    here: Company, standing: Mapping[str, str]
) -> None:
    title, reason = "я" * 300, "я" * 2_000
    deal = here.deal(standing["manager"], "1000000000000.00", title=title)
    revised = {"amount": "0.01", "effective_on": "2026-02-03", "reason": reason}
    here.director.do(f"/v1/deals/{deal}/check-revisions", revised)
    events = here.director.ask(f"/v1/deals/{deal}/events")["events"]
    assert events[0]["data"]["title"] == title
    assert events[0]["data"]["potential_check"]["amount"] == "1000000000000.00"
    assert events[1]["data"]["reason"] == reason
    assert here.director.ask(f"/v1/deals/{deal}")["potential_check"]["amount"] == "0.01"


@pytest.mark.parametrize(
    "text",
    [
        "👩🏽‍💼 Анна",
        "«Ёлка» — №1 №2",
        "e\u0301clair",
        "Ｗｉｄｅ",
        "naïve ﬁ",
        "שלום",
        "日本語",
        "50 % & <b>",
    ],
)
def test_text_of_any_language_comes_back_as_it_was_given(
    here: Company, standing: Mapping[str, str], text: str
) -> None:
    deal = here.deal(standing["manager"], title=text, client=text)
    shown = here.director.ask(f"/v1/deals/{deal}")
    assert (shown["title"], shown["client"]) == (text, text)


def test_whoever_gives_a_word_for_a_limit_is_told_what_a_limit_is(here: Company) -> None:
    (error,) = here.director.get("/v1/deals", limit="all").json()["errors"]
    assert error["detail"] in [text.format(least=1, most=1_000) for text in FIELDS["whole"]]


@pytest.mark.parametrize(
    "parameter", ["as_of=2026-02-01&as_of=2026-03-01", "position=1&position=2", "limit=1&limit=2"]
)
def test_a_parameter_given_twice_is_refused_like_a_key_given_twice(
    here: Company, parameter: str
) -> None:
    single = parameter.partition("&")[0]
    assert here.director.http.get(f"/v1/deals?{single}").status_code == 200
    assert here.director.http.get(f"/v1/deals?{parameter}").status_code == 422


@pytest.mark.parametrize("depth", [100, 500, 900, 930, 940, 950, 960, 970, 980, 990, 1_100])
def test_nesting_of_any_depth_is_refused_and_breaks_nothing(
    here: Company, opening: bytes, depth: int
) -> None:
    content = opening[:-1] + b', "note": ' + b"[" * depth + b"]" * depth + b"}"
    response = here.director.http.post("/v1/deals", content=content, headers={"content-type": JSON})
    assert response.status_code in {400, 422}, response.text
    assert response.headers["content-type"] == PROBLEM
