"""HTCondor's configuration of each role, as one text per role: rendered here, never edited in a pod.

Written for HTCondor 25.14 in Kubernetes with tokens only: people come with their own bearer token (SCITOKENS inside
TLS), daemons with tokens signed by the pool's key (IDTOKENS), and every execute pod attaches itself to one access
point under the identity of the one owner it works for. What differs from pod to pod comes from the pod's environment.
"""

from __future__ import annotations

from facility import names
from facility.condor.layout import CONFIG, IDENTITY_TOKENS, JOB_WRAPPER, KEYS, LOCAL, PEOPLE, RUN, TLS, TRUST
from facility.condor.queue import queue_rules
from facility.site import Site
from facility.vo import VirtualOrganization

#: uid and gid of HTCondor's daemons in the images (account `pool`)
POOL_ID = 4242
#: domain of the identities that the central manager gives to people: they may read there and nothing else
PEOPLE_DOMAIN = "people"
#: identity with which the operator reads queues
OPERATOR = f"operator@{names.TRUST_DOMAIN}"

_COMMON = f"""\
# Debian's places: a CONDOR_CONFIG of one's own replaces the packaged file that names them
RELEASE_DIR = /usr
BIN = /usr/bin
SBIN = /usr/sbin
LIB = /usr/lib/condor
LIBEXEC = /usr/libexec/condor
SHARE = /usr/share/condor
ETC = {CONFIG.parent}
MAIL = /bin/true
SENDMAIL = /bin/true

LOCAL_DIR = {LOCAL}
LOG = $(LOCAL_DIR)/log
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
RUN = {RUN}
LOCK = {RUN}/lock
DAEMON_SOCKET_DIR = {RUN}/sock
# where tools find the daemons of their own pod: with the pod it goes, a volume would keep the last pod's address
MASTER_ADDRESS_FILE = {RUN}/master_address
SCHEDD_ADDRESS_FILE = {RUN}/schedd_address
SCHEDD_DAEMON_AD_FILE = {RUN}/schedd_ad
MAX_DEFAULT_LOG = 20 Mb
# daemons hold keys and tokens: no file of their memory is left behind (facility.condor.start forbids it for good)
CREATE_CORE_FILES = False

UID_DOMAIN = {names.TRUST_DOMAIN}
TRUST_DOMAIN = {names.TRUST_DOMAIN}
FILESYSTEM_DOMAIN = $(FULL_HOSTNAME)
USE_SHARED_PORT = True
SHARED_PORT_PORT = {names.CONDOR_PORT}
ENABLE_IPV6 = False
CLASSAD_LIFETIME = 120
MASTER_UPDATE_INTERVAL = 60

# every connection is authenticated, encrypted and checked, or it is not made
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_ENCRYPTION = REQUIRED
SEC_DEFAULT_INTEGRITY = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = IDTOKENS
SEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS
SEC_TOKEN_SYSTEM_DIRECTORY = {IDENTITY_TOKENS}
SEC_TOKEN_DIRECTORY = {IDENTITY_TOKENS}
AUTH_SSL_CLIENT_CAFILE = {TRUST}
AUTH_SSL_SERVER_CAFILE = {TRUST}
AUTH_SSL_USE_CLIENT_PROXY_ENV_VAR = False
# holders of the pool's key; `password` is the domain HTCondor gives to tokens that a daemon signs for itself
POOL = condor@password, condor@{names.TRUST_DOMAIN}
ALLOW_DAEMON = $(POOL)
ALLOW_NEGOTIATOR = $(POOL)
ALLOW_ADMINISTRATOR = $(POOL)
ALLOW_ADVERTISE_SCHEDD = $(POOL)
ALLOW_CONFIG =
ALLOW_CLIENT = *
"""

_SERVER = f"""
# who holds the pool's key, and who takes people's tokens: their issuers are those of the map file
SEC_PASSWORD_DIRECTORY = {KEYS}
SEC_TOKEN_POOL_SIGNING_KEY_FILE = {KEYS}/POOL
AUTH_SSL_SERVER_CERTFILE = {TLS}/tls.crt
AUTH_SSL_SERVER_KEYFILE = {TLS}/tls.key
CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS = True
SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES = False
"""


def central_manager(site: Site) -> str:
    """The central manager's `condor_config`. Its pod's environment holds POD_IP.

    The collector must know itself by its own address: through its Service it would talk to itself by a detour after
    every reconfiguration and stand still for 20 s.
    """
    return f"""{_COMMON}{_SERVER}
DAEMON_LIST = MASTER SHARED_PORT COLLECTOR
COLLECTOR_HOST = $ENV(POD_IP):{names.CONDOR_PORT}
COLLECTOR_USES_SHARED_PORT = True
COLLECTOR_NAME = {names.TRUST_DOMAIN}
NETWORK_HOSTNAME = {site.central_manager}
COLLECTOR.SEC_DEFAULT_AUTHENTICATION_METHODS = IDTOKENS, SCITOKENS
SCITOKENS_SERVER_AUDIENCE = {site.compute_audience}
CERTIFICATE_MAPFILE = {CONFIG.parent}/mapfile
# people find their access point here and change nothing; an execute pod's identity is its owner
ALLOW_READ = *@{names.TRUST_DOMAIN}, *@{PEOPLE_DOMAIN}, $(POOL)
ALLOW_WRITE = $(POOL)
ALLOW_ADVERTISE_STARTD = *@{names.TRUST_DOMAIN}, $(POOL)
ALLOW_ADVERTISE_MASTER = *@{names.TRUST_DOMAIN}, $(POOL)
"""


def access_point(vo: VirtualOrganization, site: Site) -> str:
    """The `condor_config` of a VO's access point: only that VO's people and the operator may speak with it."""
    people = f"{vo.name}_*@{names.TRUST_DOMAIN}"
    return f"""{_COMMON}{_SERVER}
DAEMON_LIST = MASTER SHARED_PORT SCHEDD
COLLECTOR_HOST = {site.central_manager}:{names.CONDOR_PORT}
CONDOR_IDS = {POOL_ID}.{POOL_ID}
SCHEDD_NAME = {site.schedd(vo.name)}
NETWORK_HOSTNAME = {site.access_point(vo.name)}
# people's own machines know no collector: who comes to the port by its name and asks for nobody means the schedd
SCHEDD_ARGS = -sock schedd
SHARED_PORT_DEFAULT_ID = schedd
SCHEDD_INTERVAL = 10
SCHEDD_MIN_INTERVAL = 1
SCHEDD.SEC_DEFAULT_AUTHENTICATION_METHODS = IDTOKENS, SCITOKENS
SCITOKENS_SERVER_AUDIENCE = {site.compute_audience}
CERTIFICATE_MAPFILE = {PEOPLE}/mapfile
ALLOW_READ = {people}, {OPERATOR}, $(POOL)
ALLOW_WRITE = {people}, $(POOL)
{queue_rules(vo, site)}"""


def execute(site: Site) -> str:
    """The `condor_config` of all execute pods. Their environment holds POD_NAME, EP_SCHEDD, EP_OWNER and EP_MEMORY."""
    batch = site.batch
    accounts = "\n".join(f"SLOT1_{n}_USER = slot{n}" for n in range(1, batch.execute_cpus + 1))
    return f"""{_COMMON}
DAEMON_LIST = MASTER SHARED_PORT STARTD
COLLECTOR_HOST = {site.central_manager}:{names.CONDOR_PORT}
CONDOR_IDS = {POOL_ID}.{POOL_ID}
NETWORK_HOSTNAME = $ENV(POD_NAME)
ALLOW_READ = *@{names.TRUST_DOMAIN}
ALLOW_WRITE = *@{names.TRUST_DOMAIN}

use feature : PartitionableSlot
use policy : ALWAYS_RUN_JOBS
# a pod works for one owner: the access point sees to it by the identity of the pod's token, this is the second wall
START = TARGET.Owner == "$ENV(EP_OWNER)"
NUM_CPUS = {batch.execute_cpus}
MEMORY = $ENV(EP_MEMORY)
RunBenchmarks = False
BENCHMARKS_JOBLIST =
STARTD_DIRECT_ATTACH_SCHEDD_NAME = $ENV(EP_SCHEDD)
STARTD_DIRECT_ATTACH_INTERVAL = 1
# offers go out with the updates, so this is how long a job waits for a pod that is there already
UPDATE_INTERVAL = 3
CLAIM_PARTITIONABLE_LEFTOVERS = True
STARTD_NOCLAIM_SHUTDOWN = {batch.execute_idle}

# leaving: jobs may go on until the master's patience ends, then they are back in the queue at once
MAXJOBRETIREMENTTIME = 86400
MachineMaxVacateTime = 10
SHUTDOWN_GRACEFUL_TIMEOUT = {batch.execute_grace}

# each job has an account of its own, so that it can read neither the pod's token nor another job's
{accounts}
STARTER_ALLOW_RUNAS_OWNER = False
DEDICATED_EXECUTE_ACCOUNT_REGEXP = slot[0-9]+
USER_JOB_WRAPPER = {JOB_WRAPPER}
STARTER_JOB_ENVIRONMENT = "$ENV(EP_JOB_ENVIRONMENT)"
SEC_CREDENTIAL_REFRESH = {batch.credential_refresh}
"""
