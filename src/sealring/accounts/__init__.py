"""User accounts: names, passwords, policy, changes. Pure."""
