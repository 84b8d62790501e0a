"""What can go wrong on a person's own machine, told so that they know what to do."""

from __future__ import annotations


class LaptopError(Exception):
    """No token, or no session; the text says why and, where there is something to do, what. Never holds a token."""


class SignInError(LaptopError):
    """There is no session, or it is over: `facility login` helps."""

    def __init__(self, vo: str, why: str) -> None:
        super().__init__(f"{why}: facility login --vo {vo}")
