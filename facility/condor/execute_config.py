"""The `condor_config` of execute pods: what they take, how jobs are kept apart and within what they asked for.

One text for all pods. What differs comes from a pod's environment: POD_NAME, EP_SCHEDD, EP_OWNER, EP_CPUS, EP_MEMORY
(MiB), EP_DISK (KiB), EP_GPUS, EP_JOB_ENVIRONMENT. Whether a pod takes jobs at all is in a file of its own, which
`facility.condor.retire` writes.
"""

from __future__ import annotations

from facility import names
from facility.condor import containers, shapes
from facility.condor.config import COMMON, POOL_ID
from facility.condor.layout import GPUS, JOB_WRAPPER, LEAVING
from facility.site import Site

#: HoldReasonSubCode of jobs that used more than they asked for (HoldReasonCode is 21 then); HTCondor's own numbers
MEMORY_EXCEEDED, DISK_EXCEEDED = 102, 104


def execute(site: Site) -> str:
    """The `condor_config` of all execute pods."""
    own = (_attachment(site), _logs(), _offer(), _limits(), _leaving(site), _jobs(site), containers.execute(site))
    return COMMON + "".join(own)


def slot_accounts(site: Site) -> int:
    """How many accounts for jobs a pod needs: HTCondor numbers the slots of a pod from 1, and gives none less than a
    core."""
    return shapes.maximum(site).cpus


def _attachment(site: Site) -> str:
    return f"""
DAEMON_LIST = MASTER SHARED_PORT STARTD
COLLECTOR_HOST = {site.central_manager}:{names.CONDOR_PORT}
CONDOR_IDS = {POOL_ID}.{POOL_ID}
NETWORK_HOSTNAME = $ENV(POD_NAME)
ALLOW_READ = $ENV(EP_OWNER)@{names.TRUST_DOMAIN}
ALLOW_WRITE = $ENV(EP_OWNER)@{names.TRUST_DOMAIN}
STARTD_DIRECT_ATTACH_SCHEDD_NAME = $ENV(EP_SCHEDD)
STARTD_DIRECT_ATTACH_INTERVAL = 1
# offers go out with the updates, so this is how long a job waits for a pod that is there already
UPDATE_INTERVAL = 2
CLAIM_PARTITIONABLE_LEFTOVERS = True
RunBenchmarks = False
BENCHMARKS_JOBLIST =
"""


def _logs() -> str:
    """All of them, each twice, fit into what a pod's disk has beyond its jobs' (`facility.condor.shapes`)."""
    return """
MAX_DEFAULT_LOG = 10 Mb
# each slot has one
MAX_STARTER_LOG = 1 Mb
"""


def _offer() -> str:
    """What a pod has and whom it takes. A pod with GPUs is for jobs that want one: others would be in their way."""
    return f"""
use feature : PartitionableSlot
use policy : ALWAYS_RUN_JOBS
NUM_CPUS = $ENV(EP_CPUS)
MEMORY = $ENV(EP_MEMORY)
DISK = $ENV(EP_DISK)
TAKES_JOBS = True
if $ENV(EP_GPUS:0)
MACHINE_RESOURCE_INVENTORY_GPUs = {GPUS}
SUITABLE = (TARGET.RequestGPUs ?: 0) > 0
else
SUITABLE = True
endif
# what a job asks for is what it gets, and what the operator counts with: HTCondor would round memory up to 128 MiB
MODIFY_REQUEST_EXPR_REQUESTMEMORY = RequestMemory
MODIFY_REQUEST_EXPR_REQUESTDISK = RequestDisk
# a pod works for one owner: the access point sees to it by the identity of the pod's token, this is the second wall
START = TARGET.Owner == "$ENV(EP_OWNER)" && $(SUITABLE) && $(TAKES_JOBS)
"""


def _limits() -> str:
    """Jobs that take more than they asked for are held, with a sentence, within seconds.

    HTCondor has no cgroup of its own here, so it looks: at processes' memory, and at the files of the job.
    """
    return f"""
STARTER_INITIAL_UPDATE_INTERVAL = 4
STARTER_UPDATE_INTERVAL = 10
PROCD_MAX_SNAPSHOT_INTERVAL = 5
POLLING_INTERVAL = 5
HOLD_SUBCODE_MEMORY_EXCEEDED = {MEMORY_EXCEEDED}
HOLD_SUBCODE_DISK_EXCEEDED = {DISK_EXCEEDED}
MAXJOBRETIREMENTTIME = 86400 * 30
use policy : HOLD_IF_MEMORY_EXCEEDED
use policy : HOLD_IF_DISK_EXCEEDED
WANT_HOLD_REASON = ifThenElse($(MEMORY_EXCEEDED), \
strcat("The job used ", string(MemoryUsage), " MiB of memory and had ", string(Memory), \
" MiB: ask for more with request_memory, or condor_qedit its RequestMemory and release it."), \
ifThenElse($(DISK_EXCEEDED), \
strcat("The job's files took ", string(DiskUsage / 1024), " MiB and it had ", string(Disk / 1024), \
" MiB: ask for more with request_disk, or condor_qedit its RequestDisk and release it."), undefined))
"""


def _leaving(site: Site) -> str:
    """Jobs may go on until the master's patience ends, then they are back in the queue at once. Whoever is told to
    retire has no such end: its jobs go on, and no others come."""
    batch = site.batch
    return f"""
STARTD_NOCLAIM_SHUTDOWN = {batch.execute_idle}
MachineMaxVacateTime = 10
SHUTDOWN_GRACEFUL_TIMEOUT = {batch.execute_grace}
include ifexist : {LEAVING}
"""


def _jobs(site: Site) -> str:
    accounts = "\n".join(f"SLOT1_{n}_USER = slot{n}" for n in range(1, slot_accounts(site) + 1))
    return f"""
# each job has an account of its own, so that it can read neither the pod's token nor another job's, and so that all of
# its processes are found and ended with it, wherever they have run to
{accounts}
STARTER_ALLOW_RUNAS_OWNER = False
DEDICATED_EXECUTE_ACCOUNT_REGEXP = slot[0-9]+
# within the pod HTCondor goes first: who watches over jobs must not wait for them
JOB_RENICE_INCREMENT = 5
USER_JOB_WRAPPER = {JOB_WRAPPER}
STARTER_JOB_ENVIRONMENT = "$ENV(EP_JOB_ENVIRONMENT)"
SEC_CREDENTIAL_REFRESH = {site.batch.credential_refresh}
"""
