"""What can be set from outside: `DATABASE_URL` and the `DEALFOLIO_*` variables.

Secrets come by the environment or from files, never by arguments, which `ps` shows to everybody;
they are neither in the representation of these settings nor in what is said of mistakes in them.
"""

import logging
import os
import re
from base64 import b64decode
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from stat import S_IRWXG, S_IRWXO
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from api.inputs import is_email
from domain.values import CURRENCIES, Role
from projections.evidence.notes import COSIGNATURE, VerifierKey

_PLAIN_URL = re.compile(r"https?://[a-z0-9.:\[\]_-]+(/[^\s?#]*)?", re.ASCII | re.IGNORECASE)
_BEARER = re.compile(r"[!-~]+")
_LOG = logging.getLogger("dealfolio")


class Settings(BaseSettings):
    """Read from the environment; arguments given by name win."""

    model_config = SettingsConfigDict(
        env_prefix="DEALFOLIO_", frozen=True, hide_input_in_errors=True
    )

    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL", repr=False)
    """libpq's connection string; None: an embedded PostgreSQL keeps its data in `data`."""
    read_database_url: str | None = Field(default=None, repr=False)
    """Standbys of that database, which questions may be asked of: one connection string, or several
    URLs with spaces between.
    """
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
    bootstrap_token: str | None = Field(default=None, min_length=1, repr=False)
    """The token of the first account, made on an empty database."""

    docs: bool = True
    """Whether /docs and /openapi.json are there."""
    rate: float = Field(default=2_000, ge=0, allow_inf_nan=False)
    """Requests a second that one account may send to one process in the long run; 0: any number."""
    burst: int = Field(default=20_000, ge=1)
    """Requests that it may send at once."""
    connections: int = Field(default=1_000, ge=1)
    """Open connections of one process; who comes on top is told to come again."""
    request_seconds: float = Field(default=10, gt=0, le=600)
    """A request must have arrived by then, from its first byte to its last."""
    statement_seconds: int = Field(default=30, ge=1, le=3_600)
    """The longest that one question may take in the database."""
    behind_tls: bool = False
    """A proxy in front speaks TLS with everybody who comes here."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses or networks whose X-Forwarded-For and -Proto are believed."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Names by which this service is called, beside those of this machine for itself."""
    insecure_host: bool = False
    """May be reached from elsewhere in the clear."""
    demo: bool = False
    """The figures are invented, and every answer says so."""

    signing_key_file: Path | None = None
    """The private key that signs checkpoints; None: beside an embedded database, else nowhere."""
    checkpoints_to: str | None = Field(default=None, repr=False)
    """A folder or an https address that each checkpoint is brought to."""
    witnesses: Annotated[tuple[str, ...], NoDecode] = ()
    """Verifier keys (C2SP) of those whose signatures under checkpoints are kept."""

    digest_webhook: str | None = Field(default=None, repr=False)
    """An https address that each week's digest is posted to, signed by the secret."""
    digest_webhook_secret: SecretStr | None = None
    """whsec_ and 24 to 64 bytes in base64, as Standard Webhooks has it."""
    digest_smtp: str | None = Field(default=None, repr=False)
    """By which server it is mailed: smtp://user:password@host:587, or smtps://."""
    digest_to: Annotated[tuple[str, ...], NoDecode] = ()
    """E-mail addresses that it is mailed to."""
    digest_heads: bool = False
    """Each head whose account has an e-mail address is mailed the one of their team."""
    digest_from: str | None = None
    """What its letters come from; None: dealfolio at the log's host."""

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
    def standbys(self) -> tuple[str, ...]:
        """Connection strings."""
        return _standbys(self.read_database_url or "")

    @property
    def address(self) -> str:
        """Where it listens, for whoever is at this machine."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def log_host(self) -> str:
        """What the log's name begins with."""
        return (self.public_url and urlsplit(self.public_url).hostname) or "dealfolio"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as the library calls it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What stands in front wins."""
        return init_settings, env_settings, _Files(settings_cls)

    @field_validator("database_url", "data", "signing_key_file", "checkpoints_to", mode="before")
    @classmethod
    def _named(cls, given: object) -> object:
        """Of a variable that was left empty nobody knows whether another place was meant."""
        if given == "":
            raise ValueError("is empty: leave it out, or give a value")
        return given

    @field_validator("database_url")
    @classmethod
    def _readable(cls, conninfo: str | None) -> str | None:
        """Read here, because libpq repeats what it cannot read, password and all."""
        try:
            if conninfo is not None:
                conninfo_to_dict(conninfo)
        except ProgrammingError:
            raise ValueError("is no connection string of PostgreSQL") from None
        return conninfo

    @field_validator("read_database_url")
    @classmethod
    def _standbys_are_readable(cls, given: str | None) -> str | None:
        for conninfo in _standbys(given or ""):
            cls._readable(conninfo)
        return given

    @field_validator("data")
    @classmethod
    def _has_a_name(cls, data: Path | None) -> Path | None:
        """By which what lies beside it is called; `.` has the one of that directory."""
        if data is not None and not data.absolute().name:
            raise ValueError("must be a directory in another one")
        return data and data.absolute()

    @field_validator("bootstrap_token")
    @classmethod
    def _can_be_sent(cls, token: str | None) -> str | None:
        """Else the first account would be there, and nobody could come in as it."""
        if token is not None and not _BEARER.fullmatch(token):
            raise ValueError("must be ASCII without spaces, as in Authorization: Bearer …")
        return token

    @field_validator("trusted_proxies", "allowed_hosts", "digest_to", mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        """`a, b` as it stands in a variable of the environment."""
        if not isinstance(given, str):
            return given
        return tuple(one.strip() for one in given.split(",") if one.strip())

    @field_validator("trusted_proxies")
    @classmethod
    def _known_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        """Addresses, and not "*": whoever trusts everybody has nobody's address."""
        return tuple(str(ip_network(network, strict=False)) for network in networks)

    @field_validator("witnesses", mode="before")
    @classmethod
    def _spaced(cls, given: object) -> object:
        return tuple(given.split()) if isinstance(given, str) else given

    @field_validator("witnesses")
    @classmethod
    def _known_witnesses(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            if VerifierKey.parse(key).algorithm != COSIGNATURE:
                raise ValueError(f"{key} is no key for cosignatures (C2SP tlog-cosignature)")
        return keys

    @field_validator("checkpoints_to")
    @classmethod
    def _folder_or_address(cls, to: str | None) -> str | None:
        if to is not None and "://" in to and not is_private(to):
            raise ValueError("must be a folder, or https:// and a host")
        return to

    @field_validator("digest_webhook")
    @classmethod
    def _posted_in_private(cls, url: str | None) -> str | None:
        if url is not None and not is_private(url):
            raise ValueError("must be https:// and a host")
        return url

    @field_validator("digest_webhook_secret")
    @classmethod
    def _readable_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            webhook_key(secret.get_secret_value())
        return secret

    @field_validator("digest_smtp")
    @classmethod
    def _known_server(cls, url: str | None) -> str | None:
        if url is not None:
            parts = urlsplit(url)
            if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.port == 0:
                raise ValueError("must be smtp:// or smtps://, a host and, where needed, a port")
        return url

    @field_validator("digest_to")
    @classmethod
    def _known_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for one in addresses:
            if not is_email(one):
                raise ValueError(f"{one} is no e-mail address")
        return addresses

    @field_validator("digest_from")
    @classmethod
    def _fits_a_head(cls, sender: str | None) -> str | None:
        """An address, with or without a name in front."""
        if sender is not None and not ("@" in sender and sender.isprintable()):
            raise ValueError("is no e-mail address")
        return sender

    @model_validator(mode="after")
    def _digest_is_whole(self) -> "Settings":
        if self.digest_webhook and not self.digest_webhook_secret:
            raise ValueError("DEALFOLIO_DIGEST_WEBHOOK needs _DIGEST_WEBHOOK_SECRET")
        if bool(self.digest_smtp) != bool(self.digest_to or self.digest_heads):
            raise ValueError("DEALFOLIO_DIGEST_SMTP and _TO or _HEADS need each other")
        return self

    @field_validator("public_url", "oidc_issuer")
    @classmethod
    def _in_private(cls, url: str | None) -> str | None:
        """In the clear only on this machine: there nobody else listens."""
        if url is not None and not (_PLAIN_URL.fullmatch(url) and is_private(url)):
            raise ValueError(f"{url} must be https:// and a host in ASCII, without ? and #")
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
        try:
            return ZoneInfo(name).key
        except (KeyError, OSError, ValueError):  # unknown, a folder of zones, a path
            raise ValueError(f"{name} is no time zone, as Europe/Moscow is") from None

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, code: str) -> str:
        if code not in CURRENCIES:
            raise ValueError(f"{code} is no ISO 4217 currency")
        return code


class _Files(PydanticBaseSettingsSource):
    """A secret may lie in a file, which the variable of its name with _FILE behind it names."""

    secrets = (
        "DATABASE_URL", "read_database_url", "bootstrap_token", "oidc_client_secret",
        "digest_webhook_secret", "digest_smtp",
    )  # fmt: skip

    def get_field_value(self, _field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        named = os.environ.get(f"{variable([field_name])}_FILE")
        return (None if named is None else _secret(Path(named))), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(FieldInfo(), name)[0] for name in self.secrets}
        return {name: secret for name, secret in found.items() if secret is not None}


def _secret(path: Path) -> str:
    """What is in the file, without the line break at its end."""
    try:
        if path.stat().st_mode & (S_IRWXG | S_IRWXO):
            _LOG.warning("%s can be read by others: chmod 600 it", path)
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"cannot read the secret: {error}") from None


def _standbys(given: str) -> tuple[str, ...]:
    """One connection string, or several URLs with spaces between."""
    return tuple(given.split() if "://" in given else [given] if given.strip() else [])


def webhook_key(secret: str) -> bytes:
    """By which webhooks are signed (Standard Webhooks, "Signature scheme"). Raises ValueError."""
    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValueError("must be whsec_ and 24 to 64 bytes in base64")
    return key


def variable(field: Sequence[object]) -> str:
    """The name by which a setting is set."""
    name = str(field[0]) if field else ""
    return name if name.isupper() else f"DEALFOLIO_{name.upper()}"


def is_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent to `url`."""
    parts = urlsplit(url)
    here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    secure = parts.scheme == "https" or (parts.scheme == "http" and here)
    return secure and bool(parts.hostname)
