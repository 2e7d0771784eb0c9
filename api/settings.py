"""What can be set from outside: `DATABASE_URL` and the `DEALFOLIO_*` variables."""

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.values import CURRENCIES


class Settings(BaseSettings):
    """Read from the environment; arguments given by name win."""

    model_config = SettingsConfigDict(env_prefix="DEALFOLIO_", frozen=True)

    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL")
    """libpq's connection string; None: an embedded PostgreSQL keeps its data in `data`."""
    data: Path | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    timezone: str = "Europe/Moscow"
    """Business dates are this zone's."""
    currency: str = "RUB"
    """The currency that is meant when a question names none."""
    language: Literal["ru", "en"] = "ru"
    """For whoever does not say with Accept-Language."""
    bootstrap_token: str | None = None
    """The token of the first account, made on an empty database."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        return ZoneInfo(name).key

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, code: str) -> str:
        if code not in CURRENCIES:
            raise ValueError(f"{code} is no ISO 4217 currency")
        return code
