"""An issuer over HTTP as a verifier's source: its signed feed by long poll, and its keys.

How fresh a page makes this node is said by nothing but the signed time, and it is never fresher than the start of its
own poll. So it does not matter who passed the page on, nor when: an old page played again is an old page, whatever the
header fields around it. The keys come from the issuer itself, over TLS; the feed may come from anybody who has it.
"""

from __future__ import annotations

import logging
import random
import ssl
from asyncio import Event
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import cryptography.hazmat.backends.openssl.backend  # noqa: F401 - 8 ms, which the first key would cost later, amid requests

from sealring import jwt
from sealring.errors import KeyRefused, Unavailable, UnknownKey, UnsupportedAlgorithm
from sealring.jwt.remote_key_set import HOLD_SECONDS, read_key_set
from sealring.jwt.remote_key_set import MAX_BYTES as MAX_KEY_SET_BYTES
from sealring.revocation.entry import Entry
from sealring.revocation.feed import FeedPage
from sealring.revocation.wire import MAX_BYTES, FeedDocument, fingerprint, read_document, read_segment
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.verifier.clock import Clock
from sealring.verifier.http_feed import HttpFeed
from sealring.verifier.http_get import HttpAnswer, HttpGetter
from sealring.verifier.http_trust import check_bearer_token
from sealring.verifier.node_state import NodeState
from sealring.verifier.relay import FeedRelay, SignedPage
from sealring.verifier.source import VerifyingKeys

log = logging.getLogger("sealring.http_source")

SNAPSHOT_SECONDS: Final = 60.0
"""The issuer may have to read all revocations first."""
KEYS_SECONDS: Final = 300.0
"""After so long the keys are fetched again, whatever the feed says: a key that was withdrawn because it was stolen
could sign a feed that says nothing of it."""
KEYS_PAUSE_SECONDS: Final = 1.0
"""Between two fetches of keys by a node that has some, and four times as long as the last one took: keys that hang must
not make a node stale that has its feed."""
KEYS_RETRY_SECONDS: Final = 30.0
"""Between two tries to renew keys of which the feed says that they are the same."""
MAX_PAUSE_SECONDS: Final = 5.0
"""Between two polls of an issuer that does not answer: its recovery is noticed by then, by each at its own moment."""
MAX_RETRY_AFTER: Final = 60
RELAY_WAIT_SECONDS: Final = 0.25
"""How long a poll of a relay waits for news. What it passes on is as old as its own last page, and each level of a tree
adds that: so a verifier below ten relays is still fresh by a bound of 5 s."""
_NO_KEYS = jwt.KeySet([])


class HttpSource:
    """The feed and the keys of one issuer (`sealring.verifier.source.Source`).

    Args:
        url: of the issuer's auth routes.
        issuer: `iss` of the feed, compared whole.
        clock: the node's.
        max_staleness: of the node, seconds: what every poll must fit into.
        feed_url: where the feed is read from instead: auth routes of a relay, or of a cache.
        feed_token: the issuer's `SEALRING_FEED_TOKEN`.
        allow_http: whether plain http may leave this machine.
        ssl_context: another trust store or a client certificate than the machine's.

    Raises:
        TypeError, ValueError: a URL that is not https, or http on loopback; a TLS context that verifies nothing; a
            token that no field can carry.
    """

    def __init__(
        self,
        url: str,
        *,
        issuer: str,
        clock: Clock,
        max_staleness: float,
        feed_url: str | None = None,
        feed_token: str | None = None,
        allow_http: bool = False,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        if feed_token is not None:
            check_bearer_token("feed_token", feed_token)
        fields = {} if feed_token is None else {"Authorization": f"Bearer {feed_token}"}
        self._issuer = issuer
        self._clock = clock
        self._max_staleness = max_staleness
        self._wait = max_staleness / 4
        """Of four such spans one may be lost, and the node is still fresh."""
        self._connect = partial(
            HttpGetter,
            url if feed_url is None else feed_url,
            allow_http=allow_http,
            fields=fields,
            ssl_context=ssl_context,
        )
        self._feed = self._connect()
        self._passed_on: HttpFeed | None = None
        self._signed: SignedPage | None = None
        """The page that was read last, as it came; None where that was a snapshot."""
        self._keys_from = HttpGetter(url, allow_http=allow_http, ssl_context=ssl_context)
        self._keys = _NO_KEYS
        self._keys_named = ""
        """The hash of the document that they are from."""
        self._wanted = ""
        """The hash that the feed says."""
        self._keys_at = self._renewed_at = self._keys_silent_until = float("-inf")
        self._revoked_kids: set[str] = set()
        self._again = Event()
        self._newest: FeedDocument | None = None
        """What was accepted last, without its entries."""
        self._failures = 0
        self._last_error = ""
        self._silent_until = float("-inf")
        self._is_behind = True
        """Nothing was loaded yet, or so much that it took a while: the next poll must not wait for news."""

    # asked by the follower

    async def load(self, after: int | None) -> FeedPage:
        """See `Source.load`. After the first good page, the answer comes when there is news, or after a while."""
        began = self._clock.steady()
        if began < self._silent_until:
            raise Unavailable(f"{self._last_error}; asked again soon")
        wait = 0.0 if self._is_behind or after is None else self._wait * random.uniform(0.8, 1)  # noqa: S311 - no secret
        self._failures += 1  # until it is good
        self._is_behind = True
        try:
            await self._renew_keys(began)
            page = await self._load(after, wait)
        except BaseException as error:
            self._last_error = str(error) or "the issuer does not answer"
            if self._failures > 1:
                self._pause(min(MAX_PAUSE_SECONDS, 0.25 * 2 ** min(self._failures, 8)))
            raise
        self._failures = 0
        self._is_behind = after is None
        # a server that does not wait, or an answer that was kept for us, must not be asked without a pause
        if page.entries or self._clock.steady() - began >= wait / 2:
            self._again.set()
        return page

    async def keys(self) -> VerifyingKeys:
        """See `Source.keys`. The last good keys count until their end (K5)."""
        if self._keys_named != self._wanted:
            try:
                await self._fetch_keys(f"?version={quote(self._wanted, safe='')}")
            except (Unavailable, KeyRefused) as error:
                log.warning("the keys could not be fetched", extra={"sealring": {"cause": str(error)}})
        if self._clock.steady() >= self._keys_at + HOLD_SECONDS:
            raise Unavailable("the keys of the issuer could not be renewed for too long")
        return VerifyingKeys(self._keys, hash(self._keys_named))

    async def wait_for_change(self) -> None:
        """See `Source.wait_for_change`. The wait is in `load`: this says only that it may begin again."""
        await self._again.wait()
        self._again.clear()

    def relay(self, node: NodeState) -> FeedRelay:
        """What passes the feed on that this source reads. It is asked more often then: see `RELAY_WAIT_SECONDS`."""
        self._wait = min(self._wait, RELAY_WAIT_SECONDS)
        self._passed_on = HttpFeed(self._connect, page_seconds=self._max_staleness, load_seconds=SNAPSHOT_SECONDS)
        return FeedRelay(self._passed_on, node, issuer=self._issuer, signed=lambda: self._signed)

    def close(self) -> None:
        """See `HoldsConnections.close`."""
        if self._passed_on is not None:
            self._passed_on.close()
        self._feed.close()
        self._keys_from.close()
        self._again = Event()

    def forked(self) -> None:
        """See `HoldsConnections.forked`."""
        if self._passed_on is not None:
            self._passed_on.forked()
        self._feed.forked()
        self._keys_from.forked()
        self._again = Event()

    async def _load(self, after: int | None, wait: float) -> FeedPage:
        if after is None:
            path, seconds = "/feed", SNAPSHOT_SECONDS
        else:
            path = f"/feed?after={after}" + (f"&wait={wait:.3f}" if wait else "")
            seconds = wait + self._longer_each_time(max(1.0, self._max_staleness / 4), self._max_staleness - wait)
        asked_ms = self._clock.now_ms()
        answer = await self._ask(path, seconds)
        document = await self._read(answer.body)
        age_ms = self._clock.now_ms() - document.time_ms
        if age_ms < -LEEWAY_SECONDS * 1000:
            raise Unavailable(f"this node's clock is {-age_ms} ms behind its issuer's")
        if document.time_ms < asked_ms - self._max_staleness * 1000:
            raise Unavailable(f"the feed is {age_ms} ms old, or this node's clock is ahead of its issuer's")
        self._refuse_older(document)
        self._wanted = document.keys
        if after is None:
            self._revoked_kids.clear()
        self._note_keys(document.entries)
        self._signed = None if document.after is None else SignedPage(document.after, answer.body)
        begins_here = after is None or document.after is None or document.after <= after
        return FeedPage(
            incarnation=document.incarnation,
            head=document.head,
            complete=begins_here,
            entries=tuple(entry for entry in document.entries if after is None or entry.number > after),
            digest=document.digest,
            keys_version=hash(document.keys),
            # of our own clock, which has just been compared: what counts is how old the document is
            time_ms=asked_ms,
            longest_access_ttl=document.longest_access_ttl,
            acknowledged_ms=min(asked_ms, document.time_ms),
            rest=self._segments(document) if document.segments else None,
        )

    def _refuse_older(self, document: FeedDocument) -> None:
        """Do not go back to what another node of the issuer, or another relay, still thinks.

        Of two nodes behind one address, one may not have polled yet. What it lacks would be forgotten here (I5). After
        a restore, what contradicts is newer than all that was read before.

        Raises:
            Unavailable: it contradicts what is known here, and nothing proves that it is newer.
        """
        known = self._newest
        contradicts = known is not None and (document.incarnation != known.incarnation or document.head < known.head)
        if known is not None and contradicts and document.time_ms <= known.read_ms:
            raise Unavailable("a node of the issuer that knows less than this one has answered")
        if known is None or contradicts or document.read_ms > known.read_ms:
            self._newest = replace(document, entries=(), segments=())

    async def _segments(self, document: FeedDocument) -> AsyncIterator[Sequence[Entry]]:
        for segment in document.segments:
            answer = await self._ask(f"/feed/segments/{segment.name}", SNAPSHOT_SECONDS)
            entries = read_segment(answer.body, segment)
            self._note_keys(entries)
            yield entries

    async def _ask(self, path: str, seconds: float) -> HttpAnswer:
        answer = await self._feed.get(path, seconds=seconds, max_bytes=MAX_BYTES)
        if answer.status != HTTPStatus.OK:
            self._respect(answer)
            raise Unavailable(f"the feed: answer {answer.status}")
        return answer

    async def _read(self, body: bytes) -> FeedDocument:
        text = body.decode("latin-1")
        try:
            document = read_document(text, self._trusted(), issuer=self._issuer)
        except (UnknownKey, UnsupportedAlgorithm):
            # a key that signs at once, since all others were revoked: it was never among those that we hold
            await self._fetch_keys("")
            document = read_document(text, self._trusted(), issuer=self._issuer)
        return document

    def _trusted(self) -> jwt.KeySet:
        """The keys, without those that the feed itself has revoked."""
        if not self._revoked_kids:
            return self._keys
        return jwt.KeySet(key for key in self._keys if key.kid not in self._revoked_kids)

    def _note_keys(self, entries: Sequence[Entry]) -> None:
        self._revoked_kids.update(entry.target for entry in entries if entry.kind == "key")

    async def _renew_keys(self, now: float) -> None:
        if now < max(self._keys_at + KEYS_SECONDS, self._renewed_at + KEYS_RETRY_SECONDS):
            return
        self._renewed_at = now
        try:
            await self._fetch_keys("")
        except (Unavailable, KeyRefused):
            if now >= self._keys_at + HOLD_SECONDS:
                self._renewed_at = float("-inf")  # without any, each poll may try
                raise

    async def _fetch_keys(self, query: str) -> None:
        """Fetch the keys. With a query, only the document that the feed names is taken.

        Raises:
            Unavailable, KeyRefused: they cannot be had now.
        """
        now = self._clock.steady()
        seconds = max(1.0, self._max_staleness / 4)
        if not self._keys_named:  # a node without any verifies nothing: there is nothing to keep fresh meanwhile
            seconds = self._longer_each_time(self._max_staleness, SNAPSHOT_SECONDS)
        elif now < self._keys_silent_until:
            raise Unavailable("the keys were asked for just now")
        try:
            answer = await self._keys_from.get(
                f"/.well-known/jwks.json{query}", seconds=seconds, max_bytes=MAX_KEY_SET_BYTES
            )
        finally:
            self._keys_from.close()  # not needed for minutes: ten thousand verifiers would hold as many at the issuer
            ended = self._clock.steady()
            self._keys_silent_until = ended + KEYS_PAUSE_SECONDS + 4 * (ended - now)
        if answer.status != HTTPStatus.OK:
            raise Unavailable(f"the keys: answer {answer.status}")
        name = fingerprint(answer.body)
        if query and name != self._wanted:
            raise Unavailable("the keys are not yet, or no more, those that the feed names")
        self._keys, self._keys_named, self._keys_at = read_key_set(answer.body), name, now

    def _longer_each_time(self, seconds: float, most: float) -> float:
        """A deadline that doubles with each failure: an issuer to which all come at once, after a restart, is slow.

        With a deadline that stays the same, those behind the first thousands in its queue would give up and come again
        for ever, and each of their requests would be answered in vain.
        """
        return min(most, seconds * 2.0 ** min(self._failures - 1, 8))

    def _respect(self, answer: HttpAnswer) -> None:
        """Wait as long as the answer asks (RFC 9110 §10.2.3), and not all at the same moment."""
        value = answer.fields.get(b"retry-after", b"")
        if value.isdigit():
            self._pause(min(int(value), MAX_RETRY_AFTER))

    def _pause(self, seconds: float) -> None:
        until = self._clock.steady() + seconds * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self._silent_until = max(self._silent_until, until)
