"""What can be set from outside: `DATABASE_URL` and the `DEALFOLIO_*` variables."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.values import CURRENCIES, Role


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

    public_url: str | None = None
    """Where browsers find this service, https://host; None: where each request says it was sent."""
    session_hours: int = Field(default=12, ge=1, le=24 * 30)
    """The longest that somebody stays signed in."""
    session_idle_minutes: int = Field(default=60, ge=5, le=24 * 60)
    """And the longest without asking anything."""
    oidc_issuer: str | None = None
    """Who vouches for people by OpenID Connect; None: nobody."""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr | None = None
    oidc_link_by_email: bool = False
    """Whoever comes from the issuer for the first time gets the account with their e-mail."""
    oidc_roles_claim: str = "groups"
    oidc_roles: dict[str, Role] = {}
    """Which value of that claim makes somebody what who has no account yet; the first that fits."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @field_validator("public_url", "oidc_issuer")
    @classmethod
    def _in_private(cls, url: str | None) -> str | None:
        """In the clear only on this machine: there nobody else listens."""
        if url is not None and (not is_private(url) or "?" in url or "#" in url):
            raise ValueError(f"{url} must begin with https://, and have neither ? nor #")
        return url

    @field_validator("public_url")
    @classmethod
    def _host_alone(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).path not in {"", "/"}:
            raise ValueError(f"{url} must end with the host")
        return url and url.rstrip("/")

    @model_validator(mode="after")
    def _issuer_is_whole(self) -> "Settings":
        if self.oidc_issuer and not (self.oidc_client_id and self.public_url):
            raise ValueError("DEALFOLIO_OIDC_ISSUER needs _OIDC_CLIENT_ID and _PUBLIC_URL")
        return self

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


def is_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent to `url`."""
    parts = urlsplit(url)
    here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    secure = parts.scheme == "https" or (parts.scheme == "http" and here)
    return secure and bool(parts.hostname)
