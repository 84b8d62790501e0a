"""How long tests wait for what must come: a machine with much else to do is slow, and that is no finding."""

from __future__ import annotations

#: seconds; less than any request is held back for whose answer a test waits for
PATIENCE = 40.0
