"""What processes may leave behind when they crash, as the node sees it."""

from __future__ import annotations

#: a shell script for the node: of each process the limits of its core file, soft and hard, and its command line
LIMITS = r"""
for p in /proc/[0-9]*; do
  c=$(tr '\0' ' ' <$p/cmdline) && l=$(grep '^Max core file size' $p/limits) && echo "$l|$c"
done 2>/dev/null; true
"""


def core_limits(text: str) -> list[tuple[str, tuple[str, str]]]:
    """Command lines with (soft, hard) limits, from what LIMITS prints."""
    found = []
    for line in text.splitlines():
        limits, bar, command = line.partition("|")
        words = limits.split()
        if bar and command.strip() and len(words) >= 6:
            found.append((command, (words[4], words[5])))
    return found
