"""HTCondor's configuration of an access point, as one text: rendered here, never edited in a pod.

The queue is on a volume, the schedd's address within the pod never changes, and what ends is started again at once: so
an access point may be killed, restarted or moved, and its jobs go on as long as it is back within their lease.
"""

from __future__ import annotations

from facility import names
from facility.condor.config import COMMON, OPERATOR, POOL_ID, SERVER
from facility.condor.layout import HISTORY, PEOPLE, SCHEDD
from facility.condor.queue import queue_rules
from facility.site import Site
from facility.vo import VirtualOrganization

#: by which name a connection is for the schedd; one that names nobody is for it, too
SOCKET = "schedd"

_DAEMONS = f"""
# ends what a schedd before it has left, then is condor_schedd (facility.condor.schedd)
SCHEDD = {SCHEDD}
# the same way in after each restart, also for who comes from outside and cannot ask the central manager
SCHEDD_ARGS = -sock {SOCKET}
SHARED_PORT_DEFAULT_ID = {SOCKET}
# a daemon that ends is started again after two seconds, not ten; one that stands still is noticed in ten minutes
MASTER_BACKOFF_CONSTANT = 1
SCHEDD_NOT_RESPONDING_TIMEOUT = 600
SCHEDD_INTERVAL = 10
SCHEDD_MIN_INTERVAL = 1
USE_JOBSETS = True
"""

_RECORDS = f"""
# what is accounted from: each run of a job at its end, each job when it leaves the queue; without what people wrote
JOB_EPOCH_HISTORY = {HISTORY}/runs
MAX_EPOCH_HISTORY_LOG = 50000000
MAX_EPOCH_HISTORY_ROTATIONS = 4
HISTORY = {HISTORY}/jobs
MAX_HISTORY_LOG = 50000000
MAX_HISTORY_ROTATIONS = 4
HISTORY_CONTAINS_JOB_ENVIRONMENT = False
"""


def access_point(vo: VirtualOrganization, site: Site) -> str:
    """The `condor_config` of a VO's access point: only that VO's people and the operator may speak with it."""
    people = f"{vo.name}_*@{names.TRUST_DOMAIN}"
    return f"""{COMMON}{SERVER}
DAEMON_LIST = MASTER SHARED_PORT SCHEDD
COLLECTOR_HOST = {site.central_manager}:{names.CONDOR_PORT}
CONDOR_IDS = {POOL_ID}.{POOL_ID}
SCHEDD_NAME = {site.schedd(vo.name)}
NETWORK_HOSTNAME = {site.access_point(vo.name)}
SCHEDD.SEC_DEFAULT_AUTHENTICATION_METHODS = IDTOKENS, SCITOKENS
SCITOKENS_SERVER_AUDIENCE = {site.compute_audience}
CERTIFICATE_MAPFILE = {PEOPLE}/mapfile
ALLOW_READ = {people}, {OPERATOR}, $(POOL)
ALLOW_WRITE = {people}, $(POOL)
{_DAEMONS}{_RECORDS}{queue_rules(vo, site)}"""
