"""Guards that an application forgot to attach: nobody becomes somebody by stating it, and nothing is open in silence.

`tests/frameworks/test_decorator_order.py` has the order of decorators.
"""

# mypy: disable-error-code="untyped-decorator"
# no postponed annotations: FastAPI cannot look up the local names in a string

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Security
from fastapi.testclient import TestClient
from pydantic import BaseModel, TypeAdapter

from sealring import Principal
from sealring.frameworks.fastapi import guard, optional_guard
from sealring.testing import principal
from tests.serving import cheap_sealring

STATED = {
    "subject": "admin", "session_id": "s", "client_id": "c", "scopes": ["admin"], "epoch": 0, "kid": "k",
    "token_id": "t", "issued_at": 0, "expires_at": 9, "auth_time": 0, "claims": {},
}  # fmt: skip


def test_j_a_principal_is_never_read_from_a_body() -> None:
    app = FastAPI()

    @app.post("/forgotten")
    async def forgotten(user: Principal) -> str:
        return user.subject

    client = TestClient(app)
    for body in (STATED, {}, "admin"):
        with pytest.raises(TypeError, match=r"from a guard, never from input: Annotated\[Principal, Security\(guard"):
            client.post("/forgotten", json=body)
    for read in (TypeAdapter(Principal).validate_python, TypeAdapter(list[Principal]).validate_python):
        with pytest.raises(TypeError, match="never from input"):
            read([STATED])


@pytest.mark.parametrize("make", [guard, optional_guard])
def test_j_a_guard_without_security_serves_nothing(make: Callable[[Any], Any]) -> None:
    app: Any = FastAPI()
    guarded = make(cheap_sealring())
    with pytest.raises(TypeError, match=r"write Security\(guard\(auth\)\)"):

        @app.post("/annotated")
        async def annotated(user: Annotated[Principal, guarded]) -> None: ...

    with pytest.raises(TypeError, match=r"write Security\(guard\(auth\)\)"):

        @app.post("/list", dependencies=[guarded])
        async def listed() -> None: ...

    @app.post("/default")
    async def default(user: Principal = guarded) -> None: ...

    with pytest.raises(TypeError, match=r"write Security\(guard\(auth\)\)"):
        TestClient(app).post("/default")
    with pytest.raises(TypeError, match="never from input"):
        TestClient(app).post("/default", json=STATED)


def test_a_principal_may_be_answered_with_and_held() -> None:
    app: Any = FastAPI()
    auth = cheap_sealring()
    known = principal("42", scopes=["a"])
    app.dependency_overrides[guard(auth)] = lambda: known

    @app.get("/me")
    async def me(user: Annotated[Principal, Security(guard(auth))]) -> Principal:
        return user

    class Order(BaseModel):
        buyer: Principal

    assert TestClient(app).get("/me").json()["subject"] == "42"
    assert "subject" in app.openapi()["components"]["schemas"]["Principal"]["properties"]
    assert Order(buyer=known).buyer is known
