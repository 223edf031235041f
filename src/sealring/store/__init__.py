"""Where sessions, accounts, keys and revocations live."""
