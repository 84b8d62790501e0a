"""The program that HTCondor runs around every job (USER_JOB_WRAPPER): it points the job at its own token.

The starter puts the token into `$_CONDOR_CREDS` and renews it there, but tells no program about it; WLCG bearer token
discovery wants BEARER_TOKEN_FILE. Written in sh, because it runs before anything of the job's does.
"""

from __future__ import annotations

#: FACILITY_VO comes from the execute pod. A job submitted with `getenv` brings the notebook's BEARER_TOKEN_FILE and
#: HOME along, which mean nothing here: the token is always the job's own, the home is the scratch directory. Into a
#: job's image gets only what is called APPTAINERENV_…, without that. Workers of dask come with a file that makes them
#: speak TLS with their scheduler (facility.lab.dask).
TEXT = """\
#!/bin/sh
unset BEARER_TOKEN _CONDOR_SCITOKENS_FILE APPTAINERENV_BEARER_TOKEN APPTAINERENV__CONDOR_SCITOKENS_FILE
unset APPTAINERENV_BEARER_TOKEN_FILE SINGULARITYENV_BEARER_TOKEN SINGULARITYENV_BEARER_TOKEN_FILE
if [ -n "$_CONDOR_CREDS" ]; then
  BEARER_TOKEN_FILE="$_CONDOR_CREDS/$FACILITY_VO.use"
  APPTAINERENV_BEARER_TOKEN_FILE="${APPTAINERENV__CONDOR_CREDS:-$_CONDOR_CREDS}/$FACILITY_VO.use"
  export BEARER_TOKEN_FILE APPTAINERENV_BEARER_TOKEN_FILE
fi
if [ ! -w "${HOME:-}" ]; then
  HOME="$_CONDOR_SCRATCH_DIR"
  export HOME
fi
PATH="/opt/venv/bin:${PATH:-/usr/local/bin:/usr/bin:/bin}"
export PATH
tls="$_CONDOR_SCRATCH_DIR/facility-dask.pem"
if [ -r "$tls" ]; then
  DASK_DISTRIBUTED__COMM__DEFAULT_SCHEME=tls
  DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=true
  DASK_DISTRIBUTED__COMM__TLS__CA_FILE="$tls"
  export DASK_DISTRIBUTED__COMM__DEFAULT_SCHEME DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION
  export DASK_DISTRIBUTED__COMM__TLS__CA_FILE
  for role in WORKER CLIENT SCHEDULER; do
    export "DASK_DISTRIBUTED__COMM__TLS__${role}__CERT=$tls" "DASK_DISTRIBUTED__COMM__TLS__${role}__KEY=$tls"
  done
fi
exec "$@"
"""
