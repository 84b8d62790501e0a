"""`python -m facility.dev.reference`: writes the reference pages of the kinds of objects from their models.

The pages are made of the same schema as the CRDs, so that what people read is what the API server checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from facility.broker import people
from facility.operator import crds

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
_MADE = "<!-- Made by `python -m facility.dev.reference` from the models: change those. -->"
_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "maxProperties": "at most {} of them",
    "minimum": "from {}",
    "maximum": "to {}",
    "pattern": "`{}`",
}
_VO = """\
One virtual organization (VO): who signs its people's tokens, what they may ask for, where its data are. A site's
administrator writes it into the facility's namespace; [how to](../how-to/add-a-vo.md) says how, and what each reason of
its conditions asks for. Nothing in it is a secret.

What can be known from the object alone is checked at `kubectl apply`, and refused with the sentences below. What only
the world can tell is checked by the operator, which says so in the conditions: whether the issuer answers and names
itself so, whether the client's Secret is there, whether issuer and prefixes are no older VO's. The names of an
`environment` are checked by the operator too: letters, digits and underscores."""
_USER = """\
One person in one VO. The broker makes it at the first sign-in; the operator adds the `uid`. Its name is the person's
name at the hub, such as `cms-alice`, and belongs to the first subject that came with it. Nothing in it is a secret.

Read it to see who has signed in and whether their tokens are renewed. Do not write it. Deleting it ends the person's
session and gives the name free: see [how to](../how-to/add-a-vo.md#when-a-person-leaves) before doing so."""

_DATASET = """\
A part of the lake that a VO's caches are to hold: brought ahead of need, and kept if it is pinned. A site's
administrator, or whom the site lets, writes it into the facility's namespace;
[how to](../how-to/hold-datasets.md) says how, and what each reason of its condition asks for. Nothing in it is a
secret."""


def pages() -> dict[str, str]:
    """File name to text of every page."""
    return {
        "virtual-organization.md": page(crds.virtual_organizations(), _VO),
        "cached-dataset.md": page(crds.cached_datasets(), _DATASET),
        "facility-user.md": page(crds.facility_users(), _USER) + reasons(),
    }


def page(definition: dict[str, Any], preface: str) -> str:
    """The page of one CustomResourceDefinition."""
    spec, (version,) = definition["spec"], definition["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    columns = ", ".join(f"`{column['name']}`" for column in version["additionalPrinterColumns"])
    called = spec["names"]
    return "\n".join(
        [
            _MADE,
            f"# {called['kind']}",
            "",
            preface,
            "",
            f"- `apiVersion: {spec['group']}/{version['name']}`, `kind: {called['kind']}`, namespaced",
            f"- `kubectl get {called['plural']}`, short `{called['shortNames'][0]}`; it shows",
            f"  {columns} (the last with `-o wide`)",
            *(f"- {rule['message']}" for rule in schema["x-kubernetes-validations"]),
            "",
            *(line for part in ("spec", "status") for line in table(part, schema["properties"][part])),
        ]
    )


def table(part: str, schema: dict[str, Any]) -> list[str]:
    """A section with one line for each field."""
    head = [f"## {part}", "", "| field | type | needed | meaning |", "|---|---|---|---|"]
    return [*head, *(f"| {' | '.join(row)} |" for row in rows(schema, "")), ""]


def rows(schema: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    """Field, type with limits, whether it is needed, meaning; parents before what is in them."""
    for name, field in schema["properties"].items():
        needed = "yes" if name in schema.get("required", ()) else ""
        items = field.get("items", {})
        yield f"`{prefix}{name}`", kind(field), needed, cell(meaning(field))
        if "properties" in field:
            yield from rows(field, f"{prefix}{name}.")
        elif "properties" in items:
            yield from rows(items, f"{prefix}{name}[].")


def meaning(field: dict[str, Any]) -> str:
    """Its description, and what is said when it is refused."""
    rules = [*field.get("x-kubernetes-validations", ()), *field.get("items", {}).get("x-kubernetes-validations", ())]
    refused = "; ".join(rule["message"] for rule in rules)
    return f"{field.get('description', '')} {f'*Refused with: {refused}.*' if refused else ''}".strip()


def kind(field: dict[str, Any]) -> str:
    """The type in words, with its limits."""
    items = field.get("items")
    named = f"list of {kind(items)}" if items else field["type"]
    if values := field.get("additionalProperties"):
        named = f"map of {kind(values)}"
    choices = [f"one of {' '.join(field['enum'])}"] if "enum" in field else []
    words = _LIMITS | ({"minimum": "above {}"} if field.get("exclusiveMinimum") else {})
    limits = [text.format(cell(str(field[key]))) for key, text in words.items() if key in field]
    return ", ".join([named, *choices, *limits])


def cell(text: str) -> str:
    """Text for a cell of a table: one line, no bar that would end it."""
    return " ".join(text.split()).replace("|", "\\|")


def reasons() -> str:
    """What the broker says of a person's session."""
    states = {"SignedIn": "True", "SignInAgain": "False", "NotInGroup": "False", "VOClosed": "False"}
    lines: Iterable[str] = (
        f"| `{states.get(reason, 'Unknown')}` | `{reason}` | {text} |" for reason, text in people.MESSAGES.items()
    )
    head = ["", "## The condition TokenReady", "", "| status | reason | message |", "|---|---|---|"]
    return "\n".join([*head, *lines, ""])


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
