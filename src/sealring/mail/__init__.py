"""Sends mail: messages, templates, and what carries them (SMTP, a console, a function of the application's)."""
