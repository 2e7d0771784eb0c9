"""The command line: serve, the demo company, import, and what operators and auditors ask for."""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, TypeVar

import psycopg
import typer
import uvicorn

from api.accounts import Accounts, new_token
from api.audit import command_line as audit_commands
from api.demo.loading import NotEmpty, grant_in_the_demo, load_demo
from api.http.serving import CannotListen, UnsafeHost, require_free, require_safe, server_options
from api.imports.importing import import_files
from api.operating import embedded
from api.operating.doctor import examine, examine_standbys
from api.operating.doctor_evidence import examine_evidence
from api.operating.schema import SchemaError
from api.operating.shown import (
    OUT,
    progress,
    show_findings,
    show_import,
    show_portfolios,
    show_the_way,
)
from api.operating.terminal import (
    Data,
    database,
    fail,
    known_manager,
    language_here,
    own_database,
    point_of,
    service_on,
    settings_of,
)
from api.problems import explain
from api.service import Service
from api.settings import Settings
from application.orders import Unavailable
from domain.access import Grant
from domain.errors import NotAllowedNow, Obstacle, Refusal
from domain.values import Role
from projections.evidence.checkpoints import Forked
from projections.evidence.keys import CannotSign
from projections.point import BEYOND
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
app.add_typer(audit_commands.app, name="audit")
WORKERS_START_SECONDS = 60
"""Within which a worker must answer: with uvicorn's own 5, a busy machine starts them for ever."""
Host = Annotated[str | None, typer.Option(help="Address to listen on [DEALFOLIO_HOST].")]
Port = Annotated[int | None, typer.Option(help="Port to listen on [DEALFOLIO_PORT].")]
Workers = Annotated[int | None, typer.Option(help="Server processes [DEALFOLIO_WORKERS].")]


@app.command()
def serve(host: Host = None, port: Port = None, data: Data = None, workers: Workers = None) -> None:
    """Serve the API."""
    settings = settings_of(host=host, port=port, data=data, workers=workers)
    require_safe(settings)
    require_free(settings)
    with own_database(settings) as conninfo:
        with service_on(conninfo, settings) as service:
            _make_first_account(service)
        _serve(conninfo, settings)


@app.command()
def demo(host: Host = None, port: Port = None, data: Data = None, workers: Workers = None) -> None:
    """Load the demo company, once, and serve it."""
    settings = settings_of(host=host, port=port, data=data, workers=workers, demo=True)
    require_safe(settings)
    require_free(settings)
    with own_database(settings) as conninfo:
        with service_on(conninfo, settings) as service:
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
    settings = settings_of(data=data)
    with (
        database(settings, new=True) as conninfo,
        service_on(conninfo, settings) as service,
        progress("Rows") as told,
    ):
        report = import_files(
            service,
            files,
            mapping=mapping,
            dry_run=dry_run,
            language=language_here(),
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
    settings = settings_of(data=data)
    with database(settings) as conninfo, service_on(conninfo, settings) as service:
        with service.asking() as cursor:
            who = known_manager(service, cursor, manager, BEYOND)
        show_portfolios(service, *point_of(as_of, known_at), who)


@app.command()
def admin(
    name: Annotated[str, typer.Argument(help="What the account is called.")] = "admin",
    data: Data = None,
) -> None:
    """Make one more administrator, and show its token: for when nobody has one any more."""
    settings = settings_of(data=data)
    with database(settings) as conninfo, service_on(conninfo, settings) as service:
        account, token = Accounts(service).create(None, name, Grant(Role.ADMIN))
    OUT.print(f"Administrator {account.account_id}. Its token, shown only now: [bold]{token}[/]")


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
    settings = settings_of(data=data)
    with database(settings) as conninfo, service_on(conninfo, settings) as service:
        if not yes:
            if sys.stdin is None:
                fail("Nobody is there to be asked. With --yes nothing is asked.")
            asked = f"Erase who {person} is, for ever, and close every account of theirs?"
            typer.confirm(asked, abort=True)
        try:
            position = Accounts(service).forget(person)
        except NotAllowedNow as refusal:
            if refusal.obstacle is not Obstacle.ALREADY_FORGOTTEN:
                raise
            OUT.print(explain(refusal, language_here())[1])
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
    with database(settings_of(data=data)) as conninfo:
        with progress("Events") as told:
            position = rebuild(conninfo, told, told.phase, afresh=afresh)
        OUT.print(f"The ledger follows the log up to position {position}.")


@app.command(name="verify")
def verify_(data: Data = None) -> None:
    """Compare the live ledger with the log, row by row; change nothing."""
    _end_by_sigterm()
    with database(settings_of(data=data)) as conninfo, progress("Events") as told:
        result = verify(conninfo, told, told.phase)
    for difference in result.differences:
        row = " ".join(map(str, difference.row))
        OUT.print(f"[red]{difference.position}[/]: {difference.what} {row}", highlight=False)
    if result.count:
        fail(f"{result.count} differences up to position {result.position}")
    OUT.print(f"The ledger is what the log says, up to position {result.position}.")


@app.command()
def doctor(data: Data = None) -> None:
    """What database this is, what is wrong with it, and how to mend that."""
    settings = settings_of(data=data)
    with database(settings, prepared=False) as conninfo:
        language = language_here()
        found = [
            *examine(conninfo, language),
            *examine_standbys(settings.standbys, language),
            *examine_evidence(conninfo, settings, language),
        ]
    show_findings(found, language)
    if not all(finding.ok for finding in found):
        raise typer.Exit(1)


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
        fail(f"The benchmarks are in a checkout, with what its tests need ({error}).")
    run.main(context.args)


def main() -> None:
    """Run a command; what goes wrong is said in a sentence."""
    try:
        app()
    except (embedded.EmbeddedPostgresError, NotEmpty, UnsafeHost, CannotListen) as error:
        fail(error.russian if language_here() == "ru" else str(error))
    except Refusal as refusal:
        fail(" — ".join(explain(refusal, language_here())))
    except (SchemaError, Busy, Failed, Forked) as error:
        fail(str(error))
    except psycopg.errors.InsufficientPrivilege as error:
        fail(f"The account of DATABASE_URL may not do that; see `Roles` in the README: {error}")
    except CannotSign as error:
        fail(f"{error}: {error.mend}")
    except (psycopg.OperationalError, Unavailable) as error:
        if isinstance(error.__cause__ or error, psycopg.errors.LockNotAvailable):
            fail("Nothing was recorded: somebody else is writing, perhaps an import. Run it again.")
        fail(f"The database does not answer; check DATABASE_URL, and that it runs: {error}")
    except OSError as error:  # a disk that is full, a place where nobody may write
        fail(str(error))


def _end_by_sigterm() -> None:
    """As by Ctrl-C: in order, with everything that was started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


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
    OUT.print(f"Serving on {settings.address} — Ctrl-C ends it.")
    os.environ |= {"DATABASE_URL": conninfo, "DEALFOLIO_HOST": settings.host}  # for the workers
    os.environ["DEALFOLIO_DEMO"] = str(settings.demo)
    if settings.signing_key_file is not None:
        os.environ["DEALFOLIO_SIGNING_KEY_FILE"] = str(settings.signing_key_file)
    alone = settings.workers == 1
    create_app = import_module("api.app").create_app  # half of what there is to load
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
