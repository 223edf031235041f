"""The half that writes: accounts, passwords, login attempts, sessions, keys."""
