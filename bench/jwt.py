"""The token layer against its floors and its peers: µs an operation, and ratios within one run.

All contenders take turns in every round, on tokens of eight claims with `iss` and `aud` checked; a ratio is
taken within its round, and the table gives the median of the rounds and the spread from p10 to p90.
"anew": a different token each time, nothing remembered. "cached": the same token each time, as a new
string, as a server gets it from the wire. Times are CPU times, since others use the machine as well. Floors are
written here, in the open.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import base64
import hmac
import json
import secrets
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from time import process_time, time
from typing import Any, NamedTuple

import jwt as pyjwt
import msgspec
from authlib.jose import JsonWebKey, JsonWebToken  # type: ignore[import-untyped]  # no stubs
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hmac import HMAC
from jose import jwk as jose_jwk  # type: ignore[import-untyped]  # no stubs
from jose import jwt as jose
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc
from pybase64 import b64decode, b64encode_as_string

from bench.report import Report, Table, add_json_option
from sealring import jwt
from sealring.jwt.algorithms import ALGORITHMS
from sealring.jwt.base64url import encode
from sealring.jwt.compact import read_claims
from sealring.jwt.policy import PolicyOptions, compile_policy
from sealring.jwt.signing import _require_writable

ISSUER, AUDIENCE = "https://auth.example.com", "orders-api"
POLICY: PolicyOptions = {"issuer": ISSUER, "audience": AUDIENCE}
NOW = 1_800_000_000
TOKENS = 200
FOLDER = Path(__file__).parent
PEERS = FOLDER / ".peers"
NODE_PEERS = ("fast-jwt@6.3.6", "jsonwebtoken@9.0.3")

Run = Callable[[list[Any]], None]


class Contender(NamedTuple):
    """One row: how to run a batch, on which inputs, and against which target its ratio to the floor stands."""

    name: str
    measure: Callable[[list[Any]], float]
    inputs: list[Any]
    target: float | None = None


def make_key(alg: str) -> jwt.Key:
    """A secret is text, so that Node's peers can be given it as text too."""
    if ALGORITHMS[alg].is_symmetric:
        return jwt.Key.from_secret(secrets.token_urlsafe(48), alg, kid="k")
    return jwt.Key.generate(alg)


def secret_of(key: jwt.Key) -> bytes:
    return base64.urlsafe_b64decode(key.to_jwk(private=True)["k"] + "==")


def claims_of(number: int) -> dict[str, Any]:
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "user-1234567",
        "exp": NOW + 10_000_000,
        "iat": NOW - 200_000_000,
        "jti": f"abcdefghijklmnop{number:04}",
        "sid": "AAAAAAAAAAAAAAAAAAAAAA",
        "scope": "orders:read profile",
    }


def timed(operation: Callable[[Any], Any]) -> Callable[[list[Any]], float]:
    """Return what measures `operation` over a batch, in µs each."""

    def measure(inputs: list[Any]) -> float:
        fresh = [value.encode().decode() if isinstance(value, str) else value for value in inputs]  # no hash known yet
        began = process_time()
        for value in fresh:
            operation(value)
        return (process_time() - began) / len(fresh) * 1e6

    return measure


# floors ------------------------------------------------------------------------------------------


def hs256_floor(secret: bytes, header: str) -> Callable[[str], Any]:
    """The tightest path composed of these libraries: one HMAC, one base64 decode, one JSON parse, four comparisons."""
    keyed = HMAC(secret, hashes.SHA256())
    headers = {header: True}
    parse = msgspec.json.Decoder().decode
    pad = ("", "", "==", "=")

    def verify(token: str) -> Any:
        signing_input, _, signature = token.rpartition(".")
        head, _, payload = signing_input.partition(".")
        if head not in headers:
            raise ValueError
        mac = keyed.copy()
        mac.update(signing_input.encode())
        if not hmac.compare_digest(b64encode_as_string(mac.finalize(), b"-_"), signature + "="):
            raise ValueError
        claims = parse(b64decode(payload + pad[len(payload) & 3], b"-_", True))  # noqa: FBT003  # by name it is slower
        if claims["exp"] <= NOW or claims["iss"] != ISSUER or claims["aud"] != AUDIENCE:
            raise ValueError
        return claims

    return verify


def bare_verify(key: jwt.Key, token: str) -> Callable[[Any], None]:
    """The library's call alone, everything prepared."""
    signing_input, _, text = token.rpartition(".")
    data, signature = signing_input.encode(), base64.urlsafe_b64decode(text + "==")
    public: Any = serialization.load_pem_public_key(key.to_pem())
    match key.alg:
        case "ES256":
            pair = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
            scheme = ec.ECDSA(hashes.SHA256())
            return lambda _: public.verify(pair, data, scheme)
        case "RS256":
            pkcs1, sha256 = padding.PKCS1v15(), hashes.SHA256()
            return lambda _: public.verify(signature, data, pkcs1, sha256)
    return lambda _: public.verify(signature, data)


def sign_floor(secret: bytes, header: str) -> Callable[[Any], str]:
    """As for verification: one HMAC of a keyed context, one JSON text, two base64 texts."""
    keyed, write = HMAC(secret, hashes.SHA256()), msgspec.json.Encoder().encode

    def sign(claims: dict[str, Any]) -> str:
        signing_input = f"{header}.{b64encode_as_string(write(claims), b'-_').rstrip('=')}"
        mac = keyed.copy()
        mac.update(signing_input.encode())
        return f"{signing_input}.{b64encode_as_string(mac.finalize(), b'-_')[:-1]}"

    return sign


# peers -------------------------------------------------------------------------------------------


def python_peers(key: jwt.Key) -> Iterator[tuple[str, Callable[[str], Any]]]:
    """Each as its documentation shows for speed: key objects, parsed once."""
    alg = "EdDSA" if key.alg == "Ed25519" else key.alg
    symmetric = key.is_symmetric
    secret = secret_of(key) if symmetric else b""
    pyjwt_key: Any = secret if symmetric else serialization.load_pem_public_key(key.to_pem())
    yield "PyJWT", lambda token: pyjwt.decode(token, pyjwt_key, algorithms=[alg], issuer=ISSUER, audience=AUDIENCE)

    plain: dict[str, str | list[str]] = {
        name: value
        for name, value in key.to_jwk(private=symmetric).items()
        if name in ("kty", "crv", "x", "y", "n", "e", "k")
    }
    joserfc_key = joserfc_jwk.import_key(plain)
    registry = joserfc.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}
    )

    def with_joserfc(token: str) -> Any:
        decoded = joserfc.decode(token, joserfc_key, algorithms=[alg])
        registry.validate(decoded.claims)

    yield "joserfc", with_joserfc

    authlib_key = JsonWebKey.import_key(plain)
    authlib = JsonWebToken([alg])
    expected = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": AUDIENCE}}
    yield "Authlib", lambda token: authlib.decode(token, authlib_key, claims_options=expected).validate()
    if alg != "EdDSA":
        jose_key = jose_jwk.construct(secret if symmetric else key.to_pem().decode(), alg)
        yield (
            "python-jose",
            lambda token: jose.decode(token, jose_key, algorithms=[alg], issuer=ISSUER, audience=AUDIENCE),
        )


class NodePeers:
    """The Node process; `measure` has it run a batch and say how long that took."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _ask(self, task: dict[str, Any]) -> float:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def prepare(self, key: jwt.Key) -> None:
        if key.is_symmetric:
            self._ask({"prepare": {"alg": key.alg, "secret": secret_of(key).decode()}})
        else:
            pems = {"publicPem": key.to_pem().decode(), "privatePem": key.to_pem(private=True).decode()}
            self._ask({"prepare": {"alg": key.alg, **pems}})

    def measure(self, name: str) -> Callable[[list[Any]], float]:
        return lambda inputs: self._ask({"run": name, "inputs": inputs})


@contextmanager
def node_peers() -> Iterator[NodePeers | None]:
    """Install the Node peers into their own folder when they are not there; None without Node."""
    try:
        if not (PEERS / "node_modules" / "fast-jwt").exists():
            PEERS.mkdir(exist_ok=True)
            command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(PEERS), *NODE_PEERS]
            subprocess.run(command, check=True)
        process = subprocess.Popen(
            ["node", str(FOLDER / "jwt_peers.mjs"), str(PEERS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no Node peers: {error}")
        yield None
        return
    with process:
        yield NodePeers(process)
        process.terminate()


# tables ------------------------------------------------------------------------------------------


def compare(report: Report, name: str, title: str, contenders: list[Contender], rounds: int) -> None:
    """Run all contenders in turn, `rounds` times, and print a table; the first row is the floor."""
    for contender in contenders:  # warm up, for the sake of compilers that learn
        for _ in range(3):
            contender.measure(contender.inputs)
    times: list[list[float]] = [[] for _ in contenders]
    for turn in range(rounds):
        order = range(len(contenders)) if turn % 2 else reversed(range(len(contenders)))
        for index in order:
            times[index].append(contenders[index].measure(contenders[index].inputs))
    print(f"\n## {title}\n\n| | µs, median (p10-p90) | x first row (p10-p90) | target |\n|---|---|---|---|")
    for contender, own in zip(contenders, times, strict=True):
        ratios = [mine / floor for mine, floor in zip(own, times[0], strict=True)]
        verdict = ""
        if contender.target is not None:
            verdict = f"≤ {contender.target} {'met' if median(ratios) <= contender.target else 'MISSED'}"
        figures = f"{median(own):.3f} ({spread(own)}) | {median(ratios):.2f} ({spread(ratios)})"
        print(f"| {contender.name} | {figures} | {verdict} |")
    values = {contender.name: own for contender, own in zip(contenders, times, strict=True)}
    targets = {each.name: each.target for each in contenders if each.target is not None}
    report.add(Table.of(name, title, "µs", values, targets=targets))


def spread(values: list[float]) -> str:
    cuts = quantiles(values, n=10)
    return f"{cuts[0]:.2f}-{cuts[-1]:.2f}"


def verify_anew(report: Report, key: jwt.Key, node: NodePeers | None, rounds: int) -> None:
    checking = key if key.is_symmetric else key.public()
    tokens = [jwt.sign(claims_of(number), key) for number in range(TOKENS)]
    off = jwt.Verifier(checking, issuer=ISSUER, audience=AUDIENCE, cache_size=0)

    def first_time(inputs: list[Any]) -> float:
        verifier = jwt.Verifier(checking, issuer=ISSUER, audience=AUDIENCE)
        verifier.verify(jwt.sign(claims_of(-1), key))
        return timed(verifier.verify)(inputs)

    header = tokens[0].partition(".")[0]
    symmetric = key.is_symmetric
    secret = secret_of(key) if symmetric else b""
    floor = hs256_floor(secret, header) if symmetric else bare_verify(key, tokens[0])
    contenders = [
        Contender("floor: " + ("composed path" if symmetric else "bare verify call"), timed(floor), tokens),
        Contender("Sealring Verifier", timed(off.verify), tokens, 1.5 if symmetric else 1.15),
        Contender("Sealring Verifier, filling its cache", first_time, tokens),
        Contender(
            "Sealring verify(), one call",
            timed(lambda token: jwt.verify(token, checking, issuer=ISSUER, audience=AUDIENCE)),
            tokens,
        ),
        *(Contender(name, timed(operation), tokens) for name, operation in python_peers(key)),
    ]
    if node:
        names = ["fast-jwt"] + ["jsonwebtoken (KeyObject)", "jsonwebtoken (text)"] * (key.alg != "Ed25519")
        contenders += [Contender(name, node.measure(f"{name} {key.alg} anew"), tokens) for name in names]
    if key.alg == "Ed25519":  # peers know it as EdDSA only: the same key under that name
        old_name = jwt.Key.from_pem(key.to_pem(private=True), "EdDSA")
        old = [jwt.sign(claims_of(number), old_name) for number in range(TOKENS)]
        peers = ("PyJWT", "joserfc", "Authlib", "fast-jwt")
        contenders = [row._replace(inputs=old) if row.name in peers else row for row in contenders]
    compare(report, f"verify-{key.alg}", f"{key.alg}, a new token each time", contenders, rounds)


def verify_cached(report: Report, key: jwt.Key, node: NodePeers | None, rounds: int) -> None:
    checking = key if key.is_symmetric else key.public()
    tokens = (
        [jwt.sign(claims_of(0), key)] * (5 * TOKENS) if key.is_symmetric else [jwt.sign(claims_of(0), key)] * TOKENS
    )
    own = jwt.Verifier(checking, issuer=ISSUER, audience=AUDIENCE)
    shared = jwt.Verifier(checking, issuer=ISSUER, audience=AUDIENCE, project=lambda token: token.claims["sub"])
    memory = {tokens[0]: claims_of(0)}
    contenders = [
        Contender("floor: a dictionary", timed(memory.__getitem__), tokens),
        Contender("Sealring Verifier, a copy of the claims each", timed(own.verify), tokens),
        Contender("Sealring Verifier, projected", timed(shared.verify), tokens),
    ]
    if node and key.alg != "Ed25519":
        contenders.append(Contender("fast-jwt", node.measure(f"fast-jwt {key.alg} cached"), tokens))
    compare(report, f"cached-{key.alg}", f"{key.alg}, the same token each time", contenders, rounds)


def signing(report: Report, key: jwt.Key, node: NodePeers | None, rounds: int) -> None:
    batch = [claims_of(number) for number in range(TOKENS)]
    header = jwt.sign(batch[0], key).partition(".")[0]
    private: Any
    jose_key: Any
    if key.is_symmetric:
        secret = secret_of(key)
        signing_input = jwt.sign(batch[0], key).rpartition(".")[0].encode()
        floors = [
            Contender("floor: hmac.digest alone", timed(lambda _: hmac.digest(secret, signing_input, "sha256")), batch),
            Contender("composed path", timed(sign_floor(secret, header)), batch),
        ]
        private = jose_key = secret
        target = 1.5
    else:
        private = serialization.load_pem_private_key(key.to_pem(private=True), None)
        scheme, data = ec.ECDSA(hashes.SHA256()), jwt.sign(batch[0], key).rpartition(".")[0].encode()
        floors = [Contender("floor: bare sign call", timed(lambda _: private.sign(data, scheme)), batch)]
        jose_key = jose_jwk.construct(key.to_pem(private=True).decode(), key.alg)
        target = 1.2
    header_of, jwk = {"alg": key.alg, "kid": key.kid}, key.to_jwk(private=True)
    plain: dict[str, str | list[str]] = {
        name: value for name, value in jwk.items() if name in ("kty", "crv", "x", "y", "d", "k")
    }
    joserfc_key, authlib_key, authlib = (
        joserfc_jwk.import_key(plain),
        JsonWebKey.import_key(plain),
        JsonWebToken(key.alg),
    )
    contenders = [
        *floors,
        Contender("Sealring sign", timed(lambda claims: jwt.sign(claims, key)), batch, target),
        Contender("PyJWT", timed(lambda claims: pyjwt.encode(claims, private, key.alg)), batch),
        Contender("joserfc", timed(lambda claims: joserfc.encode(header_of, claims, joserfc_key)), batch),
        Contender("Authlib", timed(lambda claims: authlib.encode(header_of, claims, authlib_key)), batch),
        Contender("python-jose", timed(lambda claims: jose.encode(claims, jose_key, key.alg)), batch),
    ]
    if node:
        contenders += [
            Contender(name, node.measure(f"{name} {key.alg} sign"), batch)
            for name in ("fast-jwt", "jsonwebtoken (KeyObject)")
        ]
    compare(report, f"sign-{key.alg}", f"{key.alg}, signing", contenders, rounds)


def steps(report: Report, key: jwt.Key, rounds: int) -> None:
    """Where the time goes: each step alone, the least of all rounds, since what disturbs is longer than a step."""
    checking = key if key.is_symmetric else key.public()
    claims = [claims_of(number) for number in range(TOKENS)]
    tokens = [jwt.sign(each, key) for each in claims]
    payloads = [token.split(".")[1] for token in tokens]
    texts = [msgspec.json.encode(each) for each in claims]
    signed = [(token.rpartition(".")[0].encode(), token.rpartition(".")[2]) for token in tokens]
    header, check_claims = {"alg": key.alg, "kid": key.kid, "typ": "JWT"}, compile_policy(POLICY).check_claims
    signer: Any = key.sign
    decode, pad = msgspec.json.Decoder().decode, ("", "", "==", "=")
    empty = ("an empty function, which is in each of these", lambda _: None, claims)
    rows: dict[str, list[tuple[str, Callable[[Any], Any], list[Any]]]] = {
        "verify": [
            ("all of it", jwt.Verifier(checking, cache_size=0, **POLICY).verify, tokens),
            ("the signature: `Key.check`", lambda pair: checking.check(*pair), signed),
            ("base64 and JSON", lambda text: decode(b64decode(text + pad[len(text) & 3], b"-_", True)), payloads),  # noqa: FBT003  # as above
            ("the same, proved canonical and without a name twice", read_claims, payloads),
            ("check of the claims", check_claims, claims),
            ("a Token with a header of its own", lambda each: jwt.Token(each, {**header}), claims),
            ("the clock", lambda _: time(), claims),
            empty,
        ],
        "sign": [
            ("all of it", lambda each: jwt.sign(each, key), claims),
            ("check: every claim is JSON of its type", _require_writable, claims),
            ("the JSON text", msgspec.json.Encoder().encode, claims),
            ("base64 of it", encode, texts),
            ("the signature: `Key.sign`", lambda pair: signer(pair[0]), signed),
            empty,
        ],
    }
    for work, each_step in rows.items():
        least = {name: float("inf") for name, _, _ in each_step}
        for _ in range(rounds):
            for name, operation, inputs in each_step:
                least[name] = min(least[name], timed(operation)(inputs))
        print(f"\n## {key.alg}, {work}, steps\n\n| step | µs, least |\n|---|---|")
        for name, value in least.items():
            print(f"| {name} | {value:.3f} |")
        values = {name: [value] for name, value in least.items()}
        report.add(Table.of(f"steps-{work}-{key.alg}", f"{key.alg}, {work}", "µs", values))


def imports(report: Report, rounds: int) -> None:
    program = (
        "import time; began = time.perf_counter(); import sealring.jwt; print((time.perf_counter() - began) * 1e3)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
        for _ in range(rounds)
    ]
    verdict = "met" if median(times) <= 60 else "MISSED"  # noqa: PLR2004  # the target, ms
    print(f"\n## import of sealring.jwt\n\n{median(times):.1f} ms ({spread(times)}), target ≤ 60 {verdict}")
    report.add(Table.of("import", "import of sealring.jwt", "ms", {"a new process": times}, compared=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--only", help="a case: anew, cached, sign, steps, import")
    parser.add_argument("--algorithms", help="names with commas between; by default those that the case is worth")
    parser.add_argument("--no-node", action="store_true")
    add_json_option(parser)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # peers warn of algorithms that others dropped
    report = Report(arguments.json)
    algorithms = arguments.algorithms or ("HS256,RS256" if arguments.only == "steps" else "HS256,ES256,RS256,Ed25519")
    keys = [make_key(alg) for alg in algorithms.split(",")]
    size = len(jwt.sign(claims_of(0), keys[0]))
    print(f"python {sys.version.split()[0]}, {arguments.rounds} rounds of {TOKENS} tokens of {size} characters")
    needs_node = arguments.only not in ("steps", "import")
    with node_peers() if needs_node and not arguments.no_node else NO_NODE as node:
        if needs_node and node is None:
            report.leave_out("fast-jwt and jsonwebtoken: Node.js or npm is missing, or was not asked for")
        for key in keys:
            if node:
                node.prepare(key)
            if arguments.only in (None, "anew"):
                verify_anew(report, key, node, arguments.rounds)
            if arguments.only in (None, "cached"):
                verify_cached(report, key, node, arguments.rounds)
            if arguments.only in (None, "sign") and key.alg in ("HS256", "ES256"):
                signing(report, key, node, arguments.rounds)
            if arguments.only == "steps":
                steps(report, key, arguments.rounds)
    if arguments.only in (None, "import"):
        imports(report, 11)


@contextmanager
def _no_node() -> Iterator[None]:
    yield None


NO_NODE = _no_node()

if __name__ == "__main__":
    main()
