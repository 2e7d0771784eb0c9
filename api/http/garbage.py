"""When Python looks for cycles among its objects, during which everybody waits.

What is recorded stays in memory: some thirty objects a command, in histories without a cycle among
them. The collector's part is to look at each once, while it is young and near. To walk them again
costs 0.6 us each, and did so for 30 ms once a second: that was the whole difference between a p99
of 35 ms and one of 7.
"""

import gc

YOUNG = 1_000
"""So many more objects than before, and the new ones are looked at: in 0.3 ms."""
SELDOM_SECONDS = 3_600.0
"""So often all are, by `collect_all`: half a second for a million objects."""


def collect_young() -> None:
    """From now on, in this process. What outlives its youth is set aside, where the collector does
    not see it; it goes as soon as nobody refers to it, like everything else. Only in a cycle, which
    a connection may leave behind, does it stay until all are looked at.

    The collector itself never gets to that: to set aside makes it count from nothing again.
    """
    gc.set_threshold(YOUNG)
    if _set_aside not in gc.callbacks:
        gc.callbacks.append(_set_aside)
    gc.freeze()


def collect_all() -> None:
    """Look at everything there is, once."""
    gc.unfreeze()
    gc.collect()


def _set_aside(phase: str, _found: dict[str, int]) -> None:
    if phase == "stop":
        gc.freeze()
