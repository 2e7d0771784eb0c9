"""`/v1/reports/…`: each report is one question, at a day and a knowledge as every other."""

from types import ModuleType

from api.reports import activity

ROUTERS: tuple[ModuleType, ...] = (activity,)
