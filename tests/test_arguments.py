"""A wrong argument is refused at once, by an error that names it and says what is wanted."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.serving import cheap_sealring

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("wrong", ["no", "False", 0, None])
@pytest.mark.parametrize("mount", ["router", "asgi", "wsgi", "django", "init_app"])
async def test_text_does_not_leave_registration_open(mount: str, wrong: Any) -> None:
    given = (Flask(__name__),) if mount == "init_app" else ()
    with pytest.raises(TypeError, match="accounts must be True or False"):
        getattr(cheap_sealring(), mount)(*given, accounts=wrong)
    if wrong is not None:
        with pytest.raises(TypeError, match="oauth must be True or False"):
            getattr(cheap_sealring(), mount)(*given, oauth=wrong)
