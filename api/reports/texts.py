"""Figures as texts, as an answer has them.

From one point to the next nearly all figures of a report are the same: those of months that are
over, of whoever did nothing since. So the texts of many are remembered, some 200 bytes each.
"""

from functools import lru_cache

from domain.values import decimal_text, value_text

MOST = 50_000
"""Of either kind."""

amount_text = lru_cache(MOST)(value_text)
"""Of a value in 1/10 000 of a kopeck."""
percent_text = lru_cache(MOST)(decimal_text)
"""Of basis points."""
