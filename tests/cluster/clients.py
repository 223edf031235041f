"""Honest clients, an operator, a thief and a forgetful user: what drives a cluster, each request on the record.

An honest client retries what was not answered, as browsers and libraries do. After a refresh without an answer it
leaves the session's next refresh for a while: the lost request may still lie in a frozen node, and coming back two
generations late it would look like a thief's. Real clients refresh every half hour and never meet this.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import httpx2

from sealring import jwt
from tests.cluster.history import Kind, Operation, Outcome
from tests.cluster.node import Node

ZOMBIE_SECONDS = 12.0
"""How long a request that was not answered may go on somewhere."""
PROBE_SECONDS = 0.2
EACH_AT_THE_END = 300
"""How many dead tokens are tried on every node when all is over."""
OUTCOMES: dict[int, Outcome] = {
    200: "ok",
    201: "ok",
    204: "ok",
    401: "refused",
    403: "refused",
    409: "superseded",
    429: "unavailable",
    503: "unavailable",
}


def fingerprint(token: str) -> str:
    """A name for a token that opens nothing."""
    return sha256(token.encode()).hexdigest()[:12]


@dataclass(slots=True)
class Holding:
    """A session as its client holds it."""

    subject: str
    session: str
    access_token: str
    refresh_token: str
    next_refresh: float = 0.0


class Clients:
    """Everybody who asks the cluster for something.

    Args:
        nodes: whom to ask.
        staleness: S, seconds: dead tokens are tried for longer than that.
        chance: the dice.
    """

    def __init__(self, nodes: Sequence[Node], staleness: float, chance: random.Random) -> None:
        self.history: list[Operation] = []
        self.stopped = False
        self.dead: list[Holding] = []
        """Whose access tokens are worthless."""
        self._nodes = nodes
        self._staleness = staleness
        self._chance = chance

    def crowd(self, size: int) -> list[asyncio.Task[None]]:
        """That many of each kind, at work until `stopped`."""
        personas = (self.wanderer, self.operator, self.thief)
        tasks = [asyncio.create_task(self._live(persona)) for persona in personas for _ in range(size)]
        return [*tasks, asyncio.create_task(self._live(self.forgetful))]

    async def _live(self, persona: Any) -> None:
        await asyncio.sleep(self._chance.random())
        while not self.stopped:
            await persona()

    # personas

    async def wanderer(self) -> None:
        """Logs in here, calls there, refreshes somewhere else, sometimes twice at once; logs out, and tries again."""
        held = await self._start()
        if held is None:
            return
        until = time.monotonic() + self._chance.uniform(1, 5)
        while time.monotonic() < until and not self.stopped:
            for _ in range(self._chance.randrange(2, 8)):
                await self._check(held)
                await self._pause(0.1)
            if time.monotonic() > held.next_refresh and not await self._refresh(held):
                return
        if await self._certainly("end", "POST", "/auth/logout", held, {"refresh_token": held.refresh_token}):
            await asyncio.gather(self._haunt(held), self._refresh_once(held, held.refresh_token, "refresh"))

    async def operator(self) -> None:
        """Ends every session of a subject from elsewhere, or makes its tokens stale."""
        first = await self._start()
        second = None if first is None else await self._start(first.subject)
        if first is None or second is None:
            return
        for _ in range(4):
            await self._check(first)
            await self._check(second)
        body = {"subject": first.subject}
        if self._chance.random() < 0.4:
            if await self._certainly("stale_subject", "POST", "/stale-subject", first, body, whole=True):
                stale = Holding(first.subject, first.session, first.access_token, first.refresh_token)
                if await self._refresh(first):
                    await asyncio.gather(self._haunt(stale), self._check(first), self._check(first))
        elif await self._certainly("end_subject", "POST", "/end-subject", first, body, whole=True):
            await asyncio.gather(self._haunt(first), self._haunt(second))

    async def thief(self) -> None:
        """Uses a refresh token two generations old: the session must end for everybody."""
        held = await self._start()
        if held is None:
            return
        stolen = held.refresh_token
        for _ in range(2):
            if not await self._refresh(held) or held.next_refresh > time.monotonic():
                return
        if not await self._refresh(held) or held.next_refresh > time.monotonic():
            return
        for _ in range(20):
            replay, _ = await self._refresh_once(held, stolen, "replay")
            if replay.outcome not in {"unavailable", "unknown"}:
                break
            await self._pause(0.3)
        await self._haunt(held)

    async def forgetful(self) -> None:
        """Changes a password while somebody logs in with the old one on the other nodes."""
        name, password = f"user-{secrets.token_hex(6)}", secrets.token_urlsafe(16)
        account = await self._log_in(name, password, path="/auth/register")
        while account is not None and not self.stopped:
            fresh = secrets.token_urlsafe(16)
            rivals = [self._log_in(name, password, subject=account.subject) for _ in range(2)]
            changed, others = await asyncio.gather(
                self._change_password(account, password, fresh), asyncio.gather(*rivals)
            )
            if not changed:
                return
            late = await self._log_in(name, password, subject=account.subject)
            await asyncio.gather(*(self._haunt(other) for other in (*others, late) if other is not None))
            password = fresh
            account = await self._log_in(name, password, subject=account.subject)

    async def try_the_dead(self) -> None:
        """Tries a token that died at any time before, on a node: what a failover must not bring back (I5)."""
        while not self.stopped:
            if self.dead:
                await self._check(self._chance.choice(self.dead))
            await self._pause(0.1)
        for held in self.dead[-EACH_AT_THE_END:]:
            await asyncio.gather(*(self._check(held, node) for node in self._nodes))

    async def probe(self, node: Node) -> None:
        """Asks one node all the time for a new session, and for the newest: how long it answers nothing shows here."""
        newest: list[Holding] = []

        async def write() -> None:
            while not self.stopped:
                held = await self._start_once(secrets.token_hex(6), node)
                newest[:] = newest if held is None else [held]
                await asyncio.sleep(PROBE_SECONDS)

        async def check() -> None:
            while not self.stopped:
                if newest:
                    await self._check(newest[0], node)
                await asyncio.sleep(PROBE_SECONDS)

        await asyncio.gather(write(), check())

    # steps

    async def _start(self, subject: str = "") -> Holding | None:
        subject = subject or secrets.token_hex(6)
        while not self.stopped:
            held = await self._start_once(subject)
            if held is not None:
                return held
            await self._pause(0.3)
        return None

    async def _start_once(self, subject: str, node: Node | None = None) -> Holding | None:
        asked = {"subject": subject}
        operation, body = await self._ask("start", "POST", "/start", node=node, json=asked, subject=subject)
        if operation.outcome != "ok":
            return None
        return Holding(subject, body["session"], body["access_token"], body["refresh_token"])

    async def _log_in(
        self, name: str, password: str, *, subject: str = "", path: str = "/auth/login"
    ) -> Holding | None:
        body = {"username": name, "password": password}
        operation, answer = await self._ask("log_in", "POST", path, json=body, subject=subject, password=password)
        if operation.outcome != "ok":
            return None
        return Holding(operation.subject, operation.session, answer["access_token"], answer["refresh_token"])

    async def _change_password(self, held: Holding, current: str, new: str) -> bool:
        operation, _ = await self._ask(
            "change_password",
            "POST",
            "/auth/password",
            json={"current": current, "new": new},
            bearer=held.access_token,
            subject=held.subject,
            session=held.session,
            password=current,
        )
        return operation.outcome == "ok"

    async def _check(self, held: Holding, node: Node | None = None) -> Operation:
        operation, _ = await self._ask(
            "check",
            "GET",
            "/whoami",
            node=node,
            bearer=held.access_token,
            subject=held.subject,
            session=held.session,
            token=fingerprint(held.access_token),
        )
        return operation

    async def _refresh(self, held: Holding) -> bool:
        """Until it is answered; twice at once now and then, as two tabs do."""
        while not self.stopped:
            times = 2 if self._chance.random() < 0.3 else 1
            used = held.refresh_token
            answers = await asyncio.gather(*(self._refresh_once(held, used, "refresh") for _ in range(times)))
            if any(operation.outcome in {"unknown", "unavailable"} for operation, _ in answers):
                held.next_refresh = time.monotonic() + ZOMBIE_SECONDS
            for operation, body in answers:
                if operation.outcome == "ok":
                    held.access_token, held.refresh_token = body["access_token"], body["refresh_token"]
                    return True
            if any(operation.outcome == "refused" for operation, _ in answers):
                return False
            await self._pause(0.3)
        return False

    async def _refresh_once(self, held: Holding, used: str, kind: Kind) -> tuple[Operation, dict[str, Any]]:
        return await self._ask(
            kind,
            "POST",
            "/auth/refresh",
            json={"refresh_token": used},
            subject=held.subject,
            session=held.session,
            used=fingerprint(used),
        )

    async def _certainly(
        self, kind: Kind, method: str, path: str, held: Holding, json: dict[str, str], *, whole: bool = False
    ) -> bool:
        """Until somebody acknowledges it. `whole`: it concerns the subject, not one session."""
        while not self.stopped:
            session = "" if whole else held.session
            operation, _ = await self._ask(kind, method, path, json=json, subject=held.subject, session=session)
            if operation.outcome == "ok":
                return True
            if operation.outcome == "refused":
                return False
            await self._pause(0.3)
        return False

    async def _haunt(self, held: Holding) -> None:
        """Try a dead token everywhere until the bound has long passed."""
        self.dead.append(held)
        until = time.monotonic() + self._staleness + 0.7
        while time.monotonic() < until and not self.stopped:
            await asyncio.gather(*(self._check(held, node) for node in self._nodes))
            await self._pause(0.25)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(self._chance.uniform(0.3 * seconds, 1.7 * seconds))

    async def _ask(
        self,
        kind: Kind,
        method: str,
        path: str,
        *,
        node: Node | None = None,
        json: dict[str, str] | None = None,
        bearer: str = "",
        **facts: str,
    ) -> tuple[Operation, dict[str, Any]]:
        node = node or self._chance.choice(self._nodes)
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        outcome: Outcome = "unknown"
        body: dict[str, Any] = {}
        code = ""
        start = time.monotonic()
        try:
            response = await node.client.request(method, path, json=json, headers=headers)
            outcome = OUTCOMES.get(response.status_code, "broken")
            body = response.json() if response.content else {}
            code = body.get("code", "") if response.status_code >= 400 else ""
        except (httpx2.HTTPError, ValueError) as error:
            code = type(error).__name__
        end = time.monotonic()
        if outcome == "ok" and kind != "check":
            facts |= _given(body)
        operation = Operation(kind=kind, node=node.name, start=start, end=end, outcome=outcome, code=code, **facts)
        self.history.append(operation)
        return operation, body


def _given(body: dict[str, Any]) -> dict[str, str]:
    """What an answer gave: fingerprints of tokens, and the session and the subject that the access token names."""
    given = {}
    if "refresh_token" in body:
        given["successor"] = fingerprint(body["refresh_token"])
    if "access_token" in body:
        claims = jwt.peek(body["access_token"]).claims
        given |= {"token": fingerprint(body["access_token"]), "session": claims["sid"], "subject": claims["sub"]}
    return given
