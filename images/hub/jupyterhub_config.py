"""What `jupyterhub --config` reads: the facility's own module says the rest."""

import resource

from facility.hub.config import configure

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # refresh tokens pass through its memory, a core file would keep them
configure(get_config())  # noqa: F821 (a name that traitlets gives to this file)
