"""What the command line shows: progress, portfolios, reports."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from api.imports.importing import ImportReport
from api.operating.findings import Finding
from api.service import Service
from api.settings import Settings
from api.words import Language
from domain.values import Role, value_text
from projections.directory import names
from projections.ledger import NOBODY, Standing, total
from projections.point import Knowledge, point_at
from projections.portfolio import portfolios_from_ledger

OUT = Console()
_FOUND = ("what", "found", "what to do")
ERRORS = Console(stderr=True)


def show_the_way(settings: Settings, tokens: Mapping[Role, str], today: date) -> None:
    url = settings.address
    head = f"-H 'Authorization: Bearer {tokens[Role.DIRECTOR]}'"
    others = "\n".join(f"  {role}: {token}" for role, token in tokens.items())
    june = date(today.year if today.month > 6 else today.year - 1, 6, 30)
    july = june.replace(month=7, day=1)
    OUT.print(
        f"""
[bold]The demo company is ready.[/]  Documentation: {url}/docs
Demo mode: people and figures are invented, and every answer says so (Dealfolio-Mode: demo).

What is every manager's portfolio today?
  curl -s {head} '{url}/v1/portfolios'
What was it on {june}, as it was known on {july}? And as it is known now?
  curl -s {head} '{url}/v1/portfolios?as_of={june}&known_at={july}'
  curl -s {head} '{url}/v1/portfolios?as_of={june}'
What changed that knowledge since?
  curl -s {head} '{url}/v1/portfolios/restatement?as_of={june}&from_known_at={july}'
Why did the portfolios move since then?
  curl -s {head} '{url}/v1/portfolios/movement?from={june}&to={today}'
The log, from the beginning:
  curl -s {head} '{url}/v1/events?after=0&limit=10'
Keys, one for each role; each sees and may do what its role includes:
{others}
""",
        highlight=False,
        soft_wrap=True,
    )


@contextmanager
def progress(what: str) -> Iterator["Told"]:
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=ERRORS,
        transient=True,
    ) as progress:
        yield Told(progress, what)


class Told:
    """What long work tells how far it is."""

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=None)

    def __call__(self, done: int, total_: int) -> None:
        self._progress.update(self._task, completed=done, total=total_)

    def phase(self, what: str) -> None:
        """What is done from here on; until it is told, nobody knows how much of it there is."""
        self._progress.reset(self._task, total=None, description=what)


def show_portfolios(
    service: Service, as_of: date | None, knowledge: Knowledge, manager: str | None
) -> None:
    with service.asking() as cursor:
        point = point_at(cursor, service.clock, as_of, knowledge)
        held = portfolios_from_ledger(cursor, point.as_of, point.position)
        called = names(cursor)
    OUT.print(
        f"As of {point.as_of}, known at {point.known_at.isoformat()} (position {point.position})"
    )
    for currency, managers in held.items():
        shown = {who: has for who, has in managers.items() if manager in (None, who)}
        table = Table(title=currency, show_footer=True)
        whole = total(shown.values())
        table.add_column("manager", footer="total")
        for column in NOBODY.balance._fields:
            footer = value_text(getattr(whole.balance, column))
            table.add_column(column, justify="right", footer=footer, min_width=len(footer))
        for who, has in shown.items():
            table.add_row(called.get(who, who), *_row(has))
        OUT.print(table, crop=False)
    if not held:
        OUT.print("Nothing was recorded by then.")


def _row(standing: Standing) -> list[str]:
    return [value_text(value) for value in standing.balance]


def show_import(report: ImportReport) -> None:
    for error in report.errors:
        where = f"{error.file}:{error.line}" + (f" [{error.column}]" if error.column else "")
        ERRORS.print(f"{where}: {error.reason}", style="red", markup=False, highlight=False)
    for reason, count in report.skipped:
        OUT.print(f"{count} rows left out: {reason}", highlight=False)
    if report.ignored_columns:
        columns = ", ".join(f"{column} ({file})" for file, column in report.ignored_columns)
        OUT.print(f"Columns not used: {columns}", markup=False)
    outcome = "stored" if report.stored else "nothing stored"
    if report.dry_run:
        outcome = "dry run, nothing stored"
    OUT.print(
        f"{report.deals} deals, {report.actions} actions, {report.managers} managers;"
        f" {report.repeated} rows known already; {len(report.errors)} errors: {outcome}"
    )


def show_findings(findings: list[Finding], language: Language) -> None:
    headings = ("что", "как есть", "что делать") if language == "ru" else _FOUND
    table = Table("")
    for heading in headings:
        table.add_column(heading, overflow="fold")  # names to type in: none of it is left out
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[red]![/]"
        table.add_row(mark, finding.what, finding.found, finding.mend)
    OUT.print(table)
