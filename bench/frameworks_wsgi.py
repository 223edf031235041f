"""The WSGI applications of `bench/frameworks.py`: the route open, behind Sealring, behind the usual library."""

from __future__ import annotations

from functools import wraps
from typing import Any

import flask
from flask import Flask, jsonify, request
from flask_jwt_extended import JWTManager, create_access_token, jwt_required

from bench.frameworks_peers import PATH, SCOPE, SECRET, bearer_of
from sealring import Sealring
from sealring.frameworks.flask import current_principal, require


def flask_open(_: Sealring) -> Any:
    app = Flask("open")

    @app.get(PATH)
    def orders() -> flask.Response:
        return jsonify(orders=[])

    return app


def flask_ours(auth: Sealring) -> Any:
    app = Flask("ours")
    auth.init_app(app)

    @app.get(PATH)
    @require(SCOPE)
    def orders() -> flask.Response:
        return jsonify(orders=[] if current_principal.subject else None)

    return app


def flask_jwt_extended_app() -> Flask:
    app = Flask("flask_jwt_extended")
    app.config["JWT_SECRET_KEY"] = SECRET
    JWTManager(app)
    return app


def flask_jwt_extended(_: Sealring) -> Any:
    app = flask_jwt_extended_app()

    @app.get(PATH)
    @jwt_required()
    def orders() -> flask.Response:
        from flask_jwt_extended import get_jwt_identity  # noqa: PLC0415 - beside its one use

        return jsonify(orders=[] if get_jwt_identity() else None)

    return app


def flask_jwt_extended_token(name: str) -> str:
    with flask_jwt_extended_app().app_context():
        return str(create_access_token(name, additional_claims={"scope": SCOPE}))


def flask_pyjwt(_: Sealring) -> Any:
    app = Flask("pyjwt")

    def login_required(view: Any) -> Any:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            claims = bearer_of(request.headers.get("Authorization"))
            if claims is None:
                return jsonify(detail="not logged in"), 401
            flask.g.user = claims["sub"]
            return view(*args, **kwargs)

        return guarded

    @app.get(PATH)
    @login_required
    def orders() -> flask.Response:
        return jsonify(orders=[] if flask.g.user else None)

    return app
