"""What mail can be turned into: a way to find addresses out, to flood them, to take accounts over.

Attacks on mails have no letter of their own in the catalogue: these tests are named by the one that each is closest to
(C12 forged hosts, D6 line breaks, U3 and I11 enumeration, U6 look-alikes, U9 guesses, I7 races), or by what it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from sealring import InvalidMailLink, Throttled
from sealring.authentication.client_info import ClientInfo
from sealring.issuer.email_addresses import CodeProof, LinkProof
from sealring.store.protocol import Store
from sealring.testing import InMemorySealring
from tests.mailing import ADA, Scene, mail_scene, token_of
from tests.serving import OTHER_PASSWORD, PASSWORD, cheap_sealring
from tests.stored_code import StoredCode, stored_code

pytestmark = pytest.mark.anyio
HERE = ClientInfo("192.0.2.7")


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with mail_scene() as scene:
        yield scene


async def test_a_scanner_that_opens_every_link_uses_nothing_up(scene: Scene) -> None:
    await scene.post("/password/forgot", {"email": ADA})
    mail = await scene.mail()
    for method in ("GET", "HEAD", "OPTIONS"):
        for url in (mail.link, "/auth/password/reset", "/auth/email/verify/confirm", "/auth/email/undo"):
            answer = await scene.http.request(method, url, params={"token": token_of(mail)})
            assert answer.status_code in {200, 204, 400, 404, 405}
    answer = await scene.post("/password/reset", {"token": token_of(mail), "new": OTHER_PASSWORD})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example"},
        {"Forwarded": "host=evil.example"},
        {"Origin": "http://127.0.0.1:8000", "Host": "evil.example", "X-Forwarded-Proto": "https"},
    ],
)
async def test_c12_no_host_that_a_client_wrote_is_in_a_mail(scene: Scene, headers: dict[str, str]) -> None:
    await scene.post("/password/forgot", {"email": ADA}, headers=headers)
    mails = await scene.mails()
    assert [mail.link.startswith("http://127.0.0.1:8000/auth/pages/reset#") for mail in mails] == [True]
    assert "evil" not in mails[0].text + mails[0].html + mails[0].subject


async def test_i11_whether_an_address_is_known_does_not_show(scene: Scene) -> None:
    ada = await scene.auth.accounts.find("ada")
    await scene.auth.accounts.create("off", PASSWORD, email="off@example.com")
    await scene.auth.accounts.disable((await scene.auth.accounts.find("off")).id)
    seen = set()
    for email in (ADA, "nobody@example.com", "off@example.com", "no address", "", "a\u0000b@example.com", "x" * 9000):
        before = await scene.auth.store.read_events()
        answer = await scene.post("/password/forgot", {"email": email})
        headers = {name: value for name, value in answer.headers.items() if name != "date"}
        written = (await scene.auth.store.read_events())[len(before) :]
        seen.add((answer.status_code, answer.content, tuple(sorted(headers.items())), len(written)))
    assert len(seen) == 1, "one answer, by the same steps: one audit line each"
    assert [mail.to for mail in await scene.mails()] == [ADA]
    assert ada.email == ADA


async def test_u3_a_registration_with_a_verified_address_looks_like_any() -> None:
    async with mail_scene(verify_email="required") as scene:
        answers = []
        for name, email in (("eve", ADA), ("flo", "flo@example.com")):
            answer = await scene.register(name, email)
            answers.append((answer.status_code, answer.json()))
        assert answers[0] == answers[1]
        by_kind = {mail.kind: mail for mail in await scene.mails()}
        assert {kind: mail.to for kind, mail in by_kind.items()} == {"taken": ADA, "verify": "flo@example.com"}
        assert "token" not in by_kind["taken"].link
        assert "eve" not in by_kind["taken"].text, "a stranger chose that name"


async def test_a_stranger_floods_no_mailbox(scene: Scene) -> None:
    statuses = [(await scene.post("/password/forgot", {"email": ADA})).status_code for _ in range(9)]
    assert statuses == [202] * 5 + [429] * 4
    assert len(await scene.mails()) == 5
    unknown = [(await scene.post("/password/forgot", {"email": "no@example.com"})).status_code for _ in range(9)]
    assert unknown == statuses, "an address that nobody has fills up alike"


async def test_a_stranger_of_many_networks_floods_no_mailbox() -> None:
    auth = InMemorySealring()
    await auth.accounts.create("ada", PASSWORD, email=ADA)
    for network in range(30):
        for _ in range(3):
            try:
                await auth.forgot_password(ADA, address=f"10.0.{network}.1")
            except Throttled:
                break
    assert len(await auth.deliver_mail()) <= 100
    auth.clock.advance("7d")
    auth.sent_mail.clear()
    for network in range(30):
        try:
            await auth.forgot_password(ADA, address=f"10.1.{network}.1")
        except Throttled:
            continue
    assert len(await auth.deliver_mail()) <= 60
    await auth.close()


async def test_a_username_that_is_somebody_elses_address_opens_no_flood(scene: Scene) -> None:
    await scene.register(ADA, None)
    for _ in range(8):
        await scene.post("/password/forgot", {"email": ADA})
    await scene.access_token(ADA)  # a success empties the buckets of that name
    assert (await scene.post("/password/forgot", {"email": ADA})).status_code == 429


async def test_u9_a_code_is_not_guessed(scene: Scene) -> None:
    await scene.post("/password/forgot", {"email": ADA})
    mail = await scene.mail()
    statuses = []
    for guess in range(20):
        wrong = f"{(int(mail.code) + guess + 1) % 10**8:08}"
        body = {"email": ADA, "code": wrong, "new": OTHER_PASSWORD}
        statuses.append((await scene.post("/password/reset", body)).status_code)
    assert statuses.count(422) <= 13
    assert statuses[-1] == 429
    body = {"email": ADA, "code": mail.code, "new": OTHER_PASSWORD}
    assert (await scene.post("/password/reset", body)).status_code == 429, "the right one among the guesses, too"
    answer = await scene.post("/password/reset", {"token": token_of(mail), "new": OTHER_PASSWORD})
    assert answer.status_code == 200, "guesses at a code do not lock out who holds the link"


async def test_a_reset_stands_for_no_second_factor(scene: Scene) -> None:
    auth = cheap_sealring(more_methods=[StoredCode], mail=scene.auth.sent_mail.append)
    ada = await auth.accounts.create("ada", PASSWORD, email=ADA)
    await auth.issuer.credentials.add(stored_code(ada.id, "a"), epoch=0, client=HERE)
    await auth.forgot_password(ADA, address="192.0.2.7")
    await auth.parts.mail.deliver()
    (mail,) = scene.auth.sent_mail
    await auth.reset_password(token_of(mail), OTHER_PASSWORD, address="192.0.2.7")
    with pytest.raises(Exception, match="one more factor is needed"):
        await auth.log_in("ada", OTHER_PASSWORD, address="192.0.2.7")
    await auth.close()


async def test_an_account_made_with_somebody_elses_address_is_no_trap(scene: Scene) -> None:
    """Pre-hijacking: a stranger registers the victim's address, adds a credential and waits for the victim's reset."""
    auth = cheap_sealring(more_methods=[StoredCode], mail=scene.auth.sent_mail.append)
    trap = await auth.register("trap", PASSWORD, email="victim@example.com", address="192.0.2.7")
    await auth.issuer.credentials.add(stored_code(trap.account.id, "a"), epoch=0, client=HERE)
    await auth.forgot_password("victim@example.com", address="192.0.2.7")
    await auth.parts.mail.deliver()
    assert scene.auth.sent_mail == [], "no mail leads into an account that the stranger's credential opens, too"
    found = await auth.issuer.accounts.get(trap.account.id)
    now = auth.clock.now_ms() // 1000
    link = auth.issuer.email.links.link("reset", found, "victim@example.com", now=now)
    with pytest.raises(InvalidMailLink):
        await auth.issuer.email.reset_password(LinkProof(link), OTHER_PASSWORD, HERE)
    await auth.close()


async def test_a_reset_ends_the_sessions_of_who_made_the_account(scene: Scene) -> None:
    token = (await scene.register("trap", "victim@example.com")).json()["access_token"]
    await scene.post("/password/forgot", {"email": "victim@example.com"})
    await scene.post("/password/reset", {"token": token_of(await scene.mail()), "new": OTHER_PASSWORD})
    assert (await scene.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401


@pytest.mark.parametrize(
    "look_alike", ["\u0430da@example.com", "ada@example\u3002com", "ada\uff20example.com", "ada@ex\u0430mple.com"]
)
async def test_u6_a_look_alike_address_gets_no_mail_of_the_account(scene: Scene, look_alike: str) -> None:
    await scene.post("/password/forgot", {"email": look_alike})
    assert {mail.to for mail in await scene.mails()} <= {ADA}, "where the account's mail goes is never what was typed"


async def test_d6_a_line_break_in_an_address_reaches_no_mail(scene: Scene) -> None:
    for end in ("\r\n", "\n", "\r", "%0d%0a"):
        poisoned = f"new@example.com{end}Bcc: all@example.com"
        assert (await scene.register("eve", poisoned)).status_code == 422
        assert (await scene.post("/password/forgot", {"email": poisoned})).status_code in {202, 429}
    assert await scene.mails() == []


async def test_a_link_for_one_purpose_is_good_for_no_other(scene: Scene) -> None:
    await scene.register("bob", "bob@example.com")
    bob = await scene.auth.issuer.accounts.find("bob")
    links, now = scene.auth.issuer.email.links, scene.auth.clock.now_ms() // 1000
    routes = {
        "reset": ("/password/reset", {"new": OTHER_PASSWORD}),
        "verify": ("/email/verify/confirm", {}),
        "undo": ("/email/undo", {}),
    }
    for purpose in ("reset", "verify", "undo", "change"):
        for meant, (path, more) in routes.items():
            if meant != purpose and (meant, purpose) != ("verify", "change"):
                link = links.link(purpose, bob, "bob@example.com", now=now)
                assert (await scene.post(path, {"token": link} | more)).status_code == 422, (purpose, path)
    assert (await scene.auth.issuer.accounts.find("bob")) == bob


async def test_no_link_is_a_token_of_another_kind(scene: Scene) -> None:
    await scene.post("/password/forgot", {"email": ADA})
    text = token_of(await scene.mail())
    answer = await scene.http.get("/auth/me", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401
    assert (await scene.post("/refresh", {"refresh_token": text})).status_code == 401
    access = await scene.access_token()
    answer = await scene.post("/password/reset", {"token": access, "new": OTHER_PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_link")


async def test_no_other_sites_page_uses_a_link(scene: Scene) -> None:
    cross = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for path, body in (
        ("/password/forgot", {"email": ADA}),
        ("/password/reset", {"token": "x", "new": OTHER_PASSWORD}),
        ("/email/verify/confirm", {"token": "x"}),
        ("/email/undo", {"token": "x"}),
    ):
        answer = await scene.post(path, body, headers=cross)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf"), path


async def test_an_old_login_changes_no_address(scene: Scene) -> None:
    token = await scene.access_token()
    scene.auth.clock.advance("11m")
    answer = await scene.post("/email/change", {"email": "thief@example.com"}, token=token)
    assert (answer.status_code, answer.json()["code"]) == (401, "insufficient_user_authentication")


@pytest.mark.parametrize("proof", ["link", "code"])
async def test_i7_of_fifty_uses_of_one_mail_one_is_made(store: Store, proof: str) -> None:
    auth = cheap_sealring(store)
    await auth.open(follow=False)
    ada = await auth.issuer.accounts.create("ada", PASSWORD, email=ADA)
    now = auth.clock.now_ms() // 1000
    links = auth.issuer.email.links
    shown = (
        LinkProof(links.link("change", ada, "new@example.com", now=now))
        if proof == "link"
        else CodeProof(links.code("change", ada, "new@example.com", now=now), "new@example.com", ada.id)
    )
    clients = [replace(HERE, address=f"10.0.{number}.1") for number in range(50)]
    uses = (auth.issuer.email.confirm(shown, client) for client in clients)
    outcomes = await asyncio.gather(*uses, return_exceptions=True)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert {type(outcome) for outcome in outcomes if isinstance(outcome, Exception)} <= {InvalidMailLink, Throttled}
    assert [event.kind for event in await store.read_events(limit=10_000)].count("email_changed") == 1
    await auth.close()


async def test_i15_a_stolen_outbox_holds_no_link_and_no_code() -> None:
    async with mail_scene(email_login="on") as scene:
        auth = scene.auth
        await auth.parts.mail.stop()
        await scene.post("/password/forgot", {"email": ADA})
        await scene.post("/login/email/begin", {"response": {"email": ADA}})
        rows = await auth.store.claim_mails(now=auth.clock.now_ms() // 1000, limit=9)
        stolen = repr(rows) + repr(list(await auth.store.read_events()))
        auth.clock.advance("60s")
        mails = await scene.mails()
        assert sorted(mail.kind for mail in mails) == ["login", "reset"]
        for mail in mails:
            assert mail.code not in stolen
            assert mail.link not in stolen
            assert mail.code not in repr(mail)
