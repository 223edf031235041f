"""What mail can be turned into: a way to find addresses out, to flood them, to take accounts over.

Attacks on mails have no letter of their own in the catalogue: these tests are named by the one that each is closest to
(C12 forged hosts, D6 line breaks, U3 and I11 enumeration, U6 look-alikes, U9 guesses, I7 races), or by what it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sealring.authentication.client_info import ClientInfo
from tests.mailing import ADA, Scene, mail_scene, token_of
from tests.serving import OTHER_PASSWORD, PASSWORD

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
