"""Where things lie in HTCondor's pods: shared by the configuration, the start program and the pods' manifests."""

from __future__ import annotations

from pathlib import Path

#: ConfigMap with `condor_config` (and, for the central manager, `mapfile`; for execute pods, `job-wrapper`)
CONFIG = Path("/etc/facility/condor/condor_config")
JOB_WRAPPER = CONFIG.with_name("job-wrapper")
#: ConfigMap with `mapfile`, `passwd`, `group`, `shadow`: the access point's people
PEOPLE = Path("/etc/facility/people")
#: where libnss-extrausers looks; the same volume as PEOPLE, so that names and map change in one instant
EXTRAUSERS = Path("/var/lib/extrausers")
TRUST = Path("/etc/facility/trust/ca.crt")
TLS = Path("/etc/facility/tls")
#: Secrets as mounted: the pool's key (central manager, access points) or a token (execute pods)
MOUNTED_KEY = Path("/etc/facility/pool-key/POOL")
MOUNTED_TOKEN = Path("/etc/facility/idtoken/token")
#: volume that holds log, spool and execute
LOCAL = Path("/condor")
#: memory: sockets, keys, tokens. It belongs to root, so that HTCondor's own account cannot put other keys in place
MEMORY = Path("/run/condor")
RUN = MEMORY / "run"
KEYS = MEMORY / "keys"
IDENTITY_TOKENS = MEMORY / "tokens.d"
#: `<owner>/<vo>.use`: the lake tokens of jobs
CREDENTIALS = MEMORY / "credentials"
#: what the credential monitor should do (from CONFIG's ConfigMap), and how it fares
CREDMON_SETTINGS = CONFIG.with_name("credmon.json")
CREDMON_STATUS = MEMORY / "credmon.status"
#: projected ServiceAccount token by which the credential monitor proves itself to the broker
IDENTITY = Path("/var/run/identity/token")
