"""The pages that an application may use as they are: login, registration and the user's own account.

Each is a frame around one fragment of HTML, with one ES module that stands on `client.js`. `frame.py` puts them
together, `sealring.http.endpoints.pages` serves them below the auth path. No framework, no build, nothing inline.
"""
