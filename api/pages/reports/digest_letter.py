"""The week as a letter: its main figures in plain text, and the address of the page."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from api.pages import figures
from api.pages.frame import gettext
from api.words import Language

LINES = 5
"""Of each list."""


def letter(
    answer: Mapping[str, Any], language: Language, address: str | None, team: str | None
) -> tuple[str, str]:
    """Its subject and its text. `answer` is that of /v1/reports/digest; `address`: where browsers
    find the service, None: nobody has said; `team`: whose week it is, None: everybody's.
    """
    say = gettext(language)
    first, last = (
        figures.long_date(date.fromisoformat(answer[name]), language)
        for name in ("first_day", "last_day")
    )
    title = say("Portfolio in the week from %(first)s to %(last)s")
    subject = title % {"first": first, "last": last}
    lines = [] if team is None else [f"{say('Team')}: {team}"]
    lines += _lines(answer, language)
    if address is not None:
        lines += ["", f"{address}/reports/digest?week={answer['first_day']}&lang={language}"]
    return " ".join(subject.split()), "\n".join([subject, "", *lines, ""])


def _lines(answer: Mapping[str, Any], language: Language) -> Iterator[str]:
    say = gettext(language)
    compact = partial(figures.compact, currency=answer["currency"], language=language)
    closing, change = compact(answer["closing"]), compact(answer["change"], signed=True)
    yield f"{say('Portfolio')}: {closing} ({change})"
    outcomes = {"won": say("won"), "lost": say("lost")}
    stalled, waiting, late = answer["stalled"], answer["waiting"], answer["late"]
    for title, number, amount in (
        (say("Stands still"), stalled["number"], compact(stalled["active"])),
        (say("Waits to be confirmed"), waiting["number"], compact(waiting["amount"])),
        (say("Entered late"), late["number"], compact(late["active"], signed=True)),
    ):
        yield f"{title}: {figures.count(number, language)} ({amount})"
    yield from _part(say("Closed in the week"), [
        f"{one['title']}, {one['client']}: {outcomes[one['status']]},"
        f" {figures.compact(one['amount'], one['currency'], language)}"
        for one in answer["closings"]
    ])  # fmt: skip
    yield from _part(say("Who moved"), [
        f"{one['name'] or one['manager_id']}: {compact(one['change'], signed=True)}"
        for one in answer["managers"]
    ])  # fmt: skip
    for title, name in ((say("Largest gains"), "gains"), (say("Largest losses"), "losses")):
        yield from _part(title, [
            f"{one['title']}, {one['client']}: {compact(one['active'], signed=True)}"
            for one in answer[name]
        ])  # fmt: skip
    yield from _part(say("What stands still"), [
        f"{one['title']}, {one['client']}: {compact(one['active'])},"
        f" {say('Silent, days').lower()}: {one['silent_days']}"
        for one in stalled["deals"]
    ])  # fmt: skip


def _part(title: str, lines: Sequence[str]) -> Iterator[str]:
    """Nothing where there are none."""
    if lines:
        yield from ("", f"{title}:", *(f"- {line}" for line in lines[:LINES]))
