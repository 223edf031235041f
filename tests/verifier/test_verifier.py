"""I10: a token is accepted when everything holds, and refused when any one thing does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sealring import errors, jwt
from sealring.errors import TokenError
from sealring.revocation.entry import Entry
from sealring.revocation.feed import FeedPage
from sealring.verifier.principal import Principal
from sealring.verifier.source import VerifyingKeys
from sealring.verifier.verifier import AccessTokenVerifier
from tests.clocks import START, FrozenClock
from tests.nodes import follow

ISSUER = "https://auth.example.com"
TTL = 1800
LEEWAY = 5
KEY = jwt.Key.generate("ES256")
OTHER_KEY = jwt.Key.generate("ES256")


class Still:
    """A source with no revocations and one key."""

    def __init__(self, clock: FrozenClock) -> None:
        self._clock = clock
        self.longest_access_ttl = TTL

    async def load(self, after: int | None) -> FeedPage:  # noqa: ARG002 - the protocol's
        return FeedPage(
            incarnation="i",
            head=0,
            digest=0,
            complete=True,
            entries=(),
            keys_version=1,
            time_ms=self._clock.now_ms(),
            longest_access_ttl=self.longest_access_ttl,
        )

    async def wait_for_change(self) -> None:
        await asyncio.Event().wait()

    async def keys(self) -> VerifyingKeys:
        return VerifyingKeys(jwt.KeySet([KEY.public()]), 1)


class Node:
    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.source = Still(self.clock)
        self.follower = follow(self.source, self.clock)
        self.state = self.follower.node
        self.verifier = AccessTokenVerifier(self.state, issuer=ISSUER, audience="orders", leeway=LEEWAY)
        self.poll()

    def poll(self) -> None:
        asyncio.run(self.follower.poll())


@pytest.fixture
def node() -> Node:
    return Node()


def claims(**other: Any) -> dict[str, Any]:
    whole = {
        "iss": ISSUER,
        "aud": "orders",
        "sub": "42",
        "client_id": "page",
        "sid": "s" * 22,
        "jti": "j" * 22,
        "iat": START,
        "exp": START + TTL,
        "auth_time": START,
        "epoch": 2,
        "scope": "orders:read orders:write",
    } | other
    return {name: value for name, value in whole.items() if value is not None}


def signed(key: jwt.Key = KEY, typ: str = "at+jwt", **other: Any) -> str:
    return jwt.sign(claims(**other), key, typ=typ, issued_at=False, now=START)


def test_a_good_token_is_its_principal(node: Node) -> None:
    principal = node.verifier.verify(signed(roles=["admin", {"of": "orders"}]))
    assert principal.subject == "42"
    assert principal.session_id == "s" * 22
    assert principal.scopes == {"orders:read", "orders:write"}
    assert principal.epoch == 2
    assert principal.kid == KEY.kid
    assert principal.expires_at == START + TTL
    assert principal.claims["roles"] == ("admin", {"of": "orders"})


def test_a_principal_says_how_its_user_proved_who_they_are(node: Node) -> None:
    principal = node.verifier.verify(signed(amr=["pwd", "otp"], acr="mfa"))
    assert (principal.amr, principal.acr) == (("pwd", "otp"), "mfa")
    silent = node.verifier.verify(signed())
    assert (silent.amr, silent.acr) == ((), "")


def test_a_principal_cannot_be_changed_and_is_shared(node: Node) -> None:
    token = signed(roles={"of": ["orders"]})
    first = node.verifier.verify(token)
    with pytest.raises(AttributeError):
        first.subject = "root"  # type: ignore[misc]
    with pytest.raises(TypeError):
        first.claims["sub"] = "root"  # type: ignore[index]
    with pytest.raises(TypeError):
        first.claims["roles"]["of"] = ()
    assert node.verifier.verify(token) is first


REFUSALS: list[tuple[str, dict[str, Any], type[TokenError]]] = [
    (
        "another key under our kid",
        {"key": jwt.Key.from_jwk(OTHER_KEY.to_jwk(private=True) | {"kid": KEY.kid})},
        errors.BadSignature,
    ),
    ("an unknown kid", {"key": OTHER_KEY}, errors.UnknownKey),
    ("no typ of an access token", {"typ": "JWT"}, errors.WrongType),
    ("a refresh token's typ", {"typ": "refresh+jwt"}, errors.WrongType),
    ("another issuer", {"iss": ISSUER + "/"}, errors.WrongIssuer),
    ("another audience", {"aud": "billing"}, errors.WrongAudience),
    ("expired beyond the leeway", {"iat": START - TTL - LEEWAY, "exp": START - LEEWAY}, errors.Expired),
    ("not yet valid", {"nbf": START + LEEWAY + 1}, errors.NotYetValid),
    ("issued in the future", {"iat": START + LEEWAY + 1}, errors.NotYetValid),
    ("living longer than we let any live", {"exp": START + TTL + LEEWAY + 1}, errors.TokenError),
    ("a date that is no integer", {"exp": START + 1.5}, errors.BadClaim),
    ("an epoch that is a bool", {"epoch": True}, errors.BadClaim),
    ("an epoch that is text", {"epoch": "2"}, errors.BadClaim),
    ("a sid that is a number", {"sid": 7}, errors.BadClaim),
    ("a scope that is a list", {"scope": ["a"]}, errors.BadClaim),
    ("an auth_time that is text", {"auth_time": "now"}, errors.BadClaim),
    ("an amr that is text", {"amr": "pwd"}, errors.BadClaim),
    ("an amr that holds a number", {"amr": ["pwd", 1]}, errors.BadClaim),
    ("an acr that is a list", {"acr": ["sfa"]}, errors.BadClaim),
    ("an acr that is a number", {"acr": 1}, errors.BadClaim),
    ("no iss", {"iss": None}, errors.WrongIssuer),
    ("no aud", {"aud": None}, errors.WrongAudience),
    *[(f"no {name}", {name: None}, errors.MissingClaim) for name in claims() if name not in {"iss", "aud"}],
]


@pytest.mark.parametrize(("other", "error"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_i10_each_condition_alone_refuses(node: Node, other: dict[str, Any], error: type[TokenError]) -> None:
    with pytest.raises(error):
        node.verifier.verify(signed(**other))


@pytest.mark.parametrize("remembered", [False, True])
@pytest.mark.parametrize(
    ("entry", "cause"),
    [
        (Entry(1, "a", "session", "s" * 22, 0, 2**40), "session"),
        (Entry(1, "a", "subject", "42", 3, 2**40), "subject"),
        (Entry(1, "a", "key", KEY.kid, 0, 2**40), "key"),
    ],
)
def test_i10_what_is_dead_is_refused_remembered_or_not(
    node: Node, entry: Entry, cause: str, *, remembered: bool
) -> None:
    token = signed()
    if remembered:
        node.verifier.verify(token)
    node.state.apply_revocations([entry])
    with pytest.raises(errors.Revoked) as refusal:
        node.verifier.verify(token)
    assert refusal.value.cause == cause


def test_i10_an_epoch_that_is_current_lives(node: Node) -> None:
    node.state.apply_revocations([Entry(1, "a", "subject", "42", 2, 2**40)])
    assert node.verifier.verify(signed()).epoch == 2


@pytest.mark.parametrize("token", ["", "x", signed()], ids=["empty", "junk", "good"])
def test_i1_a_stale_node_accepts_nothing_and_says_that_it_is_its_own_fault(node: Node, token: str) -> None:
    node.clock.pass_seconds(5.001)
    with pytest.raises(errors.Stale):
        node.verifier.verify(token)
    node.poll()
    assert isinstance(node.verifier.verify(signed()), Principal)


def test_t4_a_token_lives_until_exp_and_the_leeway_remembered_or_not(node: Node) -> None:
    token = signed()
    node.verifier.verify(token)
    node.clock.pass_seconds(TTL + LEEWAY - 0.001)
    node.poll()
    node.verifier.verify(token)
    node.clock.pass_seconds(0.001)
    node.poll()
    with pytest.raises(errors.Expired):
        node.verifier.verify(token)


def test_k2_a_key_that_left_the_set_takes_its_remembered_tokens_along(node: Node) -> None:
    token = signed()
    node.verifier.verify(token)
    node.state.use_keys(jwt.KeySet([OTHER_KEY.public()]), 2)
    with pytest.raises(errors.UnknownKey):
        node.verifier.verify(token)


def test_n1_the_longest_accepted_life_follows_the_store(node: Node) -> None:
    longer = signed(exp=START + TTL + 600)
    with pytest.raises(TokenError):
        node.verifier.verify(longer)
    node.source.longest_access_ttl = TTL + 600
    node.poll()
    assert node.verifier.verify(longer).subject == "42"
    node.source.longest_access_ttl = TTL
    node.poll()
    with pytest.raises(TokenError):
        node.verifier.verify(longer)
