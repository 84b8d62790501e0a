"""What `jupyterhub --config` reads: the facility's own module says the rest."""

from facility.hub.config import configure

configure(get_config())  # noqa: F821 (a name that traitlets gives to this file)
