"""Pages as a script reads them: their forms with the values they would be sent with, and their words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser


@dataclass
class Form:
    """The first form of a page: where it goes and what it holds."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        if tag == "form":
            self.forms.append(Form(found.get("action", "")))
        elif tag in ("input", "button") and self.forms and found.get("name"):
            kind = found.get("type", "")
            if kind not in ("radio", "checkbox") or "checked" in found:
                self.forms[-1].fields.setdefault(found["name"], found.get("value", ""))


def forms(page: str) -> list[Form]:
    """All forms of a page with the values they would be sent with."""
    parser = _Forms()
    parser.feed(page)
    return parser.forms


def words(page: str) -> str:
    """The text of a page, for error messages."""
    text = re.sub(r"(?s)<(script|style|head)\b.*?</\1>", " ", page)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", text))).strip()[:600]
