"""The rules of a VO's queue: what the access point fixes in every job, what it refuses, and how it lets go of jobs.

People write nothing about tokens, accounting or their VO in a submit description, and cannot: the access point sets
it from the identity that it has mapped, and holds it immutable.
"""

from __future__ import annotations

from facility.condor import containers, services, shapes
from facility.condor.hold_codes import CLOSED, KILLED, NO_TOKEN, POLICY
from facility.condor.layout import CREDENTIALS
from facility.condor.resources import mebibytes
from facility.site import Site
from facility.vo import VirtualOrganization

#: seconds for which an access point may be away without a running job noticing, and before which the job of a lost
#: execute pod is not given up; it is started again later than that (decision 0039)
LEASE = 100
_FIXED = (
    "VO AcctGroup AcctGroupUser AccountingGroup OAuthServicesNeeded JobLeaseDuration "
    "MaxTransferInputMB MaxTransferOutputMB"
)

#: a job that SIGKILL has ended has not finished. The execute pod (facility.condor.pressure), or the kernel, ends so
#: what fills memory or disk before HTCondor has seen it; what HTCondor ends itself does not come here
_WAS_KILLED = "(ExitBySignal =?= true && ExitSignal =?= 9)"
_WHY_KILLED = (
    "The job was killed (SIGKILL), as what takes most is when memory or disk of an execute pod is full: ask for more "
    "with request_memory or request_disk, or condor_qedit its RequestMemory or RequestDisk, and release it."
)
_RELEASE = f"""
# a job that came before its token is held with code 4 when it starts: tried again, ever more slowly; one that was held
# because the VO was closed goes on
SYSTEM_PERIODIC_RELEASE = (HoldReasonCode =?= {POLICY} && HoldReasonSubCode =?= {CLOSED}) || \
(HoldReasonCode == {NO_TOKEN} && NumHolds < 1000 && time() - EnteredCurrentStatus > min({{300, 5 * NumHolds}}))
"""


def queue_rules(vo: VirtualOrganization, site: Site) -> str:
    """The part of an access point's `condor_config` that is about jobs."""
    asked = (_requirements(vo.name, site), _services(vo), containers.requirements(site))
    return "\n".join((_transform(vo, site), *asked, _credentials(), _policy(vo)))


def _policy(vo: VirtualOrganization) -> str:
    """Which jobs are held, and which of the held are let go: none while the VO is closed, then exactly those.

    The schedd looks at all jobs but running ones: theirs is decided by their shadow, from the configuration that it
    has begun with. So running jobs are ended besides, and then are idle (`facility.condor.eviction`).
    """
    interval = "PERIODIC_EXPR_INTERVAL = 5\nMAX_PERIODIC_EXPR_INTERVAL = 10\n"
    if not vo.closed:
        return f"{_RELEASE}{interval}"
    return f"""
SYSTEM_PERIODIC_HOLD = JobStatus == 1 || JobStatus == 2 || JobStatus == 7
SYSTEM_PERIODIC_HOLD_REASON = "{sentence(vo)}"
SYSTEM_PERIODIC_HOLD_SUBCODE = {CLOSED}
SYSTEM_PERIODIC_RELEASE = False
{interval}"""


def sentence(vo: VirtualOrganization) -> str:
    """Why the jobs of a closed VO are held."""
    return f"The virtual organization {vo.name} {vo.closed}: its jobs wait in the queue until it is open again."


def _transform(organization: VirtualOrganization, site: Site) -> str:
    vo, kept, files = organization.name, site.batch.finished_kept, mebibytes(site.batch.transfer_max)
    fetched = "(StageOutFinish ?: 0) >= CompletionDate"
    stays = f"AskedLeave =!= false && JobStatus == 4 && !({fetched}) && time() - CompletionDate < {kept}"
    return f"""
JOB_TRANSFORM_NAMES = Facility
JOB_TRANSFORM_Facility @=end
   COPY AcctGroup AskedAcctGroup
   COPY AccountingGroup AskedAccountingGroup
   COPY OAuthServicesNeeded AskedServices
   COPY LeaveJobInQueue AskedLeave
   COPY OnExitHold AskedHold
   COPY OnExitHoldReason AskedHoldReason
   COPY OnExitHoldSubCode AskedHoldSubCode
   SET VO "{vo}"
   SET AcctGroup "group_{vo}"
   EVALSET AcctGroupUser Owner
   EVALSET AccountingGroup strcat("group_{vo}.", Owner)
   {_tokens(organization)}
   SET JobLeaseDuration {LEASE}
   SET MaxTransferInputMB {files}
   SET MaxTransferOutputMB {files}
   SET LeaveJobInQueue {stays}
   SET OnExitHold {_WAS_KILLED} || (AskedHold ?: false)
   SET OnExitHoldReason ifThenElse({_WAS_KILLED}, "{_WHY_KILLED}", AskedHoldReason)
   SET OnExitHoldSubCode ifThenElse({_WAS_KILLED}, {KILLED}, AskedHoldSubCode)
@end
IMMUTABLE_JOB_ATTRS = $(IMMUTABLE_JOB_ATTRS) {_FIXED}"""


def _tokens(vo: VirtualOrganization) -> str:
    """The lake's token for every job, and of the services that a job names those that the VO has, in the VO's order.

    Written out name by name: whatever else stands in what was asked for goes nowhere. Without anything to ask for there
    is no token, and a job that asks for one would wait for ever.
    """
    lake, known = services.always(vo), services.of_jobs(vo)
    if not known:
        return "DELETE OAuthServicesNeeded"
    named = [f'{_asked(name)} ? ",{name}" : ""' for name in known if name != lake]
    listed = ", ".join(f"({one})" for one in named)
    if not lake:
        return f"EVALSET OAuthServicesNeeded substr(strcat({listed}), 1)"
    return f'EVALSET OAuthServicesNeeded strcat("{lake}", {listed})' if named else f'SET OAuthServicesNeeded "{lake}"'


def _asked(name: str) -> str:
    return f'(isString(AskedServices) && stringListMember("{name}", AskedServices))'


def _services(vo: VirtualOrganization) -> str:
    known = ",".join(services.of_jobs(vo))
    offered = f"jobs of {vo.name} may name {known.replace(',', ', ')}" if known else f"{vo.name} has none for jobs"
    return f"""
# `VO` is set by the transform, so that no job comes in beside it
SUBMIT_REQUIREMENT_NAMES = $(SUBMIT_REQUIREMENT_NAMES) Services
SUBMIT_REQUIREMENT_Services = VO =?= "{vo.name}" && (AskedServices =?= undefined || \
(isString(AskedServices) && stringListSubsetMatch(AskedServices, "{known}")))
SUBMIT_REQUIREMENT_Services_REASON = strcat("use_oauth_services names a service that is not here: {offered}, \
without handles (asked for: ", string(AskedServices), ")")"""


def _requirements(vo: str, site: Site) -> str:
    most = shapes.maximum(site)
    has = f"{most.cpus} CPUs, {most.memory} MiB of memory, {most.disk} MiB of disk and {most.gpus or 'no'} GPUs"
    return f"""
# nothing of a user's runs on the access point: jobs come with their files, and run on execute pods only
START_LOCAL_UNIVERSE = False
START_SCHEDULER_UNIVERSE = False
SUBMIT_REQUIREMENT_NAMES = Vanilla Spooled OwnGroup Fits
SUBMIT_REQUIREMENT_Vanilla = JobUniverse == 5
SUBMIT_REQUIREMENT_Vanilla_REASON = "this access point takes jobs of the vanilla universe only: leave `universe` out; \
DAGs run by `facility batch dag`"
SUBMIT_REQUIREMENT_Spooled = JobStatus == 5 && HoldReasonCode == 16
SUBMIT_REQUIREMENT_Spooled_REASON = \
"send the files along: Schedd.submit(..., spool=True) and Schedd.spool(...), or condor_submit -spool"
SUBMIT_REQUIREMENT_OwnGroup = (AskedAcctGroup ?: "group_{vo}") == "group_{vo}" && \
substr(AskedAccountingGroup ?: "group_{vo}.", 0, {len(vo) + 7}) == "group_{vo}."
SUBMIT_REQUIREMENT_OwnGroup_REASON = strcat("jobs here are accounted to group_{vo}, not to ", \
AskedAcctGroup ?: AskedAccountingGroup, ": leave `accounting_group` out")
SUBMIT_REQUIREMENT_Fits = (RequestCpus ?: 1) <= {most.cpus} && (RequestMemory ?: 0) <= {most.memory} && \
(RequestDisk ?: 0) <= {most.disk * 1024} && (RequestGPUs ?: 0) <= {most.gpus}
SUBMIT_REQUIREMENT_Fits_REASON = strcat("the largest execute pod here has {has}: ask for no more than that \
(asked for: ", RequestCpus ?: 1, " CPUs, ", RequestMemory ?: 0, " MiB of memory, ", \
int((RequestDisk ?: 0) / 1024), " MiB of disk, ", RequestGPUs ?: 0, " GPUs)")"""


def _credentials() -> str:
    return f"""
# the credential monitor alone writes <owner>/<service>.use; without a credd nobody else can
SEC_CREDENTIAL_DIRECTORY_OAUTH = {CREDENTIALS}
TRUST_CREDENTIAL_DIRECTORY = True

# execute pods attach themselves: there is no negotiator to call
SCHEDD_SEND_RESCHEDULE = False
CLAIM_PARTITIONABLE_LEFTOVERS = True
"""
