"""The hub's sign-in page: which virtual organization are you of?

A Jinja text that JupyterHub renders inside its own page with `authenticator` and `next` (escaped for URLs already);
autoescape is off there, hence `|e` on everything that comes from an object.
"""

from __future__ import annotations

import json

_PAGE = """
<section class="text-center" aria-labelledby="choose">
  <h1 id="choose">Sign in</h1>
  {% if authenticator.choices %}
  <p>Choose your virtual organization. You will sign in there, with the account you have there.</p>
  <ul class="list-unstyled">
    {% for one in authenticator.choices %}
    <li class="mb-3">
      <a class="btn btn-jupyter btn-lg" data-vo="{{ one.vo.name | e }}"
         {% if one.problem %}aria-describedby="problem-{{ one.vo.name | e }}"{% endif %}
         href="{{ one.login_url(base) | e }}{% if next %}?next={{ next }}{% endif %}">{{ one.login_service | e }}</a>
      {% if one.problem %}<p id="problem-{{ one.vo.name | e }}">not reachable now</p>{% endif %}
    </li>
    {% endfor %}
  </ul>
  {% else %}
  <p>No virtual organization is set up here yet. The facility's administrators add them.</p>
  {% endif %}
</section>
"""


def page(base_url: str) -> str:
    """The Jinja text for a hub at `base_url`, such as /hub/."""
    return "{% set base = " + json.dumps(base_url) + " %}" + _PAGE
