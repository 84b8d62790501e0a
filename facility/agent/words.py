"""What people read of times and errors; imports next to nothing, as commands that run for a moment use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facility.codes import SIGN_IN


def reason(answer: Mapping[str, Any]) -> str:
    """What a person should read of an error, with what to do where they can do something."""
    text = f"{answer.get('error_description') or 'no reason given'} ({answer.get('error')})"
    return f"sign in again: {text}" if answer.get("error") == SIGN_IN else text


def span(seconds: int) -> str:
    """A time to come, for people: `1 h 5 min`, `12 min 5 s`, `40 s`."""
    minutes, rest = divmod(seconds, 60)
    hours, of_hour = divmod(minutes, 60)
    if hours:
        return f"{hours} h {of_hour} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
