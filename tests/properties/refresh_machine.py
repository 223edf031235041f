"""What design D5 promises, as a machine that tries to break it.

One person's browser (several tabs, one jar) and perhaps a thief refresh through two nodes whose clocks differ;
requests and answers are delayed, doubled, crossed and lost; sessions are ended, processes restart, secrets
rotate, time passes. After each step:

(a) an honest client alone is never logged out before its limits, if its exchanges are brief (see `Traffic`);
(b) a child is handed out again only within G, so that two holders of a token are handed different ones unless they
    ask within G of each other; whoever then comes second is refused, and the session is over;
(c) there is one lineage: of each generation one token at most is ever accepted, and it is its predecessor's child;
(d) nothing ended comes back or moves; nor what somebody was told is over, when a clock is set back;
(e) there is one row per session.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sealring.sessions.lifetimes import Limit, over_cause
from sealring.sessions.refresh import relation_of
from sealring.sessions.refresh_token import RefreshToken
from sealring.sessions.session import Session
from tests.properties.drivers import ENDINGS, Answer, Driver, Ending, PureDriver, Refresh, World

G_MS = 10_000
MINUTE_MS, DAY_MS = 60_000, 86_400_000
WRONG_BY_MS = 11 * DAY_MS
"""Beyond the idle limit."""
MOST_COPIES = 12

Traffic = Literal["brief", "crossing", "wild"]
"""How the honest client's exchanges run. An exchange lasts from sending a request to having its answer.

brief: shorter than G less the clocks' difference, and never two at once with different tokens;
crossing: shorter than half of that, and then one with the token's parent may still be under way;
wild: anything. Only then may an honest client be logged out: it can come with a token that has been dead for
longer than G, with one two generations old, or with the sibling of one that it used.
"""


Holder = Literal["honest", "thief"]


class BrokenPromiseError(AssertionError):
    """One of the promises (a) to (e) does not hold."""


@dataclass(slots=True)
class Exchange:
    """One request on its way, and its answer on the way back."""

    holder: Holder
    text: str
    token: RefreshToken
    sent_ms: int
    refresh: Refresh | None = None
    answer: Answer | None = None
    node: int = 0
    began_ms: int = 0
    """On the node's clock."""
    began_after_end: bool = False
    began_in_time: bool = False
    had_to_write: bool = False


class RefreshMachine(RuleBasedStateMachine):
    """See the module. A test class sets `make_driver`."""

    make_driver: Callable[[World], Driver] = PureDriver

    @initialize(
        window_ms=st.sampled_from([G_MS, G_MS, G_MS, 0]),
        traffic=st.sampled_from(["brief", "crossing", "wild"]),
    )
    def log_in_first(self, window_ms: int, traffic: Traffic) -> None:
        self.world = World(window_ms)
        self.driver = type(self).make_driver(self.world)
        self.traffic: Traffic = traffic
        room_ms = max(0, window_ms - max(self.world.skew_ms))
        self.longest_ms = room_ms // 2 if traffic == "crossing" else room_ms
        self.graves: dict[str, Session] = {}
        self.log_in()

    def log_in(self) -> None:
        self.jar = self.driver.start()
        self.is_foreign = False
        self.alone = self.traffic != "wild"
        self.hoard: list[str] = []
        self.exchanges: list[Exchange] = []
        self.row = self.driver.row(self.read(self.jar).session_id)
        self.confirmed_ms = {0: self.row.confirmed_ms}
        self.accepted: dict[int, RefreshToken] = {}
        self.handed: set[RefreshToken] = set()
        self.was_called_over = False

    def read(self, text: str) -> RefreshToken:
        return self.driver.keys.read(text)  # type: ignore[attr-defined, no-any-return]

    @property
    def is_over(self) -> bool:
        return any(over_cause(self.row, self.world.clock(node) // 1000) for node in (0, 1))

    # the honest client and the thief

    @rule()
    def tab_asks(self) -> None:
        if self.may_ask():
            self.send("honest", self.jar)

    @rule(node=st.integers(0, 1))
    def tab_refreshes(self, node: int) -> None:
        if self.may_ask():
            self.exchange_at_once("honest", self.jar, node)

    def may_ask(self) -> bool:
        under_way = [exchange.token for exchange in self.exchanges if exchange.holder == "honest"]
        if self.traffic == "wild":
            return True
        if self.world.retry_window_ms == 0:
            return not under_way
        own = self.read(self.jar)
        return all(token == own or (self.traffic == "crossing" and _is_parent(token, own)) for token in under_way)

    @precondition(lambda self: self.traffic != "brief" and len(self.hoard) < MOST_COPIES)
    @rule(pick=st.integers(0, 9))
    def thief_copies(self, pick: int) -> None:
        texts = [self.jar, *(exchange.text for exchange in self.exchanges)]
        self.hoard.append(texts[pick % len(texts)])
        self.alone = False

    @precondition(lambda self: self.hoard)
    @rule(back=st.integers(1, 3), node=st.integers(0, 1), at_once=st.booleans())
    def thief_asks(self, back: int, node: int, *, at_once: bool) -> None:
        text = self.hoard[-min(back, len(self.hoard))]
        if at_once:
            self.exchange_at_once("thief", text, node)
        else:
            self.send("thief", text)

    # the network and the nodes

    @precondition(lambda self: self.exchanges)
    @rule(pick=st.integers(0, 9), node=st.integers(0, 1))
    def exchange_goes_on(self, pick: int, node: int) -> None:
        exchange = self.exchanges[pick % len(self.exchanges)]
        if exchange.refresh is None:
            self.begin(exchange, node)
        elif exchange.answer is None:
            self.finish(exchange)
        else:
            self.arrive(exchange)

    @precondition(lambda self: self.exchanges)
    @rule(pick=st.integers(0, 9), node=st.integers(0, 1))
    def node_answers(self, pick: int, node: int) -> None:
        exchange = self.exchanges[pick % len(self.exchanges)]
        self.begin(exchange, node)
        self.finish(exchange)

    @precondition(lambda self: self.exchanges)
    @rule(pick=st.integers(0, 9))
    def request_is_doubled(self, pick: int) -> None:
        exchange = self.exchanges[pick % len(self.exchanges)]
        if exchange.refresh is None and (self.world.retry_window_ms or self.traffic == "wild"):
            self.exchanges.append(replace(exchange))

    @precondition(lambda self: self.exchanges)
    @rule(pick=st.integers(0, 9))
    def network_loses(self, pick: int) -> None:
        self.lose(self.exchanges[pick % len(self.exchanges)])

    def send(self, holder: Holder, text: str) -> Exchange:
        exchange = Exchange(holder, text, self.read(text), self.world.now_ms)
        self.exchanges.append(exchange)
        return exchange

    def exchange_at_once(self, holder: Holder, text: str, node: int) -> None:
        exchange = self.send(holder, text)
        self.begin(exchange, node)
        self.finish(exchange)
        self.arrive(exchange)

    def arrive(self, exchange: Exchange) -> None:
        self.exchanges = [other for other in self.exchanges if other is not exchange]
        if exchange.answer is not None and exchange.answer.kind == "tokens":
            if exchange.holder == "honest":
                self.jar = exchange.answer.child
            else:
                self.hoard.append(exchange.answer.child)

    def begin(self, exchange: Exchange, node: int) -> None:
        if exchange.refresh is None:
            exchange.node, exchange.began_ms = node, self.world.clock(node)
            exchange.began_after_end = self.row.ended_at is not None or self.was_called_over
            exchange.began_in_time = self.is_in_time(exchange.began_ms)
            exchange.refresh = self.driver.begin(exchange.text, node)
            exchange.had_to_write = not exchange.refresh.is_decided

    def finish(self, exchange: Exchange) -> None:
        if exchange.refresh is not None and exchange.answer is None:
            exchange.answer = self.driver.finish(exchange.refresh)
            self.look()
            self.judge(exchange, exchange.answer)

    def lose(self, exchange: Exchange) -> None:
        # a node that has begun goes on, whether anybody waits for the answer or not
        self.finish(exchange)
        self.exchanges = [other for other in self.exchanges if other is not exchange]

    # the world

    @rule(by_ms=st.sampled_from([1, 900, 2_000, 4_000, 5_000, 8_000, G_MS - 1, G_MS, G_MS + 1, 30 * MINUTE_MS]))
    def time_passes(self, by_ms: int) -> None:
        if self.traffic != "wild":
            for exchange in list(self.exchanges):
                if exchange.holder == "honest" and exchange.sent_ms + self.longest_ms <= self.world.now_ms + by_ms:
                    self.lose(exchange)
        self.world.now_ms += by_ms

    @precondition(lambda self: not self.is_over)
    @rule(how=st.sampled_from(ENDINGS), rarely=st.integers(0, 3))
    def session_is_ended(self, how: Ending, rarely: int) -> None:
        if rarely == 0:
            self.driver.end(self.row.id, how)
            self.look()
            self.promise("d", held=self.row.ended_at is not None, otherwise=f"{how}, and the session goes on")

    @precondition(lambda self: self.is_over or self.is_foreign)
    @rule()
    def person_logs_in_again(self) -> None:
        for exchange in list(self.exchanges):
            self.lose(exchange)
        if self.row.ended_at is None:
            self.driver.end(self.row.id, "logout")
            self.look()
        self.graves[self.row.id] = self.row
        self.log_in()

    @rule(
        event=st.sampled_from(["restart", "new secret", "other secret", "day", "idle", "clock"]), ms=st.integers(-1, 1)
    )
    def something_rare_happens(self, event: str, ms: int) -> None:
        match event:
            case "restart":
                for exchange in list(self.exchanges):
                    if exchange.refresh is not None:
                        self.lose(exchange)
                self.driver.restart()
            case "new secret":
                self.driver.rotate_secret(keep_old=True)
            case "other secret" if self.traffic == "wild":
                self.driver.rotate_secret(keep_old=False)
                self.is_foreign = True
            case "day":
                self.time_passes(DAY_MS)
            case "idle" if ms == 0:
                self.time_passes(9 * DAY_MS)
            case "clock" if self.traffic == "wild":
                self.world.now_ms += ms * 60 * MINUTE_MS

    @precondition(lambda self: self.traffic == "wild")
    @rule(node=st.integers(0, 1), ahead=st.booleans(), rarely=st.integers(0, 3))
    def every_clock_is_wrong_for_a_moment(self, node: int, *, ahead: bool, rarely: int) -> None:
        if rarely == 0:
            self.world.now_ms += WRONG_BY_MS if ahead else -WRONG_BY_MS
            self.exchange_at_once("honest", self.jar, node)
            self.world.now_ms -= WRONG_BY_MS if ahead else -WRONG_BY_MS

    # the promises

    def promise(self, which: str, *, held: bool, otherwise: str) -> None:
        if not held:
            raise BrokenPromiseError(f"({which}) {otherwise}")

    def look(self) -> None:
        """Read the row, and hold it against the one before."""
        before, row = self.row, self.driver.row(self.row.id)
        if before.ended_at is not None:
            self.promise("d", held=row == before, otherwise="an ended session moved")
        elif row.ended_at is not None and row.ended_by in get_args(Limit):
            came = over_cause(replace(row, ended_at=None), row.ended_at) == row.ended_by
            self.promise("a", held=came, otherwise="a session was ended for a limit that had not come")
        if (row.generation, row.minted_ms) != (before.generation, before.minted_ms):
            follows = row.generation == before.generation + 1 and row.parent_minted_ms == before.minted_ms
            self.promise("c", held=follows, otherwise="the confirmed token is not its predecessor's child")
            self.confirmed_ms[row.generation] = row.confirmed_ms
        self.row = row

    def judge(self, exchange: Exchange, answer: Answer) -> None:
        moments_ms = (exchange.began_ms, self.world.clock(exchange.node))
        token = exchange.token
        match answer.kind:
            case "tokens":
                self.judge_tokens(exchange, self.read(answer.child), moments_ms)
            case "superseded":
                confirmed_ms = self.confirmed_ms.get(token.generation + 1)
                recent = confirmed_ms is not None and any(self.near(moment, confirmed_ms) for moment in moments_ms)
                self.promise("b", held=recent, otherwise="409 outside the retry window")
                known = self.accepted.get(token.generation) == token
                self.promise("b", held=known, otherwise="409 for a token that was never confirmed")
            case "reused":
                self.promise("a", held=not self.alone, otherwise="an honest client was taken for a thief")
                self.promise("b", held=self.row.ended_at is not None, otherwise="reuse did not end the session")
            case "over":
                over = any(over_cause(self.row, moment // 1000) for moment in moments_ms)
                self.promise("a", held=over, otherwise="logged out before its limits")
                self.was_called_over = True
            case "invalid":
                self.promise("a", held=self.is_foreign, otherwise="a good token was refused")

    def judge_tokens(self, exchange: Exchange, child: RefreshToken, moments_ms: tuple[int, ...]) -> None:
        token = exchange.token
        self.promise("d", held=not exchange.began_after_end, otherwise="an ended session handed out a token")
        if exchange.had_to_write:
            self.promise("d", held=self.row.ended_at is None, otherwise="a session ended under way handed out a token")
            known = (self.row.generation + 1, self.row.child_minted_ms) == (child.generation, child.minted_ms)
            self.promise("c", held=known, otherwise="a token was handed out that the row does not know of")
        in_time = exchange.began_in_time or any(map(self.is_in_time, moments_ms))
        self.promise("d", held=in_time, otherwise="a session outlived its limits")
        accepted = self.accepted.setdefault(token.generation, token)
        self.promise("c", held=accepted == token, otherwise="two tokens of one generation were accepted")
        own_child = (child.generation, child.parent_minted_ms) == (token.generation + 1, token.minted_ms)
        self.promise("c", held=own_child, otherwise="a token's child is not its own")
        if child in self.handed:
            again = any(self.near(moment, child.minted_ms) for moment in moments_ms)
            self.promise("b", held=again, otherwise="one child was handed out twice, further apart than G")
        self.handed.add(child)

    def is_in_time(self, moment_ms: int) -> bool:
        return over_cause(replace(self.row, ended_at=None), moment_ms // 1000) is None

    def near(self, one_ms: int, other_ms: int) -> bool:
        return abs(one_ms - other_ms) < self.world.retry_window_ms

    @invariant()
    def honest_jar_is_alive_when_all_is_quiet(self) -> None:
        if self.alone and not self.is_over and not self.exchanges:
            alive = relation_of(self.read(self.jar), self.row) in {"confirmed", "child"}
            self.promise("a", held=alive, otherwise="the jar holds a dead token")

    @invariant()
    def ended_stays_ended(self) -> None:
        self.look()
        for grave in self.graves.values():
            self.promise("d", held=self.driver.row(grave.id) == grave, otherwise="an ended session came back")

    @invariant()
    def one_row_a_session(self) -> None:
        live = int(self.row.ended_at is None)
        self.promise("e", held=self.driver.live_sessions() == live, otherwise="more rows than sessions")

    def teardown(self) -> None:
        for exchange in list(self.exchanges):
            self.lose(exchange)
        # the next run may be over the same store
        self.driver.end(self.row.id, "logout")
        self.driver.close()


def _is_parent(parent: RefreshToken, child: RefreshToken) -> bool:
    return (parent.generation + 1, parent.minted_ms) == (child.generation, child.parent_minted_ms)
