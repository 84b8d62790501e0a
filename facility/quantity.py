"""Amounts as Kubernetes writes them (API reference, `Quantity`): read, compared, and told to people. Pure."""

from __future__ import annotations

from decimal import Decimal

_FACTORS = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}


def parse(text: str | int | float) -> Decimal:
    """The amount in its base unit: cores, bytes, pieces. Raises ValueError for what is no quantity."""
    written = str(text).strip()
    number = written.rstrip("mkKMGTPEi")
    unit = written[len(number) :]
    factor = _FACTORS.get(unit)
    try:
        if factor is not None:
            return Decimal(number) * factor
    except ArithmeticError:
        pass  # told below, like an unknown unit
    raise ValueError(f"{text!r} is no amount: write 500m, 2, 4Gi or the like")


def cores(amount: Decimal) -> str:
    """An amount of CPU for people: `1.5`."""
    return f"{amount.normalize():f}"


def size(amount: Decimal) -> str:
    """An amount of bytes for people, in the largest unit that does not hide more than a tenth: `1.5 GiB`."""
    for letter, power in (("T", 4), ("G", 3), ("M", 2), ("K", 1)):
        unit = Decimal(1024) ** power
        if amount >= unit:
            return f"{(amount / unit).quantize(Decimal('0.1')).normalize():f} {letter}iB"
    return f"{amount.normalize():f} bytes"
