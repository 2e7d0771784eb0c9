"""A waterfall: from one total to another by causes, each row a line of a table with its bar.

The axis begins at zero, except where the changes would be too small to see: then the totals are
drawn broken, and the table says so. Coordinates are per cent of the width, and floats; the figures
and whether they balance are exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor, log10

from markupsafe import Markup, escape

from api.pages import figures
from api.words import Language

_TOP, _THICK, _HEIGHT = 11, 12, 34
_SMALL = 0.4
"""Changes over less than this part of an axis from zero get one of their own."""
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Bar:
    """A row: `amount` is decimal text, as the answer says it; `link` leads to what made it."""

    title: str
    hint: str
    amount: str
    link: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """`first` and `last` are totals, `changes` what lies between them."""

    first: Bar
    changes: Sequence[Bar]
    last: Bar
    language: Language

    @property
    def change(self) -> Decimal:
        return Decimal(self.last.amount) - Decimal(self.first.amount)

    @property
    def difference(self) -> Decimal:
        """What the changes do not explain: nothing, if it balances."""
        return self.change - sum((Decimal(bar.amount) for bar in self.changes), Decimal())

    @property
    def is_broken(self) -> bool:
        """The axis does not begin at zero."""
        return self._scale.base != 0

    @property
    def drawn(self) -> Sequence[tuple[Bar, str, Markup]]:
        """Rows with their kind, "edge" or "", and picture."""
        scale, level = self._scale, float(self.first.amount)
        rows = [(self.first, "edge", self._total(level, is_last=False))]
        for bar in self.changes:
            before, level = level, level + float(bar.amount)
            drawn = self._grid + _joined(scale.at(before), above=True)
            drawn += _bar("neg" if level < before else "pos", scale.at(before), scale.at(level))
            rows.append((bar, "", _svg(drawn + _joined(scale.at(level), above=False))))
        rows.append((self.last, "edge", self._total(float(self.last.amount), is_last=True)))
        return rows

    @property
    def axis(self) -> Markup:
        """The figures under the grid, in millions; on a phone every other one."""
        scale = self._scale
        said = (figures.on_axis(scale.text(tick), self.language) for tick in scale.ticks)
        return _svg(
            "".join(
                f'<text class="ax{" od" if number % 2 else ""}" x="{scale.at(tick):.2f}%" y="14"'
                f' text-anchor="middle">{escape(text)}</text>'
                for number, (tick, text) in enumerate(zip(scale.ticks, said, strict=True))
            )
        )

    @property
    def _scale(self) -> "_Scale":
        level = float(self.first.amount)
        levels = [level]
        for bar in self.changes:
            level += float(bar.amount)
            levels.append(level)
        return _Scale.of(levels)

    @property
    def _grid(self) -> str:
        scale = self._scale
        return "".join(
            f'<line class="vgrid" x1="{scale.at(tick):.2f}%" x2="{scale.at(tick):.2f}%" y1="0"'
            f' y2="{_HEIGHT}"/>'
            for tick in scale.ticks
        )

    def _total(self, level: float, *, is_last: bool) -> Markup:
        scale = self._scale
        drawn = self._grid
        if self.changes:
            drawn += _joined(scale.at(level), above=is_last)
        drawn += _bar("tot", scale.at(max(scale.base, 0)), scale.at(level))
        if scale.base > 0:
            drawn += '<path class="brk" d="M12 7l5 5-5 5 5 5-5 5"/>'
        return _svg(drawn)


@dataclass(frozen=True, slots=True)
class _Scale:
    base: float
    end: float
    step: float

    @classmethod
    def of(cls, levels: Sequence[float]) -> "_Scale":
        low, high = min(levels), max(levels)
        base = min(0.0, low)
        if low > 0 and high - low < _SMALL * high:
            base = max(0.0, low - 0.45 * ((high - low) or high))
        if high <= base:
            high = base + 1.0
        step = 10.0 ** floor(log10((high - base) / 4))
        step *= next(one for one in (1, 2, 2.5, 5, 10) if (high - base) / (step * one) <= 5)
        return cls(base, high, step)

    @property
    def ticks(self) -> Sequence[float]:
        """Those of the axis that are not at its beginning."""
        first = ceil((self.base + (self.end - self.base) * 0.05) / self.step)
        last = floor(self.end / self.step)
        return [number * self.step for number in range(first, last + 1)]

    def at(self, level: float) -> float:
        """With room at the right for the line that joins two bars."""
        return 99.6 * (level - self.base) / (self.end - self.base)

    def text(self, tick: float) -> str:
        places = max(0, -floor(log10(self.step / _MILLION)))
        if self.step / _MILLION * 10**places % 1:  # 2.5
            places += 1
        return f"{tick / _MILLION:.{places}f}"


def _bar(kind: str, start: float, end: float) -> str:
    x, width = min(start, end), max(abs(end - start), 0.15)
    return f'<rect class="{kind}" x="{x:.2f}%" y="{_TOP}" width="{width:.2f}%" height="{_THICK}"/>'


def _joined(x: float, *, above: bool) -> str:
    y1, y2 = (0, _TOP) if above else (_TOP + _THICK, _HEIGHT)
    return f'<line class="cn" x1="{x:.2f}%" x2="{x:.2f}%" y1="{y1}" y2="{y2}"/>'


def _svg(drawn: str) -> Markup:
    return Markup(f'<svg aria-hidden="true">{drawn}</svg>')  # noqa: S704 - numbers, our own classes
