"""The page on which a person chooses a server: one radio button per profile, with what it gives in words.

Plain HTML of the hub's own form: it works by keyboard alone and on a narrow screen. Direct starts go past it:
`/hub/spawn/<user>?profile=<name>`, or `{"profile": "<name>"}` in the body of the API's request.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from facility.hub import profiles
from facility.profiles import Profile
from facility.site import Site
from facility.vo import VirtualOrganization

_STYLE = """<style>
  .server-choice { display: flex; gap: .75rem; padding: .75rem; margin: 0 0 .5rem; border: 1px solid currentColor;
    border-radius: .375rem; cursor: pointer; overflow-wrap: anywhere; }
  .server-choice:has(:checked) { outline: 2px solid currentColor; }
  .server-choice:has(:focus-visible) { outline: 3px solid #1a73e8; outline-offset: 2px; }
  .server-choice input { flex: none; width: 1.25rem; height: 1.25rem; margin-top: .2rem; }
  .server-choice span { display: block; }
</style>"""


async def choices(site: Site, spawner: Any) -> list[dict[str, Any]]:
    """kubespawner's `profile_list`."""
    return profiles.entries(await spawner.virtual_organization(), spawner.groups, site)


async def form(site: Site, spawner: Any) -> str:
    """kubespawner's `options_form`; empty, so that the server starts at once, where there is nothing to choose.

    Raises Refused when the person may start none.
    """
    vo = await spawner.virtual_organization()
    found, last = profiles.offered(vo, spawner.groups), (spawner.user_options or _last(spawner)).get("profile")
    gone = bool(last) and last not in [profile.name for profile in found]
    if len(found) < 2 and not gone:
        return ""
    usual = profiles.chosen(vo, spawner.groups, None)
    taken = next((profile for profile in found if profile.name == last), usual)
    return page(vo, found, taken, site, str(last) if gone else "")


def _last(spawner: Any) -> dict[str, Any]:
    """What the person chose last time: JupyterHub starts that again unless this page says otherwise."""
    return spawner.orm_spawner.user_options or {} if spawner.orm_spawner else {}


def page(vo: VirtualOrganization, found: Sequence[Profile], taken: Profile | None, site: Site, gone: str = "") -> str:
    """The inside of the hub's form. `gone`: a profile chosen before that is not there any more."""
    title = escape(vo.spec.display_name or vo.name)
    said = f'<p role="status">The profile {escape(gone)} is not there for you any more.</p>' if gone else ""
    if not found:
        return f'{said}<input type="hidden" name="profile" value=""><p>{title} has one kind of server.</p>'
    buttons = "\n".join(_choice(profile, profile is taken, site) for profile in found)
    return f"{_STYLE}{said}<fieldset><legend>Servers of {title}</legend>\n{buttons}\n</fieldset>"


def _choice(profile: Profile, checked: bool, site: Site) -> str:
    name, gives = escape(profile.name), profiles.told(profiles.size(profile, site))
    lines = [escape(one) for one in (profile.description, gives) if one]
    about = "".join(f"<span>{line}</span>" for line in lines)
    return (
        f'<label class="server-choice" for="profile-{name}">'
        f'<input type="radio" name="profile" id="profile-{name}" value="{name}"{" checked" if checked else ""} '
        f'aria-describedby="about-{name}" required>'
        f'<span><strong>{escape(profile.display_name or profile.name)}</strong><span id="about-{name}">{about}</span>'
        "</span></label>"
    )
