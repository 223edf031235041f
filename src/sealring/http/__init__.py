"""HTTP: credentials, cookies, CSRF, the ASGI middleware, the auth routes."""
