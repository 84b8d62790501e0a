"""Pages of the facility that everybody may see."""

from __future__ import annotations

from jupyterhub.handlers import BaseHandler


class PublicHandler(BaseHandler):  # type: ignore[misc]
    """Answers whoever asks."""

    async def prepare(self) -> None:
        """Nobody needs to be signed in, and no session is asked for."""
        self._jupyterhub_user = None
        self._resolve_roles_and_scopes()
