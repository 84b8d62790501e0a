"""Step 3: from validated VOs to manifests. Pure: no clock, no randomness, no connection, so the same in is the same out."""

from __future__ import annotations
