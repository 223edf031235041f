"""Which modules hold checks, which tests must fail without each, and which survivors are no gap."""

from __future__ import annotations

from collections.abc import Mapping

# the differential test is left out: a named test must fail, not a lucky draw
_JWT_TESTS = (
    "tests/attacks/test_j_tokens.py",
    *(f"tests/jwt/test_{name}.py" for name in ("verifier", "claims", "key_set")),
    *(f"tests/jwt/test_{name}.py" for name in ("one_shot", "base64url", "compact", "strict_json", "sign")),
    *(f"tests/jwt/test_{name}.py" for name in ("durations", "algorithms", "remote_key_set", "keys", "new_key_type")),
    *(f"tests/jwt/test_{name}.py" for name in ("other_issuers", "external_signer")),
    "tests/verifier/test_remote_keys.py",
    "tests/vectors",
)


def _jwt(nearest: str) -> tuple[str, ...]:
    """All tests of the token layer, those that most likely fail first."""
    return (nearest, *(file for file in _JWT_TESTS if file != nearest))


TESTS: Mapping[str, tuple[str, ...]] = {
    **{
        f"jwt/{name}": _jwt(f"tests/jwt/test_{name}.py")
        for name in (
            "compact",
            "claims",
            "verifier",
            "key_set",
            "base64url",
            "strict_json",
            "algorithms",
            "keys",
            "remote_key_set",
            "durations",
            "one_shot",
            "external_signer",
        )
    },
    "jwt/dates": _jwt("tests/jwt/test_other_issuers.py"),
    "jwt/key_types/__init__": _jwt("tests/jwt/test_external_signer.py"),
    **{f"jwt/{name}": _jwt("tests/jwt/test_sign.py") for name in ("headers", "signing", "frozen", "values")},
    **{
        f"jwt/{name}": _jwt("tests/jwt/test_keys.py")
        for name in ("jwk", "pem", "key_confusion", *(f"key_types/{kind}" for kind in ("oct", "rsa", "ec", "okp")))
    },
    **{f"jwt/{name}": _jwt("tests/jwt/test_verifier.py") for name in ("pipeline", "policy", "selection")},
    "sessions/access_token": ("tests/sessions/test_access_token.py", "tests/verifier/test_principal.py"),
    "sessions/status_list": ("tests/sessions/test_status_list.py",),
    "sessions/client_id": ("tests/http/routes/test_clients.py",),
    "sessions/csrf": ("tests/sessions/test_csrf.py",),
    "sessions/grant": ("tests/sessions/test_grant.py",),
    "sessions/proof_nonce": ("tests/sessions/test_proof_nonce.py",),
    "sessions/lifetimes": ("tests/sessions/test_lifetimes.py",),
    "sessions/refresh": ("tests/sessions/test_refresh.py",),
    "sessions/step_up": ("tests/sessions/test_step_up.py",),
    "sessions/mac": ("tests/sessions/test_mac.py", "tests/sessions/test_csrf.py"),
    "sessions/access_ttl": ("tests/sessions/test_access_ttl.py",),
    "sessions/declared_settings": ("tests/issuer/test_declared_settings.py",),
    "sessions/device": ("tests/sessions/test_device.py",),
    "sessions/device_binding": ("tests/sessions/test_device_binding.py",),
    "sessions/device_proof": ("tests/sessions/test_device_proof.py", "tests/attacks/test_b_bound_sessions.py"),
    "sessions/session": ("tests/attacks/test_b_bound_sessions.py",),
    "sessions/refresh_token": ("tests/sessions/test_refresh_token.py",),
    "sessions/session_cookie": ("tests/sessions/test_session_cookie.py",),
    "revocation/compact_set": ("tests/revocation/test_view.py",),
    "revocation/expiring_set": ("tests/revocation/test_expiring_set.py",),
    "revocation/view": ("tests/revocation/test_view.py",),
    "revocation/wire": ("tests/revocation/test_wire.py",),
    "signing_keys/lifecycle": ("tests/signing_keys/test_lifecycle.py",),
    "signing_keys/encryption": ("tests/signing_keys/test_encryption.py",),
    **{
        f"rate_limits/{name}": ("tests/rate_limits/test_buckets.py",)
        for name in ("blocked", "bucket", "buckets", "device_cookie", "networks", "rate")
    },
    "rate_limits/gcra": ("tests/rate_limits/test_gcra.py",),
    **{
        f"verifier/{name}": ("tests/verifier/test_follower.py", "tests/verifier/test_heartbeat.py")
        for name in ("follower", "node_state")
    },
    **{
        f"verifier/{name}": ("tests/verifier/test_while_live.py", "tests/attacks/test_c_websockets.py")
        for name in ("open_connections", "while_live")
    },
    "http/websockets": ("tests/http/test_websockets.py", "tests/attacks/test_c_websockets.py"),
    **{
        f"verifier/{name}": ("tests/verifier/test_remote_issuer.py", "tests/verifier/test_remote_keys.py")
        for name in ("remote_keys", "http_document", "issuer_metadata")
    },
    "accounts/consequences": ("tests/accounts/test_consequences.py",),
    "accounts/oauth_client": ("tests/accounts/test_oauth_client.py", "tests/http/routes/test_clients.py"),
    "accounts/names": ("tests/accounts/test_names.py",),
    "accounts/passwords": ("tests/accounts/test_passwords.py",),
    "accounts/policy": ("tests/accounts/test_policy.py",),
    "accounts/argon2id": ("tests/accounts/test_argon2id.py",),
    "accounts/foreign_hash": ("tests/accounts/test_hash_notations.py",),
    "accounts/hash_notations": ("tests/accounts/test_hash_notations.py",),
    "accounts/imported": ("tests/issuer/test_account_commands.py", "tests/cli/test_import_users.py"),
    "accounts/account": ("tests/http/routes/test_email.py",),
    "audit/queued_mail": ("tests/mail/test_templates.py", "tests/issuer/test_mail_delivery.py"),
    "audit/event": ("tests/audit/test_events.py",),
    **{
        f"http/{name}": (f"tests/http/test_{name}.py",)
        for name in ("credentials", "fetch_metadata", "cookies", "client_address", "body")
    },
    "http/authenticate": ("tests/http/test_authenticate.py", "tests/http/test_foreign_tokens.py"),
    "verifier/foreign_principal": ("tests/http/test_foreign_tokens.py",),
    "http/protected_paths": ("tests/http/test_protected_paths.py", "tests/attacks/test_n_paths.py"),
    "http/proofs": ("tests/http/test_proofs.py", "tests/attacks/test_dpop.py"),
    "http/signed_introspection": ("tests/http/routes/test_presented_token.py",),
    "jwt/dpop": ("tests/jwt/test_dpop.py",),
    "verifier/proof_memory": ("tests/verifier/test_proof_memory.py",),
    "http/auth_path": ("tests/http/test_auth_path.py",),
    "http/pipeline": ("tests/http/test_pipeline.py",),
    "http/cors": ("tests/http/test_cors.py",),
    "http/origins": ("tests/http/test_origins.py",),
    "settings/root_secret": ("tests/settings/test_root_secret.py",),
    "issuer/commit": ("tests/issuer/test_commit.py",),
    "providers/id_token": ("tests/attacks/test_oidc.py",),
    "providers/metadata": ("tests/attacks/test_oidc.py",),
    "http/local_path": ("tests/attacks/test_oidc.py",),
    **{
        f"authentication/{name}": (f"tests/authentication/test_{name}.py",)
        for name in ("decision", "identity", "one_time", "pending", "sign_in")
    },
    "authentication/method": ("tests/authentication/test_decision.py",),
    "authentication/passkey": ("tests/attacks/test_passkeys.py", "tests/http/routes/test_passkeys.py"),
    **{
        f"authentication/{name}": (f"tests/authentication/test_{name}.py",)
        for name in ("mail_link", "totp", "recovery_codes")
    },
    "authentication/passkey_challenge": ("tests/authentication/test_passkey_challenge.py",),
    "authentication/relying_party": ("tests/http/routes/test_passkeys.py",),
    "authentication/removal": ("tests/authentication/test_removal.py",),
}
"""Module → the files whose tests must fail, the nearest first. They run the module in their own process."""

EQUIVALENT: Mapping[tuple[str, str, str], str] = {
    (
        "jwt/compact",
        "operand 1 of Or",
        'token.count(".") != 2',
    ): "too many or too few parts are no base64 either; this says it better",
    ("jwt/pipeline", "operand 0 of Or", "known or _read_new_header("): "a header that is known is read again: slower",
    ("jwt/selection", "operand 0 of Or", "current is None"): "no key is bound to an algorithm named None",
    ("jwt/durations", "operand 0 of Or", "shape is None"): "for the type alone: without a shape there is no scale",
    ("jwt/selection", "operand 0 of And", "ours.get(kid)"): "no key is named None",
    ("jwt/claims", "operand 1 of Or", "more <= claims.keys()"): "the long way answers the same",
    ("jwt/claims", "answer -> False", "not has_more and not"): "the long way answers the same: slower",
    (
        "jwt/claims",
        "conditional -> its body",
        "lowest = -1 if",
    ): "the long way answers the same: dates before 1970 take it",
    ("jwt/claims", "conditional -> its else", "next(iter(allowed.strings)"): "the long way answers the same: slower",
    ("jwt/pipeline", "conditional -> its else", "header.copy() if flat_header"): "a deep copy is one, too: slower",
    ("jwt/key_set", "conditional -> its body", "named = self._by_name"): "no key is named None",
    (
        "jwt/verifier",
        "conditional -> its else",
        "return entry[4] in answer",
    ): "no key equals a set: verified anew, slower",
    ("jwt/policy", "conditional -> its else", "frozen = {"): "a list has no hash: compiled without the cache, slower",
    ("jwt/strict_json", "if -> pass", "if unique:"): "counting finds each name once: slower",
    ("http/pipeline", "operand 0 of Or", "if endpoint.query is None and (not text"): "an empty query has no names",
    ("jwt/verifier", "if -> pass", "if entry[3]:"): "a deep copy is one, too: slower",
    ("jwt/claims", "if -> pass", ": if ("): "the long way answers the same: slower",
    ("jwt/claims", "if -> pass", "if exp - iat <= longest"): "the long way answers the same: slower",
    ("jwt/compact", "if -> pass", "if unique and text[-1]"): "the long way answers the same: slower",
    ("jwt/compact", "operand 0 of Or", "unique = "): "printing back proves the same: slower",
    ("jwt/compact", "operand 1 of Or", "unique = "): "the long way answers the same",
    (
        "jwt/strict_json",
        "raise -> pass",
        "an integer is too long",
    ): "the digits are bounded before, unless an application lowers it",
    ("jwt/claims", "operand 1 of Or", "more = frozenset("): "an empty set is in every token's names: slower",
    (
        "verifier/http_document",
        "operand 1 of Or",
        'hostname or ""',
    ): "for the type alone: a URL that is accepted has a host",
    (
        "sessions/refresh",
        "raise -> pass",
        "no child was minted",
    ): "for the type alone: no window opens before a child was minted",
    (
        "signing_keys/lifecycle",
        "operand 0 of And",
        "current is not None and current.kid",
    ): "for the type alone: a key of the ring that may sign has one that signs beside it, or is it",
    (
        "verifier/node_state",
        "operand 1 of Or",
        "loaded.add(self._committed_here",
    ): "for the type alone: a reload that finishes has begun",
    (
        "http/protected_paths",
        "if -> pass",
        "if not root_path and _ORDINARY",
    ): "the rules one by one answer the same: slower",
    ("http/cookies", "operand 0 of And", "if _DOLLAR in line"): "the search alone answers the same: slower",
    ("revocation/view", "operand 0 of And", "if self._sessions and"): "nothing is in an empty table: slower",
    ("revocation/view", "operand 0 of And", "if self._keys and"): "nothing is in an empty table: slower",
    ("revocation/expiring_set", "if -> pass", "if mark == self._last_mark"): "equal tuples, one for each: more memory",
    ("revocation/compact_set", "if -> pass", "win32"): "another platform",
    (
        "revocation/compact_set",
        "if -> pass",
        "if not self._filter[",
    ): "without the filter the tables are searched: slower; scripts/bench measures it",
    ("revocation/compact_set", "if -> pass", "if not self._dropped_bits"): "nothing to clear: slower",
    ("revocation/wire", "raise -> pass", "three base64url parts with two dots"): "each part is refused when it is read",
    ("revocation/wire", "operand 0 of Or", "if not text.isascii() or"): "each part is refused when it is read",
    ("revocation/wire", "operand 1 of Or", "if not text.isascii() or"): "each part is refused when it is read",
}
"""Module, what was deleted, a piece of the line → why no test can tell it from the original."""
