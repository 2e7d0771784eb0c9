"""What is told of portfolios: the shapes, and how they are written, ready to send."""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field
from pydantic_core import to_json

from api.answers import Asked, CheckOut, Figure, Out, Uuid, Values, asked
from domain.values import ManagerId, decimal_text, value_text
from projections.ledger import Standing, total
from projections.point import Point
from projections.portfolio import About, Figures, Line, ShowDeal, State, is_shown, summed


class ManagerLine(Values):
    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    progress: Figure = Field(examples=["5.00"])
    actions: int = Field(examples=[1])
    deals: int = Field(examples=[1])


class TotalLine(Values):
    progress: Figure = Field(examples=["5.00"])
    actions: int = Field(examples=[1])
    deals: int = Field(examples=[1])


class CurrencyPortfolios(Out):
    currency: str = Field(examples=["RUB"])
    managers: list[ManagerLine]
    total: TotalLine


class PortfoliosAnswer(Asked):
    currencies: list[CurrencyPortfolios]


class PortfolioDeal(Values):
    """`credit` is the manager's, `deal_progress` everybody's, in percent."""

    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str = Field(examples=["Холодильные витрины для сети «Ромашка»"])
    client: str = Field(examples=["Ромашка"])
    status: str = Field(examples=["open"])
    potential_check: CheckOut
    deal_progress: Figure = Field(examples=["7.00"])
    credit: Figure = Field(examples=["5.00"])


class CurrencyPortfolio(Values):
    currency: str = Field(examples=["RUB"])
    deals: list[PortfolioDeal]


class ManagerPortfolioAnswer(Asked):
    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    progress: Figure = Field(examples=["5.00"])
    actions: int = Field(examples=[1])
    currencies: list[CurrencyPortfolio]


def portfolio_deal(about: About) -> ShowDeal[bytes]:
    """What `PortfolioDeal` says of it, ready to send; nothing where the manager has nothing in it
    beside the memory of an action.
    """
    deal_id, title, client, currency = about
    title, client = to_json(title).decode(), to_json(client).decode()
    named = f'{{"deal_id":"{deal_id}","title":{title},"client":{client},"status":"'
    priced = f'","currency":"{currency}"}},"deal_progress":"'

    def shown(state: State, figures: Figures) -> bytes:
        if not is_shown(figures):
            return b""
        active, claimed, suspended, lost, won, credit, *_ = figures
        status, check, progress = state
        rest = _NOTHING_ELSE
        if claimed or suspended or lost or won:
            rest = (
                f'","claimed":"{value_text(claimed)}","suspended":"{value_text(suspended)}",'
                f'"lost":"{value_text(lost)}","won":"{value_text(won)}"}}'
            )
        parts = (
            named, status, '","potential_check":{"amount":"', decimal_text(check),
            priced, decimal_text(progress), '","credit":"', decimal_text(credit),
            '","active":"', value_text(active), rest,
        )  # fmt: skip
        return "".join(parts).encode()

    return shown


_NOTHING_ELSE = '","claimed":"0.00","suspended":"0.00","lost":"0.00","won":"0.00"}'


def portfolio_deals(shown: Iterable[bytes]) -> bytes:
    """What is said of several."""
    return b",".join(filter(None, shown))


def portfolio_figures(lines: Sequence[Line[bytes]], company: str) -> bytes:
    """The rest of a `ManagerPortfolioAnswer`, behind what it says of who and when.

    `company` is the currency that is there in any case, and first.
    """
    currencies, totals = [], []
    for currency in [company, *sorted({line.currency for line in lines} - {company})]:
        own = [line for line in lines if line.currency == currency]
        totals.append(summed(own))
        deals = portfolio_deals([line.shown for line in own])
        if deals or currency == company:
            active, claimed, suspended, lost, won, *_ = map(value_text, totals[-1][:5])
            head = (
                f'{{"currency":"{currency}","active":"{active}","claimed":"{claimed}",'
                f'"suspended":"{suspended}","lost":"{lost}","won":"{won}","deals":['
            )
            currencies.append(b"".join((head.encode(), deals, b"]}")))
    progress, actions = (sum(one[place] for one in totals) for place in (6, 7))
    head = f',"progress":"{decimal_text(progress)}","actions":{actions},"currencies":['
    return b"".join((head.encode(), b",".join(currencies), b"]}"))


def currency_portfolios(
    currency: str, managers: Mapping[ManagerId, Standing], called: Mapping[ManagerId, str] | None
) -> bytes:
    """What `CurrencyPortfolios` says of them in their order, ready to send; by their ids alone when
    what they are called is None.
    """
    lines = []
    for who, held in managers.items():
        named = "" if called is None else f'"name":{_json(called.get(who))},'
        lines.append(_line_of(held, f'"manager_id":{_json(who)},{named}'))
    whole = _line_of(total(managers.values()), "")
    return f'{{"currency":"{currency}","managers":[{",".join(lines)}],"total":{whole}}}'.encode()


def _json(text: str | None) -> str:
    return to_json(text).decode()


def _line_of(held: Standing, who: str) -> str:
    """A `ManagerLine` or, of nobody, a `TotalLine`."""
    (active, claimed, suspended, lost, won), _, progress, actions, deals = held
    return (
        f'{{"active":"{value_text(active)}","claimed":"{value_text(claimed)}",'
        f'"suspended":"{value_text(suspended)}","lost":"{value_text(lost)}",'
        f'"won":"{value_text(won)}",{who}"progress":"{decimal_text(progress)}",'
        f'"actions":{actions},"deals":{deals}}}'
    )


def portfolios_answer(point: Point, currencies: Iterable[bytes]) -> bytes:
    """A `PortfoliosAnswer`, ready to send."""
    head = to_json(asked(point))[:-1]
    return b"".join((head, b',"currencies":[', b",".join(currencies), b"]}"))
