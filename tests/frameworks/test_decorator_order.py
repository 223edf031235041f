"""`@require` above the decorator that registers the view guards nothing: it is refused before anything is served."""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.views import MethodView
from quart import Blueprint as QuartBlueprint
from quart import Quart
from quart.testing.app import LifespanError

from sealring import ConfigurationError
from sealring.frameworks import decorator_order, flask, quart
from tests.serving import cheap_sealring

WRONG = r"@require at .*test_decorator_order.py, line \d+, does not guard orders: put it below the one that reg"

FRAMEWORKS = pytest.mark.parametrize(("module", "make_app"), [(flask, Flask), (quart, Quart)])


@FRAMEWORKS
def test_a_guard_above_the_route_is_refused_where_it_stands(module: Any, make_app: Callable[..., Any]) -> None:
    app = make_app(__name__)
    cheap_sealring().init_app(app)
    with pytest.raises(ConfigurationError, match=WRONG):

        @module.require("orders:read")
        @app.get("/orders")
        def orders() -> str:
            return "open"

    with pytest.raises(ConfigurationError, match=WRONG):

        @module.require("orders:read")
        @app.before_request
        def orders() -> None:
            """Lets everybody pass."""


@FRAMEWORKS
def test_init_app_refuses_a_guard_above_the_route(module: Any, make_app: Callable[..., Any]) -> None:
    app = make_app(__name__)

    @module.require("orders:read")
    @app.get("/orders")
    def orders() -> str:
        return "open"

    del orders  # the guarded function is gone, and the view is not
    gc.collect()
    with pytest.raises(ConfigurationError, match=WRONG):
        cheap_sealring().init_app(app)


def wrong_blueprint(module: Any, make_blueprint: Callable[..., Any], *, hook: bool) -> Any:
    blueprint = make_blueprint("shop", __name__)
    if hook:

        @module.require("orders:read")
        @blueprint.before_request
        def orders() -> None:
            """Lets everybody pass."""

    else:

        @module.require("orders:read")
        @blueprint.get("/orders")
        def orders() -> str:
            return "open"

    blueprint.add_url_rule("/other", "other", lambda: "other")
    return blueprint


@pytest.mark.parametrize("hook", [False, True])
def test_the_first_request_of_flask_refuses_that_of_a_blueprint(*, hook: bool) -> None:
    app: Any = Flask(__name__)
    auth = cheap_sealring()
    auth.init_app(app)
    app.register_blueprint(wrong_blueprint(flask, Blueprint, hook=hook))
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=WRONG):
            app.test_client().get("/other")


@pytest.mark.anyio
@pytest.mark.parametrize("hook", [False, True])
async def test_the_start_of_quart_refuses_that_of_a_blueprint(*, hook: bool) -> None:
    app: Any = Quart(__name__)
    cheap_sealring().init_app(app)
    app.register_blueprint(wrong_blueprint(quart, QuartBlueprint, hook=hook))
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=WRONG):
            await app.test_client().get("/other")
    with pytest.raises(LifespanError, match="does not guard orders"):
        async with app.test_app():
            pass


def test_a_websocket_of_quart_is_looked_at_too() -> None:
    app: Any = Quart(__name__)
    cheap_sealring().init_app(app)
    with pytest.raises(ConfigurationError, match=WRONG):

        @quart.require("orders:read")
        @app.websocket("/orders")
        async def orders() -> None: ...

    with pytest.raises(ConfigurationError, match=WRONG):

        @quart.require("orders:read")
        @app.before_websocket
        async def orders() -> None: ...


def test_decorators_between_and_around_change_nothing() -> None:
    app: Any = Flask(__name__)
    cheap_sealring().init_app(app)

    def logged(view: Any) -> Any:
        @wraps(view)
        def logging(*args: Any, **kwargs: Any) -> Any:
            return view(*args, **kwargs)

        return logging

    def admins_only(view: Any) -> Any:
        return flask.require("admin")(view)

    with pytest.raises(ConfigurationError, match=WRONG):

        @flask.require()
        @logged
        @app.get("/logged")
        def orders() -> str:
            return "open"

    with pytest.raises(ConfigurationError, match=WRONG):

        @admins_only
        @app.get("/admins", endpoint="admins")
        def orders() -> str:
            return "open"

    with pytest.raises(ConfigurationError, match=WRONG):

        @flask.require("admin")
        @app.get("/half", endpoint="half")
        @flask.require()
        def orders() -> str:
            return "for too many"


def test_what_is_right_stays_right() -> None:
    app: Any = Flask(__name__)
    auth = cheap_sealring()
    auth.init_app(app)

    @app.get("/one")
    @app.get("/two")
    @flask.require("admin")
    @flask.require()
    def orders() -> str:
        return "orders"

    def everybody() -> str:
        return "everybody"

    app.add_url_rule("/open", "open", everybody)
    app.add_url_rule("/mine", "mine", flask.require()(everybody))
    app.add_url_rule("/lambda", view_func=flask.require()(lambda: "x"), endpoint="lambda")
    app.add_url_rule("/call", "call", flask.require()(partial(str)))

    @app.before_request
    @flask.require(optional=True)
    def look() -> None: ...

    client = app.test_client()
    assert client.get("/open").text == "everybody"
    assert [client.get(path).status_code for path in ("/one", "/two", "/mine", "/lambda", "/call")] == [401] * 5
    auth.sync().close()


@FRAMEWORKS
def test_a_class_is_told_where_its_guards_go(module: Any, make_app: object) -> None:  # noqa: ARG001
    with pytest.raises(TypeError, match=r"write decorators = \[require\(...\)\] in the class Orders"):

        @module.require()
        class Orders(MethodView):
            """Its methods."""


def test_nothing_that_is_remembered_keeps_an_application_alive() -> None:
    gc.collect()
    before = len(decorator_order._DECORATED), len(decorator_order._APPLICATIONS)
    test_what_is_right_stays_right()
    gc.collect()
    assert (len(decorator_order._DECORATED), len(decorator_order._APPLICATIONS)) == before
