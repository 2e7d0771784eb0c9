"""What the collector walks, and when: nobody waits long for it, and nothing is kept for ever."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.http.garbage import YOUNG, collect_young

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    thresholds, callbacks = gc.get_threshold(), [*gc.callbacks]
    collect_young()
    yield
    gc.callbacks[:] = callbacks
    gc.set_threshold(*thresholds)
    gc.unfreeze()


class _Knot:
    """In a cycle with itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_has_outlived_its_youth_is_not_walked_again() -> None:
    kept = [[number] for number in range(20 * YOUNG)]
    walked = [one for age in range(3) for one in gc.get_objects(generation=age)]
    assert len(kept) == 20 * YOUNG
    assert len(walked) < 2 * YOUNG


def test_a_cycle_that_dies_young_goes_soon() -> None:
    gone = weakref.ref(_Knot())
    kept = [[number] for number in range(2 * YOUNG)]
    assert gone() is None
    assert kept


SET_ASIDE = """
import gc, weakref
from api.http.garbage import collect_all, collect_young

class Knot:
    def __init__(self):
        self.itself = self

collect_young()
knot = Knot()
gc.collect(0)
gone = weakref.ref(knot)
del knot
gc.collect(1)
print(gone() is None)
collect_all()
print(gone() is None)
"""


def test_a_cycle_that_was_set_aside_goes_when_all_are_looked_at() -> None:
    """In a process of its own: here, all are too many."""
    done = subprocess.run(
        [sys.executable, "-c", SET_ASIDE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
