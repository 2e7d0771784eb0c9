"""The command line: serve, the demo company, import, and what operators and auditors ask for."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import psycopg
import typer
import uvicorn
from pydantic import TypeAdapter, ValidationError
from pydantic_settings import SettingsError

from api import embedded
from api.accounts import Accounts, new_token
from api.app import create_app
from api.audit import write_journal
from api.audit_bundle import bundle_lines
from api.audit_verifier import check_file
from api.demo import NotEmpty, grant_in_the_demo, load_demo
from api.doctor import examine, examine_standbys
from api.doctor_evidence import examine_evidence
from api.importing import import_files
from api.inputs import Day, KnownAt
from api.problems import explain
from api.schema import SchemaError
from api.service import Service
from api.serving import UnsafeHost, require_safe, server_options
from api.settings import Settings, variable
from api.shown import (
    ERRORS,
    OUT,
    progress,
    show_findings,
    show_import,
    show_portfolios,
    show_the_way,
)
from api.upgrade import prepare
from api.words import Language
from application.orders import Unavailable
from domain.errors import NotAllowedNow, NotFound, Obstacle, Refusal
from domain.values import ManagerId, Role
from projections.evidence.checkpoints import Forked, rotate
from projections.evidence.keys import CannotSign
from projections.journal import Format
from projections.point import Knowledge, point_at
from projections.rebuild import Busy, rebuild
from projections.replaying import Failed
from projections.verify import verify

T = TypeVar("T")

app = typer.Typer(
    help="Deal portfolios of managers, as of any date, as known at any time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
audit = typer.Typer(help="What auditors take home, and what proves it.", no_args_is_help=True)
app.add_typer(audit, name="audit")
WORKERS_START_SECONDS = 60
"""Within which a worker must answer: with uvicorn's own 5, a busy machine starts them for ever."""
Host = Annotated[str | None, typer.Option(help="Address to listen on [DEALFOLIO_HOST].")]
Port = Annotated[int | None, typer.Option(help="Port to listen on [DEALFOLIO_PORT].")]
Workers = Annotated[int | None, typer.Option(help="Server processes [DEALFOLIO_WORKERS].")]
Data = Annotated[
    Path | None,
    typer.Option(help="Where the embedded PostgreSQL keeps its data [DEALFOLIO_DATA]."),
]


@app.command()
def serve(host: Host = None, port: Port = None, data: Data = None, workers: Workers = None) -> None:
    """Serve the API."""
    settings = _settings(host=host, port=port, data=data, workers=workers)
    require_safe(settings)
    with _own_database(settings) as conninfo:
        with _service(conninfo, settings) as service:
            _make_first_account(service)
        _serve(conninfo, settings)


@app.command()
def demo(host: Host = None, port: Port = None, data: Data = None, workers: Workers = None) -> None:
    """Load the demo company, once, and serve it."""
    settings = _settings(host=host, port=port, data=data, workers=workers, demo=True)
    require_safe(settings)
    with _own_database(settings) as conninfo:
        with _service(conninfo, settings) as service:
            with progress("Two years of the demo company") as told:
                load_demo(service, service.clock.today, told)
            tokens = _demo_accounts(service)
            show_the_way(settings, tokens, service.clock.today)
        _serve(conninfo, settings)


@app.command(name="import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="deals.csv and actions.csv", exists=True)],
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML file that says what foreign columns mean.")
    ] = None,
    data: Data = None,
    *,
    dry_run: Annotated[bool, typer.Option(help="Check everything, store nothing.")] = False,
) -> None:
    """Import deals and actions: everything or nothing; again changes nothing."""
    settings = _settings(data=data)
    with (
        _database(settings) as conninfo,
        _service(conninfo, settings) as service,
        progress("Rows") as told,
    ):
        report = import_files(
            service,
            files,
            mapping=mapping,
            dry_run=dry_run,
            language=_language(),
            progress=told,
        )
    show_import(report)
    if report.errors:
        raise typer.Exit(1)


@app.command()
def portfolio(
    as_of: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD")] = None,
    known_at: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD or instant")] = None,
    manager: Annotated[str | None, typer.Option(help="Only this manager's.")] = None,
    data: Data = None,
) -> None:
    """Portfolios at the end of a date, as known at a time."""
    settings = _settings(data=data)
    with _database(settings) as conninfo, _service(conninfo, settings) as service:
        show_portfolios(service, *_point(as_of, known_at), manager)


@audit.command()
def journal(
    format_: Annotated[Format, typer.Option("--format", help="Which program reads it.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file; without it, standard output.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD")] = None,
    known_at: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD or instant")] = None,
    manager: Annotated[str | None, typer.Option(help="Only this manager's.")] = None,
    data: Data = None,
) -> None:
    """The ledger as a journal of hledger or beancount, which add it up by themselves."""
    settings = _settings(data=data)
    day, knowledge = _point(as_of, known_at)
    with (
        _database(settings) as conninfo,
        _service(conninfo, settings) as service,
        progress("Postings") as told,
    ):
        write_journal(service, format_, output, day, knowledge, manager, told)


@app.command()
def forget(
    person: Annotated[str, typer.Argument(help="The id of a manager, or of an account.")],
    data: Data = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a person's name, e-mail and sign-in, and close their accounts. The log keeps that this
    was done, and every figure stays.
    """
    with _database(_settings(data=data)) as conninfo, _service(conninfo, _settings()) as service:
        if not yes:
            asked = f"Erase who {person} is, for ever, and close every account of theirs?"
            typer.confirm(asked, abort=True)
        try:
            position = Accounts(service).forget(person)
        except NotAllowedNow as refusal:
            if refusal.obstacle is not Obstacle.ALREADY_FORGOTTEN:
                raise
            OUT.print(explain(refusal, _language())[1])
        else:
            OUT.print(f"{person} is an id and nothing else; position {position} of the log.")


@app.command(name="rebuild")
def rebuild_(
    data: Data = None,
    *,
    afresh: Annotated[
        bool, typer.Option("--afresh", help="Do not go on with what was interrupted.")
    ] = False,
) -> None:
    """Make the ledger anew from the log, beside the live one, then switch."""
    _end_by_sigterm()
    with _database(_settings(data=data)) as conninfo:
        with progress("Events") as told:
            position = rebuild(conninfo, told, told.phase, afresh=afresh)
        OUT.print(f"The ledger follows the log up to position {position}.")


@app.command(name="verify")
def verify_(data: Data = None) -> None:
    """Compare the live ledger with the log, row by row; change nothing."""
    _end_by_sigterm()
    with _database(_settings(data=data)) as conninfo, progress("Events") as told:
        result = verify(conninfo, told, told.phase)
    for difference in result.differences:
        row = " ".join(map(str, difference.row))
        OUT.print(f"[red]{difference.position}[/]: {difference.what} {row}", highlight=False)
    if result.count:
        _fail(f"{result.count} differences up to position {result.position}")
    OUT.print(f"The ledger is what the log says, up to position {result.position}.")


@app.command()
def doctor(data: Data = None) -> None:
    """What database this is, what is wrong with it, and how to mend that."""
    settings = _settings(data=data)
    with _database(settings, prepared=False) as conninfo:
        language = _language()
        found = [
            *examine(conninfo, language),
            *examine_standbys(settings.standbys, language),
            *examine_evidence(conninfo, settings, language),
        ]
    show_findings(found, language)
    if not all(finding.ok for finding in found):
        raise typer.Exit(1)


@audit.command(name="bundle")
def bundle(
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    manager: Annotated[str | None, typer.Option(help="Only this manager's deals.")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD")] = None,
    known_at: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD or instant")] = None,
    kept: Annotated[
        int | None, typer.Option(min=0, help="Size of a checkpoint that was kept earlier.")
    ] = None,
    data: Data = None,
) -> None:
    """Write a portfolio with all that proves it; without a manager everybody's, with the log."""
    settings = _settings(data=data)
    with _database(settings) as conninfo, _service(conninfo, settings) as service:
        day, knowledge = _point(as_of, known_at)
        with service.asking() as cursor:
            point = point_at(cursor, service.clock, day, knowledge)
            people = service.directory.at(cursor, point.position).people
            if manager is not None and manager not in people.managers:
                raise NotFound("manager", manager)
            who = None if manager is None else ManagerId(manager)
            lines = bundle_lines(service, cursor, point, knowledge, who, kept)
            with output.open("wb") as file:
                file.writelines(lines)


@audit.command(name="verify")
def verify_bundle(
    file: Annotated[Path, typer.Argument(help="A bundle.", exists=True, dir_okay=False)],
    key: Annotated[str | None, typer.Option(help="The log's public key, or a file.")] = None,
    kept: Annotated[
        Path | None, typer.Option(help="A checkpoint that was kept earlier.", exists=True)
    ] = None,
    language: Annotated[str | None, typer.Option(metavar="ru|en")] = None,
) -> None:
    """Check a bundle, without a database: what `python audit_verifier.py` does."""
    try:
        words, holds = check_file(file, key, kept, language or _language())
    except (OSError, EOFError, UnicodeDecodeError) as error:
        _fail(f"{file}: {error}")
    OUT.print(words, markup=False, highlight=False, soft_wrap=True)
    if not holds:
        raise typer.Exit(1)


@audit.command(name="rotate-key")
def rotate_key(
    data: Data = None,
    *,
    lost: Annotated[
        bool, typer.Option("--lost", help="The old key is gone: nobody vouches for the new one.")
    ] = False,
) -> None:
    """Make a new signing key, which the old one vouches for; the old one is kept beside it."""
    settings = _settings(data=data)
    file = settings.signing_key_file
    if file is None:
        _fail("There is no signing key: set DEALFOLIO_SIGNING_KEY_FILE.")
    with _database(settings) as conninfo, _service(conninfo, settings) as service:
        service.proving.catch_up()
        with service.asking() as cursor:
            vkey = rotate(cursor, file, settings.log_host, lost=lost)
    OUT.print(f"The key is now\n{vkey}", highlight=False, soft_wrap=True)


@app.command(
    context_settings={
        "ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": [],
    }
)  # fmt: skip
def bench(context: typer.Context) -> None:
    """Measure the speeds that are promised; in a checkout, with what tests need."""
    try:
        run = import_module("tests.benchmarks.run")
    except ImportError as error:
        _fail(f"The benchmarks are in a checkout, with what its tests need ({error}).")
    run.main(context.args)


def main() -> None:
    """Run a command; what goes wrong is said in a sentence."""
    try:
        app()
    except (embedded.EmbeddedPostgresError, NotEmpty, UnsafeHost) as error:
        _fail(error.russian if _language() == "ru" else str(error))
    except Refusal as refusal:
        _fail(" — ".join(explain(refusal, _language())))
    except (SchemaError, Busy, Failed, Forked) as error:
        _fail(str(error))
    except CannotSign as error:
        _fail(f"{error}: {error.mend}")
    except (psycopg.OperationalError, Unavailable) as error:
        _fail(f"The database does not answer; check DATABASE_URL, and that it runs: {error}")


def _end_by_sigterm() -> None:
    """As by Ctrl-C: in order, with everything that was started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _fail(message: str) -> NoReturn:
    ERRORS.print(message, style="red", highlight=False, soft_wrap=True)
    sys.exit(1)


def _parsed(what: TypeAdapter[T], text: str) -> T:
    try:
        return what.validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(f"{text}: {error.errors()[0]['msg']}") from error


def _point(as_of: str | None, known_at: str | None) -> tuple[date | None, Knowledge]:
    day = None if as_of is None else _parsed(TypeAdapter(Day), as_of)
    return day, Knowledge(None if known_at is None else _parsed(TypeAdapter(KnownAt), known_at))


def _settings(**given: Any) -> Settings:  # noqa: ANN401 - each as Settings types it
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
        return settings.model_copy(update={"signing_key_file": _signing_key_file(settings)})
    except SettingsError as error:
        _fail(str(error))
    except ValidationError as error:
        _fail("\n".join(f"{variable(one['loc'])}: {one['msg']}" for one in error.errors()))


def _signing_key_file(settings: Settings) -> Path | None:
    """Beside an embedded database, and not in it; with another one, only where it is set."""
    if settings.signing_key_file is not None or settings.database_url is not None:
        return settings.signing_key_file
    data = settings.data or embedded.default_data_directory()
    return data.with_name(f"{data.name}.signing.key")


def _language() -> Language:
    """Of this terminal: DEALFOLIO_LANGUAGE, else the locale's."""
    wanted = os.environ.get("DEALFOLIO_LANGUAGE") or os.environ.get("LC_ALL") or ""
    return "ru" if (wanted or os.environ.get("LANG", "")).startswith("ru") else "en"


@contextmanager
def _own_database(settings: Settings) -> Iterator[str]:
    """A migrated database to serve: the one of DATABASE_URL, or an embedded one of our own."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if settings.database_url is not None:
        prepare(settings.database_url, settings)
        yield settings.database_url
        return
    data = settings.data or embedded.default_data_directory()
    with embedded.postgres(data) as conninfo:
        prepare(conninfo, settings)
        yield conninfo


@contextmanager
def _database(settings: Settings, *, prepared: bool = True) -> Iterator[str]:
    """The database to work on: also the embedded one of a service that is running."""
    data = settings.data or embedded.default_data_directory()
    conninfo = settings.database_url or embedded.running(data)
    if conninfo is None:
        with embedded.postgres(data) as started:
            prepare(started, settings)
            yield started
        return
    if prepared:
        prepare(conninfo, settings)
    yield conninfo


@contextmanager
def _service(conninfo: str, settings: Settings) -> Iterator[Service]:
    service = Service(conninfo, settings)
    try:
        yield service
    finally:
        service.close()


def _make_first_account(service: Service) -> None:
    """On an empty database: an administrator, whose token is said once."""
    given = service.settings.bootstrap_token
    token = given or new_token()
    if Accounts(service).create_first(token) is not None and given is None:
        OUT.print(f"First account: admin. Its token, shown only now: [bold]{token}[/]")


def _demo_accounts(service: Service) -> dict[Role, str]:
    """Somebody in every role; the director has the bootstrap token, where there is one."""
    accounts = Accounts(service)
    tokens = {role: new_token() for role in Role}
    tokens[Role.DIRECTOR] = service.settings.bootstrap_token or tokens[Role.DIRECTOR]
    for role, token in tokens.items():
        accounts.renew(f"demo {role}", grant_in_the_demo(service, role), token)
    return tokens


def _serve(conninfo: str, settings: Settings) -> None:
    OUT.print(f"Serving on http://{settings.host}:{settings.port} — Ctrl-C ends it.")
    os.environ |= {"DATABASE_URL": conninfo, "DEALFOLIO_HOST": settings.host}  # for the workers
    os.environ["DEALFOLIO_DEMO"] = str(settings.demo)
    if settings.signing_key_file is not None:
        os.environ["DEALFOLIO_SIGNING_KEY_FILE"] = str(settings.signing_key_file)
    alone = settings.workers == 1
    uvicorn.run(
        create_app(Service(conninfo, settings)) if alone else "api.app:create_app",
        factory=not alone,
        workers=settings.workers,
        timeout_worker_healthcheck=WORKERS_START_SECONDS,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        **server_options(settings),
    )


if __name__ == "__main__":
    main()
