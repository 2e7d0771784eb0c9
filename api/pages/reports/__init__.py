"""The reports as pages, one for each question of `/v1/reports`."""

from types import ModuleType

from api.pages.reports import concentration, digest, index, months, stalled

PAGES: tuple[ModuleType, ...] = (index, months, stalled, concentration, digest)
