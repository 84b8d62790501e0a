"""The pages a person sees: plain HTML with the form fields that INDIGO IAM's pages have, so that tools fit both."""

from __future__ import annotations

from flask import render_template_string

_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} · {{ organisation }}</title><style>
body { font: 1rem/1.5 system-ui, sans-serif; color: #1c2733; background: #eef2f6; margin: 0; }
main { max-width: 26rem; margin: 10vh auto; padding: 2rem; background: #fff; border-radius: .5rem;
       box-shadow: 0 1px 6px #0002; }
h1 { font-size: 1.3rem; margin: 0 0 .2rem; } .org { color: #5b6b7b; margin: 0 0 1.2rem; }
label { display: block; margin: .8rem 0 .2rem; } .choice { margin: .3rem 0; }
input[type=text], input[type=password] { width: 100%; box-sizing: border-box; padding: .5rem; font: inherit;
       border: 1px solid #9fb0c0; border-radius: .3rem; }
button, input[type=submit] { font: inherit; padding: .5rem 1.2rem; margin: 1.2rem .5rem 0 0; border-radius: .3rem;
       border: 1px solid #0a5aa8; background: #0a5aa8; color: #fff; cursor: pointer; }
.plain { background: #fff; color: #0a5aa8; } .error { color: #a3161a; } ul { padding-left: 1.2rem; }
</style></head><body><main><h1>{{ title }}</h1><p class="org">{{ organisation }}</p>
"""
_END = "</main></body></html>"

_LOGIN = """{% if failed %}<p class="error" role="alert">Invalid credentials provided.</p>{% endif %}
<form id="login-form" action="/login" method="post">
<label for="username">Username</label>
<input id="username" name="username" type="text" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<input type="hidden" name="" value="">
<input type="submit" name="submit" value="Sign in">
</form>"""

_APPROVE = """<p><b>{{ client }}</b> asks, for <b>{{ person }}</b>, to have access to</p>
<ul>{% for scope in scopes %}<li><code>{{ scope }}</code></li>{% endfor %}</ul>
<form name="confirmationForm" action="{{ action }}" method="post">
{% for scope in scopes %}<input type="hidden" name="scope.{{ scope }}" value="true">{% endfor %}
{% if user_code %}<input type="hidden" name="user_code" value="{{ user_code }}">{% else %}
<label class="choice"><input type="radio" name="remember" value="until-revoked" checked> remember this decision</label>
<label class="choice"><input type="radio" name="remember" value="one-hour"> remember it for one hour</label>
<label class="choice"><input type="radio" name="remember" value="none"> ask me again next time</label>{% endif %}
<input type="hidden" name="user_oauth_approval" value="true">
<button name="authorize" value="Authorize">Authorize</button>
<button class="plain" name="deny" value="Deny">Deny</button>
</form>"""

_DEVICE = """{% if failed %}<p class="error" role="alert">That code is not known, or no longer good.</p>{% endif %}
<form action="/device/verify" method="post">
<label for="user_code">Code shown on your device</label>
<input id="user_code" name="user_code" type="text" value="{{ user_code }}" autocomplete="off" required autofocus>
<input type="submit" name="approve" value="Submit">
</form>"""

_AUP = """<p>To go on, you have to accept the acceptable use policy of this organisation.</p>
<form id="aup-form" action="/iam/aup/sign" method="post">
<button name="sign" value="Sign">I accept it</button>
</form>"""

_TEXT = "<p>{{ text }}</p>"


def login(organisation: str, *, failed: bool) -> str:
    """The form that asks who it is."""
    return _page(_LOGIN, "Sign in", organisation, failed=failed)


def aup(organisation: str) -> str:
    """The form that has the acceptable use policy signed."""
    return _page(_AUP, "Acceptable use policy", organisation)


def approve(
    organisation: str, client: str, person: str, scopes: tuple[str, ...], action: str, user_code: str = ""
) -> str:
    """The form that asks for consent; with a user code it is the device flow's."""
    return _page(
        _APPROVE,
        "Approve access",
        organisation,
        client=client,
        person=person,
        scopes=scopes,
        action=action,
        user_code=user_code,
    )


def device(organisation: str, user_code: str, *, failed: bool) -> str:
    """The form that takes a device's code."""
    return _page(_DEVICE, "Connect a device", organisation, user_code=user_code, failed=failed)


def message(organisation: str, title: str, text: str) -> str:
    """A page that only says something."""
    return _page(_TEXT, title, organisation, text=text)


def _page(body: str, title: str, organisation: str, **values: object) -> str:
    return render_template_string(_FRAME + body + _END, title=title, organisation=organisation, **values)
