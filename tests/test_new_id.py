"""Ids are given out once, and cannot be guessed from others."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from api.v1.new_id import DRAWN, new_id

_FORK = """
import os
from api.v1.new_id import new_id
new_id()
if child := os.fork():
    os.waitpid(child, 0)  # before a word is said: or the two talk into each other
print(new_id(), flush=True)
"""


def test_no_id_is_given_out_twice() -> None:
    many = 50 * DRAWN
    with ThreadPoolExecutor(4) as threads:
        given = list(threads.map(lambda _: new_id(), range(many)))
    assert len(set(given)) == many
    assert {one.version for one in given} == {4}


def test_a_forked_process_gives_out_its_own() -> None:
    command = [sys.executable, "-c", _FORK]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert len(set(printed)) == 2
