"""The life of a session: refresh tokens, the state machine that moves them, limits, CSRF tokens. Pure."""
