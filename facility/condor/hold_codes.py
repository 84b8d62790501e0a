"""By which codes held jobs are told apart: HoldReasonCode is HTCondor's own, HoldReasonSubCode has ours beside it."""

from __future__ import annotations

#: on request (condor_hold), a credential that is not there, input files on the way, a policy of the access point
REQUEST, NO_TOKEN, ARRIVING, POLICY = 1, 4, 16, 26
#: subcodes of the credential monitor's requests: the owner must sign in again; there are no tokens at the moment
SIGN_IN_AGAIN, NONE_NOW = 401, 503
#: subcode of the policy: the VO is closed
CLOSED = 403
#: subcode of a request: the owner is suspended
SUSPENDED = 423
#: what a job's own policy (OnExitHold) says, and the subcode of ours in it: the job was ended by SIGKILL
OWN_POLICY, KILLED = 3, 137
