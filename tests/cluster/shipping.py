"""Putting the demo's notebook code into a person's home."""

from __future__ import annotations

from importlib import resources

from facility.dev.demo.person import Person


async def ship(person: Person, *names: str) -> None:
    """Files of facility/dev/demo/notebook by their names without ending, and the analysis that all of them use."""
    files = [resources.files("facility.dev.demo.notebook") / f"{name}.py" for name in names]
    for file in (*files, resources.files("facility.dev.lake") / "analysis.py"):
        await person.put(file.name, file.read_text())
