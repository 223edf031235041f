"""The half that writes: accounts, passwords, login throttle, sessions, keys."""
