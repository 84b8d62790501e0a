"""Text of a VO's object that goes into configuration files of XRootD, where one wrong letter would be a new rule."""

from __future__ import annotations

import re

from facility import quantity

#: no white space, brackets, quotes, comma, semicolon, '#', '$' or backslash: none of XRootD's or INI's own signs
_SAFE = re.compile(r"[A-Za-z0-9._~:/@+=%?&-]+")
#: XRootD 6.2 read a line of 600 characters; of one of 1200 it lost the end and let nobody in
_LONGEST_LINE = 500


class CacheConfigError(ValueError):
    """This VO's object cannot be made into a cache's configuration. The text says what to change in it."""


def safe(what: str, text: str) -> str:
    """The text itself. Raises CacheConfigError when it could be read as more than one plain word."""
    if not _SAFE.fullmatch(text):
        raise CacheConfigError(f"{what} {text!r}: only letters, digits and ._~:/@+=%?&- may stand in it")
    return text


def setting(key: str, *values: str) -> str:
    """`key = value, value` of an INI file. Raises CacheConfigError when the line is too long for XRootD."""
    line = f"{key} = {', '.join(values)}"
    if len(line) > _LONGEST_LINE:
        raise CacheConfigError(f"{key}: {line!r} has {len(line)} characters; XRootD is sure to read {_LONGEST_LINE}")
    return line


def size(text: str) -> int:
    """Bytes of a Kubernetes quantity, such as 20Gi. Raises CacheConfigError for thousandths of them."""
    if text.endswith("m"):
        raise CacheConfigError(f"size {text!r}: give bytes, or a number with Mi, Gi or Ti")
    return int(quantity.parse(text))
