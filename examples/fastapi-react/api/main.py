"""Notes of the user who asks. The page that shows them is on another origin."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

from fastapi import Body, FastAPI, Security
from fastapi.middleware.cors import CORSMiddleware

from sealring import Principal, Sealring, SealringError
from sealring.frameworks.fastapi import guard

auth = Sealring()
app = FastAPI(lifespan=auth.lifespan)
app.include_router(auth.router())
app.include_router(auth.health_router())
app.add_exception_handler(SealringError, auth.problem_response)
app.add_middleware(auth.middleware)
app.add_middleware(
    CORSMiddleware,  # for the routes below; preflights of the auth routes pass it too
    allow_origins=auth.settings.allowed_origins,
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["X-CSRF-Token"],
)

User = Annotated[Principal, Security(guard(auth))]
notes: defaultdict[str, list[str]] = defaultdict(list)


@app.get("/notes")
async def read_notes(user: User) -> list[str]:
    """All of them, oldest first."""
    return notes[user.subject]


@app.post("/notes", status_code=201)
async def write_note(user: User, text: Annotated[str, Body(embed=True, min_length=1, max_length=200)]) -> None:
    """One more."""
    notes[user.subject].append(text)
