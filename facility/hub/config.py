"""The whole configuration of the hub, from the site's settings and the files that the operator made.

A configuration file of two lines uses it:

    from facility.hub.config import configure
    configure(get_config())

In a hub that another chart runs (zero-to-jupyterhub), `configure(get_config(), secrets=None)` sets the sign-in and the
users' pods, keeps what that chart has set for pods besides, and leaves database, keys, proxy and culling to it.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from facility import names
from facility.hub import culling, customize, guard, pages, pod
from facility.hub.customize import adjusted
from facility.hub.database import use_password
from facility.hub.values import PATH, Database, Values
from facility.hub.values import load as load_values
from facility.site import Settings, Site

#: in a folder of its own: a single file that is mounted would never change
SITE = Path("/etc/facility/site/site.yaml")
SECRETS = Path("/etc/facility/secrets")
DATA = Path("/srv/hub")
#: names.hub_user, as JupyterHub wants it: it matches from the beginning only, so the end is written out
USERNAME = r"(?=.{3,32}\Z)[a-z][a-z0-9]{0,14}-[a-z0-9](?:-?[a-z0-9])*\Z"


def configure(
    c: Any,
    site_file: Path = SITE,
    secrets: Path | None = SECRETS,
    data: Path = DATA,
    values_file: Path = PATH,
) -> None:
    """Set everything on traitlets' configuration `c`.

    Raises OSError, yaml.YAMLError, pydantic.ValidationError, or GuardError for a configuration that lets tokens out.
    """
    values = load_values(values_file) if secrets is not None else Values()
    settings = Settings.read(site_file)
    site = adjusted(settings.site, values)
    sign_in(c, site)
    c.VOAuthenticator.settings = settings
    users_pods(c, site)
    if secrets is None:
        # the other chart's own name of the hub means nothing in the namespace of people's pods
        c.JupyterHub.hub_connect_url = hub_url(site)
        guard.check(guard.snapshot(c), c)
        return
    service(c, site)
    database(c, values.hub.db, data, secrets / "database-password")
    keys(c, secrets)
    ours = guard.snapshot(c)
    customize.apply(c, values)
    guard.check(ours, c)
    culling.configure(c, values.cull, f"http://127.0.0.1:{names.HUB_PORT}/hub/api")


def sign_in(c: Any, site: Site) -> None:
    """Several issuers, one hub."""
    c.JupyterHub.authenticator_class = "facility.hub.authenticator.VOAuthenticator"
    c.VOAuthenticator.namespace = site.namespaces.facility
    c.VOAuthenticator.broker_url = site.broker_url
    c.VOAuthenticator.public_url = site.public_url
    c.VOAuthenticator.site = site
    c.Authenticator.any_allow_config = True  # who may come in is written in the VO objects
    c.Authenticator.enable_auth_state = True
    c.Authenticator.username_pattern = USERNAME
    c.Authenticator.manage_groups = True
    # never 0: that would switch off every look at a session. The broker answers from memory, so often costs nothing:
    # who opens a page half a minute after their session has ended reads it there
    c.Authenticator.auth_refresh_age = 30
    # VOAuthenticator looks before each spawn by itself, and says why it refuses; JupyterHub's own look says 403
    c.Authenticator.refresh_pre_spawn = False
    # after a site's own templates, which so win
    before = c.JupyterHub.template_paths if "template_paths" in c.JupyterHub else []
    c.JupyterHub.template_paths = [*before, str(pages.FOLDER)]


def users_pods(c: Any, site: Site) -> None:
    """One pod and one home per person."""
    c.JupyterHub.spawner_class = "facility.hub.spawner.VOSpawner"
    c.Spawner.start_timeout = 300  # a first start may have to pull the image
    c.Spawner.http_timeout = 60
    pod.configure(c, site)


def hub_url(site: Site) -> str:
    """By which people's servers and the proxy reach the hub."""
    return f"http://{names.host('hub', site.namespaces.facility)}:{names.HUB_PORT}"


def service(c: Any, site: Site) -> None:
    """The hub as a Deployment, with the proxy in a pod of its own."""
    c.JupyterHub.public_url = f"{site.public_url.rstrip('/')}/"
    c.JupyterHub.hub_bind_url = f"http://0.0.0.0:{names.HUB_PORT}"
    c.JupyterHub.hub_connect_url = hub_url(site)
    # pods and routes outlive the hub's pod
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False
    # a proxy that starts anew knows no user's route until the hub checks, which it does this often (seconds)
    c.JupyterHub.last_activity_interval = 20
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = f"http://{names.host('proxy-api', site.namespaces.facility)}:8001"


def database(c: Any, db: Database, data: Path, password: Path) -> None:
    """Who has which server, who is signed in, and which tokens the hub has given. A password may be in a file."""
    c.JupyterHub.upgrade_db = True
    c.JupyterHub.db_url = f"sqlite:///{data}/jupyterhub.sqlite"
    if db.type == "postgres":
        if not db.url:
            raise ValueError("hub.db.type is postgres: hub.db.url is needed, such as postgresql://hub@db.example/hub")
        c.JupyterHub.db_url = db.url
        # a connection that a firewall or a restart has cut is not handed to a request
        c.JupyterHub.db_kwargs = {"pool_pre_ping": True}
        if password.exists():
            use_password(password, Path(gettempdir()) / "pgpass")


def keys(c: Any, secrets: Path) -> None:
    """The hub's keys, from files: an environment is inherited and shown too easily."""
    c.ConfigurableHTTPProxy.auth_token = _text(secrets / "proxy-token")
    c.CryptKeeper.keys = _text(secrets / "crypt-key").split(";")
    # exactly the 32 bytes that JupyterHub wants, whatever the text in the Secret is
    c.JupyterHub.cookie_secret = sha256(_text(secrets / "cookie-secret").encode()).digest()


def _text(file: Path) -> str:
    text = file.read_text().strip()
    if not text:
        raise ValueError(f"{file} is empty")
    return text
