"""The half that writes: accounts, passwords, log-in throttle, sessions, keys."""
