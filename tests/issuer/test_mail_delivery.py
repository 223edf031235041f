"""Mail goes out at least once: after a failure, after a crash, by one node at a time; and not for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sealring import ConfigurationError, MailMessage, MailRefused, Sealring
from sealring.issuer.mail_delivery import MailDelivery
from sealring.mail.mailer import ConsoleMailer, FunctionMailer, mailer_of
from sealring.store.memory import MemoryStore
from sealring.testing import InMemorySealring
from tests.mailing import ADA
from tests.serving import PASSWORD, SECRET

pytestmark = pytest.mark.anyio
HERE = "192.0.2.7"


class Postman:
    """Sends, or raises what it was told."""

    def __init__(self) -> None:
        self.sent: list[MailMessage] = []
        self.tried = 0
        self.fault: Exception | None = None

    async def send(self, message: MailMessage) -> None:
        self.tried += 1
        if self.fault is not None:
            raise self.fault
        self.sent.append(message)


@pytest.fixture
def postman() -> Postman:
    return Postman()


@pytest.fixture
async def auth(postman: Postman) -> AsyncIterator[InMemorySealring]:
    auth = InMemorySealring(mail=postman)
    await auth.open(follow=False)  # nothing sends but `deliver_mail`
    await auth.accounts.create("ada", PASSWORD, email=ADA)
    yield auth
    await auth.close()


async def test_a_mail_that_fails_is_tried_again_later_and_later(auth: InMemorySealring, postman: Postman) -> None:
    await auth.forgot_password(ADA, address=HERE)
    postman.fault = OSError("no route to host")
    for tries, wait in enumerate(("60s", "120s", "240s"), 1):
        await auth.deliver_mail()
        await auth.deliver_mail()
        assert postman.tried == tries
        auth.clock.advance(wait)
    postman.fault = None
    await auth.deliver_mail()
    auth.clock.advance("1h")
    await auth.deliver_mail()
    assert [mail.to for mail in postman.sent] == [ADA]


async def test_a_mail_is_given_up_when_it_is_of_no_use(auth: InMemorySealring, postman: Postman) -> None:
    await auth.forgot_password(ADA, address=HERE)
    postman.fault = OSError("no route to host")
    await auth.deliver_mail()
    auth.clock.advance("1h")
    postman.fault = None
    await auth.deliver_mail()
    assert postman.sent == []
    failed = [event for event in await auth.store.read_events() if event.kind == "mail_failed"]
    assert [(event.cause, dict(event.detail)) for event in failed] == [
        ("could not be sent in time", {"mail": "reset", "tries": 2})
    ]


async def test_a_mail_that_is_refused_for_good_is_not_tried_again(auth: InMemorySealring, postman: Postman) -> None:
    await auth.forgot_password(ADA, address=HERE)
    postman.fault = MailRefused("no such mailbox")
    await auth.deliver_mail()
    auth.clock.advance("5m")
    await auth.deliver_mail()
    assert postman.tried == 1
    assert [event.cause for event in await auth.store.read_events() if event.kind == "mail_failed"] == [
        "refused for good"
    ]


async def test_p1_a_node_that_is_killed_while_it_sends_loses_no_mail(auth: InMemorySealring, postman: Postman) -> None:
    await auth.forgot_password(ADA, address=HERE)
    (claimed,) = await auth.store.claim_mails(now=auth.clock.now_ms() // 1000, limit=9)  # and then it is killed
    await auth.deliver_mail()
    assert postman.sent == [], "another node leaves it to the one that claimed it"
    auth.clock.advance("60s")
    await auth.deliver_mail()
    assert [mail.id for mail in postman.sent] == [claimed.id]


async def test_what_was_overtaken_before_it_was_sent_is_dropped(auth: InMemorySealring, postman: Postman) -> None:
    ada = await auth.accounts.find("ada")
    await auth.forgot_password(ADA, address=HERE)
    await auth.accounts.set_email(ada.id, "b@example.com")
    await auth.deliver_mail()
    await auth.accounts.set_email(ada.id, ADA)
    await auth.forgot_password(ADA, address=HERE)
    await auth.accounts.disable(ada.id)
    await auth.deliver_mail()
    await auth.accounts.enable(ada.id)
    await auth.forgot_password(ADA, address=HERE)
    await auth.accounts.delete(ada.id)
    await auth.deliver_mail()
    assert postman.sent == []
    assert await auth.store.claim_mails(now=auth.clock.now_ms() // 1000 + 3600, limit=9) == []


async def test_two_nodes_send_each_mail_once(auth: InMemorySealring, postman: Postman) -> None:
    for number in range(12):
        account = await auth.accounts.create(f"u{number}", None, email=f"u{number}@example.com")
        await auth.forgot_password(account.email or "", address=HERE)
    parts = auth.parts.mail
    other = MailDelivery(auth.parts.committing, parts.composer, postman, clock=auth.clock.now_ms)
    await asyncio.gather(auth.deliver_mail(), other.deliver())
    assert sorted(mail.to for mail in postman.sent) == sorted(f"u{number}@example.com" for number in range(12))


async def test_a_node_that_runs_sends_at_once() -> None:
    arrived: asyncio.Queue[MailMessage] = asyncio.Queue()
    auth = InMemorySealring(mail=arrived.put)
    async with auth.lifespan():
        await auth.accounts.create("ada", PASSWORD, email=ADA)
        await auth.forgot_password(ADA, address=HERE)
        async with asyncio.timeout(20):
            assert (await arrived.get()).to == ADA


async def test_no_answer_waits_for_a_mail_server() -> None:
    stuck = asyncio.Event()

    async def hang(_: MailMessage) -> None:
        await stuck.wait()

    auth = InMemorySealring(mail=hang)
    async with auth.lifespan():
        await auth.accounts.create("ada", PASSWORD, email=ADA)
        await auth.forgot_password(ADA, address=HERE)  # returns, though nothing is ever sent


def test_a_mailer_is_an_object_with_send_or_a_function() -> None:
    postman = Postman()
    assert mailer_of(postman) is postman
    assert isinstance(mailer_of(print), FunctionMailer)
    for wrong in (7, "smtp://host", Postman, None):
        with pytest.raises(TypeError, match="mail must be a Mailer"):
            mailer_of(wrong)


async def test_the_console_prints_what_is_to_be_opened(capsys: pytest.CaptureFixture[str]) -> None:
    message = MailMessage(
        id="m", kind="reset", to=ADA, language="en", subject="Hi", text="", html="", link="http://x/#token=t", code="1"
    )
    await ConsoleMailer().send(message)
    assert capsys.readouterr().err == f"mail to {ADA}: Hi\n  http://x/#token=t\n  1\n"


@pytest.mark.parametrize("setting", [{"verify_email": "optional"}, {"verify_email": "required"}, {"email_login": "on"}])
async def test_what_needs_mail_does_not_start_without(setting: dict[str, str]) -> None:
    auth = Sealring(secret=SECRET, issuer="https://auth.example.com", store=MemoryStore(), **setting)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="no mail is set up"):
        await auth.open()
    await auth.open(follow=False)  # a command of the operator's sends none
    await auth.close()


def test_a_mail_server_needs_a_sender() -> None:
    with pytest.raises(ConfigurationError, match="SEALRING_MAIL_FROM: is needed"):
        Sealring(secret=SECRET, mail_url="smtps://mail.example.com")
    with pytest.raises(ConfigurationError, match="SEALRING_MAIL_LANGUAGE: must be one of de, en"):
        Sealring(secret=SECRET, mail_language="fr")
