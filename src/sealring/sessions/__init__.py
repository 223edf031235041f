"""Sessions: refresh tokens and their state machine, limits, CSRF tokens, cookies, grants. Pure."""
