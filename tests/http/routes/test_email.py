"""Mail: verification, a forgotten password, another address, as a client sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.mailing import ADA, Scene, mail_scene, token_of
from tests.serving import OTHER_PASSWORD, PASSWORD

pytestmark = pytest.mark.anyio


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with mail_scene() as scene:
        yield scene


async def test_a_forgotten_password_is_replaced_by_the_link_and_all_sessions_end(scene: Scene) -> None:
    token = await scene.access_token()
    answer = await scene.post("/password/forgot", {"email": ADA})
    assert (answer.status_code, answer.content) == (202, b"")
    mail = await scene.mail()
    assert (mail.kind, mail.to, mail.language) == ("reset", ADA, "en")
    assert mail.link.startswith("http://127.0.0.1:8000/auth/pages/reset#token=sealring_ml1_")
    assert mail.link in mail.text
    assert mail.code in mail.text
    answer = await scene.post("/password/reset", {"token": token_of(mail), "new": OTHER_PASSWORD})
    assert (answer.status_code, answer.json()) == (200, {"username": "ada"})
    assert (await scene.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401
    assert (await scene.post("/login", {"username": "ada", "password": PASSWORD})).status_code == 401
    await scene.access_token(password=OTHER_PASSWORD)


async def test_a_forgotten_password_is_replaced_by_the_code(scene: Scene) -> None:
    await scene.post("/password/forgot", {"email": "ADA@example.com"})
    mail = await scene.mail()
    typed = f" {mail.code[:4]} {mail.code[4:]} "
    answer = await scene.post("/password/reset", {"email": ADA, "code": typed, "new": OTHER_PASSWORD})
    assert answer.status_code == 200
    answer = await scene.post("/password/reset", {"email": ADA, "code": mail.code, "new": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_link"), "a code counts once"


async def test_a_link_that_was_used_or_overtaken_is_dead(scene: Scene) -> None:
    for _ in range(2):
        await scene.post("/password/forgot", {"email": ADA})
    first, second = await scene.mails()
    codes = []
    for mail in (second, second, first):
        answer = await scene.post("/password/reset", {"token": token_of(mail), "new": OTHER_PASSWORD})
        codes.append(answer.json().get("code"))
    assert codes == [None, "invalid_link", "invalid_link"]
    assert "mail_link_refused" in await scene.kinds()


async def test_links_and_codes_expire(scene: Scene) -> None:
    await scene.post("/password/forgot", {"email": ADA})
    mail = await scene.mail()
    scene.auth.clock.advance("20m")
    answer = await scene.post("/password/reset", {"email": ADA, "code": mail.code, "new": OTHER_PASSWORD})
    assert answer.status_code == 422
    scene.auth.clock.advance("40m")
    answer = await scene.post("/password/reset", {"token": token_of(mail), "new": OTHER_PASSWORD})
    assert answer.status_code == 422


@pytest.mark.parametrize("change", ["disable", "delete", "set_email", "set_password"])
async def test_what_changes_the_account_kills_the_link(scene: Scene, change: str) -> None:
    ada = await scene.auth.accounts.find("ada")
    await scene.post("/password/forgot", {"email": ADA})
    mail = await scene.mail()
    arguments = {"set_email": ("new@example.com",), "set_password": (OTHER_PASSWORD,)}
    await getattr(scene.auth.accounts, change)(ada.id, *arguments.get(change, ()))
    answer = await scene.post("/password/reset", {"token": token_of(mail), "new": "a third password of mine"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_link")


async def test_a_bad_new_password_uses_up_nothing(scene: Scene) -> None:
    await scene.post("/password/forgot", {"email": ADA})
    token = token_of(await scene.mail())
    answer = await scene.post("/password/reset", {"token": token, "new": "short"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "new")
    assert (await scene.post("/password/reset", {"token": token, "new": OTHER_PASSWORD})).status_code == 200


@pytest.mark.parametrize(
    "body",
    [{}, {"token": "x", "code": "12345678"}, {"email": ADA}, {"code": "12345678"}, {"token": "x", "email": ADA}],
)
async def test_a_proof_is_a_token_or_an_address_with_a_code(scene: Scene, body: dict[str, str]) -> None:
    for path, more in (("/password/reset", {"new": OTHER_PASSWORD}), ("/email/verify/confirm", {})):
        answer = await scene.post(path, body | more)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "token")


async def test_an_address_that_nobody_verified_is_reached_and_verified_by_a_reset() -> None:
    async with mail_scene(ada=False) as scene:
        assert (await scene.register()).json()["user"]["email_verified"] is False
        await scene.post("/password/forgot", {"email": ADA})
        answer = await scene.post("/password/reset", {"token": token_of(await scene.mail()), "new": OTHER_PASSWORD})
        assert answer.status_code == 200
        assert (await scene.auth.accounts.find("ada")).email_verified


async def test_registration_asks_for_verification_and_goes_on() -> None:
    async with mail_scene(ada=False, verify_email="optional") as scene:
        registered = await scene.register()
        assert registered.status_code == 201
        mail = await scene.mail()
        assert (mail.kind, mail.to) == ("verify", ADA)
        answer = await scene.post("/email/verify/confirm", {"token": token_of(mail)})
        assert (answer.status_code, answer.json()) == (200, {"email": ADA})
        token = registered.json()["access_token"]
        me = await scene.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert me.json()["email_verified"] is True, "the session goes on"
        again = await scene.post("/email/verify/confirm", {"token": token_of(mail)})
        assert again.status_code == 422
        assert (await scene.kinds()).count("email_verified") == 1


async def test_where_it_is_required_nobody_logs_in_before_the_address_is_verified() -> None:
    async with mail_scene(ada=False, verify_email="required") as scene:
        answer = await scene.register(email=None)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "email")
        answer = await scene.register()
        assert (answer.status_code, answer.json()["code"]) == (403, "email_unverified")
        first = await scene.mail()
        login = {"username": "ada", "password": PASSWORD}
        assert (await scene.post("/login", login | {"password": OTHER_PASSWORD})).status_code == 401
        answer = await scene.post("/login", login)
        assert (answer.status_code, answer.json()["code"]) == (403, "email_unverified")
        assert (await scene.mail()).kind == "verify", "a login asks for another mail"
        assert "session_started" not in await scene.kinds()
        answer = await scene.post("/email/verify/confirm", {"email": ADA, "code": first.code})
        assert answer.status_code == 200
        await scene.access_token()


async def test_a_caller_asks_for_the_mail_once_more(scene: Scene) -> None:
    await scene.register("bob", "bob@example.com")
    token = await scene.access_token("bob")
    assert (await scene.post("/email/verify/start")).status_code == 401
    assert (await scene.post("/email/verify/start", token=token)).status_code == 202
    mail = await scene.mail()
    assert (await scene.post("/email/verify/confirm", {"token": token_of(mail)})).status_code == 200
    answer = await scene.post("/email/verify/start", token=token)
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (422, "is verified already")


async def test_an_address_is_changed_when_the_new_one_has_proved_itself(scene: Scene) -> None:
    token = await scene.access_token()
    assert (await scene.post("/email/change", {"email": "new@example.com"})).status_code == 401
    assert (await scene.post("/email/change", {"email": "new@example.com"}, token=token)).status_code == 202
    mail = await scene.mail()
    assert (mail.kind, mail.to) == ("change", "new@example.com")
    assert (await scene.auth.accounts.find("ada")).email == ADA, "nothing is changed yet"
    answer = await scene.post("/email/verify/confirm", {"token": token_of(mail)})
    assert answer.json() == {"email": "new@example.com"}
    ada = await scene.auth.accounts.find("ada")
    assert (ada.email, ada.email_verified) == ("new@example.com", True)
    told = await scene.mail()
    assert (told.kind, told.to) == ("changed", ADA)
    assert "new@example.com" in told.text
    assert "/pages/email-undo#token=" in told.link


async def test_a_code_changes_the_address_of_the_caller_alone(scene: Scene) -> None:
    token = await scene.access_token()
    await scene.post("/email/change", {"email": "new@example.com"}, token=token)
    body = {"email": "new@example.com", "code": (await scene.mail()).code}
    assert (await scene.post("/email/verify/confirm", body)).status_code == 422
    await scene.register("bob", None)
    other = await scene.access_token("bob")
    assert (await scene.post("/email/verify/confirm", body, token=other)).status_code == 422
    assert (await scene.post("/email/verify/confirm", body, token=token)).status_code == 200


async def test_the_old_address_takes_the_change_back(scene: Scene) -> None:
    token = await scene.access_token()
    await scene.post("/email/change", {"email": "thief@example.com"}, token=token)
    await scene.post("/email/verify/confirm", {"token": token_of(await scene.mail())})
    undo = token_of(await scene.mail())
    thief = await scene.access_token()
    scene.auth.clock.advance("6d")
    assert (await scene.post("/email/undo", {"token": undo})).status_code == 204
    ada = await scene.auth.accounts.find("ada")
    assert (ada.email, ada.email_verified) == (ADA, True)
    assert (await scene.http.get("/auth/me", headers={"Authorization": f"Bearer {thief}"})).status_code == 401
    assert await scene.auth.list_sessions(ada.id) == []
    mail = await scene.mail()
    assert (mail.kind, mail.to) == ("reset", ADA), "the thief may know the password"
    assert (await scene.post("/email/undo", {"token": undo})).status_code == 422


async def test_a_thief_who_changes_twice_cannot_undo_the_undoing(scene: Scene) -> None:
    token = await scene.access_token()
    undos = []
    for address in ("thief1@example.com", "thief2@example.com"):
        await scene.post("/email/change", {"email": address}, token=token)
        await scene.post("/email/verify/confirm", {"token": token_of(await scene.mail())})
        undos.append(await scene.mail())
        token = await scene.access_token()
    first, second = undos
    assert (first.kind, first.to) == ("changed", ADA)
    assert (second.kind, second.to, second.link) == ("changed_again", "thief1@example.com", "")
    assert (await scene.post("/email/undo", {"token": token_of(first)})).status_code == 204
    assert (await scene.auth.accounts.find("ada")).email == ADA


async def test_language_is_that_of_the_browser(scene: Scene) -> None:
    await scene.post("/password/forgot", {"email": ADA}, headers={"Accept-Language": "fr, de-AT;q=0.9, en;q=0.8"})
    mail = await scene.mail()
    assert (mail.language, mail.subject) == ("de", "Ein neues Passwort für 127.0.0.1")
    assert '<html lang="de">' in mail.html


# log in by mail


@pytest.fixture
async def mailed() -> AsyncIterator[Scene]:
    async with mail_scene(email_login="on") as scene:
        yield scene


async def test_a_mailed_code_logs_in_once(mailed: Scene) -> None:
    begun = await mailed.post("/login/email/begin", {"response": {"email": "Ada@Example.com"}})
    assert (begun.status_code, begun.json()) == (200, {"challenge": {}})
    mail = await mailed.mail()
    assert (mail.kind, mail.to) == ("login", ADA)
    assert mail.code in mail.subject
    assert mail.link.endswith(f"/pages/login#email=ada%40example.com&code={mail.code}")
    response = {"email": ADA, "code": f"{mail.code[:4]} {mail.code[4:]}"}
    answer = await mailed.post("/login/email", {"response": response})
    assert (answer.status_code, answer.json()["user"]["username"]) == (200, "ada")
    user = mailed.auth.verify(answer.json()["access_token"])
    assert (user.amr, user.acr) == (("otp",), "sfa")
    again = await mailed.post("/login/email", {"response": response})
    assert (again.status_code, again.json()["code"]) == (401, "invalid_credentials")


async def test_a_mailed_code_is_good_in_the_browser_that_began_alone(mailed: Scene) -> None:
    await mailed.post("/login/email/begin", {"response": {"email": ADA}, "delivery": "cookie"})
    mail = await mailed.mail()
    cookies = dict(mailed.http.cookies)
    body = {"response": {"email": ADA, "code": mail.code}, "delivery": "cookie"}
    mailed.http.cookies.clear()
    assert (await mailed.post("/login/email", body)).status_code == 401
    mailed.http.cookies.update(cookies)
    assert (await mailed.post("/login/email", body)).status_code == 200


@pytest.mark.parametrize("change", ["ten minutes", "another address", "disabled"])
async def test_a_mailed_code_dies_with_what_it_rests_on(mailed: Scene, change: str) -> None:
    ada = await mailed.auth.accounts.find("ada")
    await mailed.post("/login/email/begin", {"response": {"email": ADA}})
    code = (await mailed.mail()).code
    if change == "ten minutes":
        mailed.auth.clock.advance("10m")
    elif change == "disabled":
        await mailed.auth.accounts.disable(ada.id)
    else:
        await mailed.auth.accounts.set_email(ada.id, "new@example.com")
    answer = await mailed.post("/login/email", {"response": {"email": ADA, "code": code}})
    assert answer.status_code == 401


async def test_an_address_that_nobody_verified_logs_nobody_in(mailed: Scene) -> None:
    await mailed.register("bob", "bob@example.com")
    for email in ("bob@example.com", "nobody@example.com", "no address"):
        begun = await mailed.post("/login/email/begin", {"response": {"email": email}})
        assert (begun.status_code, begun.json()) == (200, {"challenge": {}})
    assert await mailed.mails() == []
    causes = [event.cause for event in await mailed.auth.store.read_events() if event.kind == "mail_requested"]
    assert causes == ["login of nobody"] * 3


async def test_login_by_mail_is_off_unless_it_is_turned_on(scene: Scene) -> None:
    answer = await scene.post("/login/email/begin", {"response": {"email": ADA}})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_method")
