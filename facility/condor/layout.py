"""Where things lie in HTCondor's pods: shared by the configuration, the start program and the pods' manifests."""

from __future__ import annotations

from pathlib import Path

from facility.keycache import settings as keycache

#: ConfigMap with `condor_config` (and, for the central manager, `mapfile`; for execute pods, `job-wrapper`, `gpus`)
CONFIG = Path("/etc/facility/condor/condor_config")
JOB_WRAPPER = CONFIG.with_name("job-wrapper")
GPUS = CONFIG.with_name("gpus")
#: ConfigMap with `mapfile`, `passwd`, `group`, `shadow`, `limits.json`: the access point's people
PEOPLE = Path("/etc/facility/people")
LIMITS = PEOPLE / "limits.json"
#: where libnss-extrausers looks; the same volume as PEOPLE, so that names and map change in one instant
EXTRAUSERS = Path("/var/lib/extrausers")
TRUST = Path("/etc/facility/trust/ca.crt")
TLS = Path("/etc/facility/tls")
#: Secrets as mounted: the pool's key (central manager, access points) or a token (execute pods)
MOUNTED_KEY = Path("/etc/facility/pool-key/POOL")
MOUNTED_TOKEN = Path("/etc/facility/idtoken/token")
#: accounts of execute pods' jobs, `slot1` and so on: below those of people
SLOT_UIDS = range(10001, 11001)
#: volume that holds log, spool and execute
LOCAL = Path("/condor")
#: what an access point's master starts as its schedd
SCHEDD = Path("/usr/local/bin/facility-schedd")
#: of an access point, on its volume: what HTCondor tells of ended jobs, and what is accounted from that
HISTORY = LOCAL / "history"
ACCOUNTING = LOCAL / "accounting"
#: memory: sockets, keys, tokens. It belongs to root, so that HTCondor's own account cannot put other keys in place
MEMORY = Path("/run/condor")
RUN = MEMORY / "run"
KEYS = MEMORY / "keys"
#: an execute pod's: why it should take no more jobs, empty as long as it should (an annotation of the pod), and what
#: HTCondor reads besides its configuration once that is so
RETIRE = Path("/etc/facility/pod/retire")
LEAVING = MEMORY / "leaving.conf"
IDENTITY_TOKENS = MEMORY / "tokens.d"
#: a central manager's or access point's: memory of its own with the public keys of people's issuers; and whose they are
KEYCACHE = Path("/run/keycache")
ISSUERS = CONFIG.with_name(keycache.ISSUERS)
#: `<owner>/<vo>.use`: the lake tokens of jobs
CREDENTIALS = MEMORY / "credentials"
#: what the credential monitor should do (from CONFIG's ConfigMap), and how it fares
CREDMON_SETTINGS = CONFIG.with_name("credmon.json")
CREDMON_STATUS = MEMORY / "credmon.status"
#: on the access point's volume: whose tokens it kept last
CREDMON_REMEMBERED = LOCAL / "credmon" / "wanted.json"
#: projected ServiceAccount token by which the credential monitor proves itself to the broker
IDENTITY = Path("/var/run/identity/token")
