"""HTCondor's configuration of each role, as one text per role: rendered here, never edited in a pod.

Written for HTCondor 25.14 in Kubernetes with tokens only: people come with their own bearer token (SCITOKENS inside
TLS), daemons with tokens signed by the pool's key (IDTOKENS), and every execute pod attaches itself to one access
point under the identity of the one owner it works for. What differs from pod to pod comes from the pod's environment.
"""

from __future__ import annotations

from facility import names
from facility.condor.layout import CONFIG, IDENTITY_TOKENS, KEYCACHE, KEYS, LOCAL, RUN, TLS, TRUST
from facility.site import Site

#: uid and gid of HTCondor's daemons in the images (account `pool`)
POOL_ID = 4242
#: domain of the identities that the central manager gives to people: they may read there and nothing else
PEOPLE_DOMAIN = "people"
#: identity with which the operator reads queues
OPERATOR = f"operator@{names.TRUST_DOMAIN}"

#: of every role
COMMON = f"""\
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
# a pod that is lost answers nothing any more, not even that it is gone: after so many seconds of silence it is asked,
# and taken for away when it has not answered for a minute (by HTCondor's own 360 that takes seven in all)
TCP_KEEPALIVE_INTERVAL = 20
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

#: of the roles that hold the pool's key and take people's tokens
SERVER = f"""
# who holds the pool's key, and who takes people's tokens: their issuers are those of the map file
SEC_PASSWORD_DIRECTORY = {KEYS}
SEC_TOKEN_POOL_SIGNING_KEY_FILE = {KEYS}/POOL
AUTH_SSL_SERVER_CERTFILE = {TLS}/tls.crt
AUTH_SSL_SERVER_KEYFILE = {TLS}/tls.key
CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS = True
SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES = False
SEC_SCITOKENS_CACHE = {KEYCACHE}
"""


def central_manager(site: Site) -> str:
    """The central manager's `condor_config`. Its pod's environment holds POD_IP.

    The collector must know itself by its own address: through its Service it would talk to itself by a detour after
    every reconfiguration and stand still for 20 s.
    """
    return f"""{COMMON}{SERVER}
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
