"""An issuer of identities, by OpenID Connect: authorization code with PKCE, state and nonce.

What is checked of the ID token is OpenID Connect Core, 3.1.3.7; of algorithms and keys, RFC 8725.
That a code is used once is the issuer's part (RFC 6749, 4.1.2).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from hmac import compare_digest
from threading import Lock
from typing import Any

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import GuestProtocol, JWKRegistry, Key
from joserfc.jws import JWSRegistry

from api.problems import Problem
from api.settings import Settings, is_private
from api.sign_in.under_way import Attempt

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
"""Of an ID token: with a public key, all of them. Never by what the token alone says."""
SCOPE = "openid email profile"
LEEWAY_SECONDS = 30
"""By which the issuer's clock may differ from ours."""
FRESH_SECONDS = 600
"""An ID token was made for this sign-in."""
TIMEOUT_SECONDS = 5.0
KNOWN_FOR = timedelta(hours=1)
"""What the issuer says of itself is asked again then; a key that it took back holds no longer."""
ASKED_AGAIN = timedelta(minutes=1)
"""A key that is not known may be new; so often that is asked."""

Claims = Mapping[str, Any]


class Issuer:
    """One for a process; safe for threads, and waits for the issuer in them. `now` is in UTC."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        assert settings.oidc_issuer is not None
        assert settings.public_url is not None
        self.name = settings.oidc_issuer
        self._settings = settings
        self._callback = settings.public_url + "/auth/oidc/callback"
        self._now = now
        self._lock = Lock()
        self._tls = httpx2.create_ssl_context()  # once: it takes longer than all else of a sign-in
        self._metadata: Mapping[str, Any] = {}
        self._keys: list[Key] = []
        self._metadata_at = self._keys_at = datetime.min.replace(tzinfo=now().tzinfo)

    def address(self, attempt: Attempt) -> str:
        """Where the browser goes to sign in. Raises Problem."""
        endpoint = self._endpoint("authorization_endpoint")
        with self._client() as client:
            url, _ = client.create_authorization_url(
                endpoint, state=attempt.state, nonce=attempt.nonce, code_verifier=attempt.verifier
            )
        return str(url)

    def finish(self, attempt: Attempt, told: Mapping[str, str]) -> Claims:
        """Who came back with what the browser was `told`, verified. Raises Problem."""
        if not compare_digest(told.get("state", "").encode(), attempt.state.encode()):
            raise Problem("sign-in-broken-off")
        if told.get("iss", self.name) != self.name or "code" not in told:  # RFC 9207
            raise self._doubt()
        token = self._redeemed(told["code"], attempt.verifier)
        return self._verified(token, attempt.nonce)

    def _redeemed(self, code: str, verifier: str) -> Mapping[str, Any]:
        endpoint = self._endpoint("token_endpoint")
        with self._answering(), self._client() as client:
            token: Mapping[str, Any] = client.fetch_token(
                endpoint, grant_type="authorization_code", code=code, code_verifier=verifier
            )
        return token

    def _verified(self, token: Mapping[str, Any], nonce: str) -> Claims:
        now = int(self._now().timestamp())
        options = {
            "iss": {"essential": True, "value": self.name},
            "aud": {"essential": True, "value": self._settings.oidc_client_id},
        }
        params = {
            "nonce": nonce,
            "client_id": self._settings.oidc_client_id,
            "access_token": token.get("access_token"),
        }
        try:
            found = jwt.decode(str(token["id_token"]), self._key_for, registry=_Algorithms())
            claims: dict[str, Any] = CodeIDToken(found.claims, found.header, options, params)
            claims.validate(now, LEEWAY_SECONDS)  # type: ignore[attr-defined]  # Authlib is untyped
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise self._doubt() from error
        subject = claims["sub"]
        legible = isinstance(subject, str) and 1 <= len(subject) <= 255 and subject.isprintable()
        if not legible or claims["iat"] < now - FRESH_SECONDS:
            raise self._doubt()
        return claims

    def _key_for(self, signed: GuestProtocol) -> Key:
        """By what the header names; a key of another kind than the algorithm's is refused later.

        Raises ValueError.
        """
        kid = signed.headers().get("kid")
        with self._lock:
            age = self._now() - self._keys_at
            if age >= KNOWN_FOR or (age >= ASKED_AGAIN and self._known(kid) is None):
                self._learn_keys()
            key = self._known(kid)
        if key is None:
            raise ValueError("signed with a key that the issuer does not have")
        return key

    def _known(self, kid: object) -> Key | None:
        found = [key for key in self._keys if kid is None or key.kid == kid]
        return found[0] if len(found) == 1 else None

    def _learn_keys(self) -> None:
        published = self._get(self._endpoint("jwks_uri")).get("keys")
        self._keys = list(_public_keys(published if isinstance(published, list) else []))
        self._keys_at = self._now()

    def _endpoint(self, name: str) -> str:
        """Raises Problem."""
        if self._now() - self._metadata_at >= KNOWN_FOR:
            found = self._get(self.name.rstrip("/") + "/.well-known/openid-configuration")
            if found.get("issuer") != self.name:
                raise self._doubt()
            self._metadata, self._metadata_at = found, self._now()
        url = self._metadata.get(name)
        if not isinstance(url, str) or not is_private(url):
            raise self._doubt()
        return url

    def _get(self, url: str) -> dict[str, Any]:
        with self._answering():
            response = httpx2.get(url, timeout=TIMEOUT_SECONDS, verify=self._tls).raise_for_status()
            return dict(response.json())

    def _client(self) -> Any:  # noqa: ANN401 - Authlib is untyped
        secret = self._settings.oidc_client_secret
        return OAuth2Client(
            self._settings.oidc_client_id,
            secret and secret.get_secret_value(),
            token_endpoint_auth_method=self._way_of_authentication(),
            scope=SCOPE,
            redirect_uri=self._callback,
            code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS,
            verify=self._tls,
        )

    def _way_of_authentication(self) -> str:
        """What the issuer takes; `client_secret_basic` where it says nothing (Discovery, 3)."""
        if self._settings.oidc_client_secret is None:
            return "none"
        taken = self._metadata.get("token_endpoint_auth_methods_supported")
        posts = isinstance(taken, list) and "client_secret_basic" not in taken
        return "client_secret_post" if posts else "client_secret_basic"

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Raises Problem for an issuer that is away, or says no."""
        try:
            yield
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Problem("issuer-unavailable", issuer=self.name) from error
        except (AuthlibBaseError, ValueError, TypeError) as error:
            raise self._doubt() from error

    def _doubt(self) -> Problem:
        return Problem("not-vouched-for", issuer=self.name)


class _Algorithms(JWSRegistry):
    """Exactly those of ours; headers that no standard knows say nothing to us."""

    def __init__(self) -> None:
        super().__init__(algorithms=ALGORITHMS, strict_check_header=False)

    def get_alg(self, name: str) -> Any:  # noqa: ANN401 - a class that joserfc keeps to itself
        """Without joserfc's warning that EdDSA should be called Ed25519: no issuer does yet."""
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(f"{name} is not taken")
        return self.algorithms[name]


def _public_keys(published: list[Any]) -> Iterator[Key]:
    """Those for signatures; one that cannot be read is left out, and shared secrets are."""
    for one in published:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") == "oct":
            continue
        try:
            yield JWKRegistry.import_key(one)
        except (JoseError, ValueError):
            continue
