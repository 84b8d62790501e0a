"""The environment in which programs of a person's own machine find lake, batch system and tokens. Pure."""

from __future__ import annotations

from pathlib import Path

from facility.laptop.sessions import Record

#: what jobs have that ask for nothing, as in notebooks (images/notebook/condor_config). HTCondor guesses by the size of
#: the program's file, and a job that takes more than it has is held. Memory is in MiB, disk in KiB.
_MEMORY = "1024"
_JOBS = {
    "_CONDOR_JOB_DEFAULT_REQUESTDISK": "MAX({512, (TransferInputSizeMB + 1) * 1.25}) * 1024",
    "_CONDOR_SUBMIT_DEFAULT_SHOULD_TRANSFER_FILES": "YES",
    "_CONDOR_USE_JOBSETS": "True",
}
#: HTCondor's domain of identities, as the pool has it (facility.names.TRUST_DOMAIN)
_DOMAIN = "pool"


def variables(record: Record, tokens: Path, bundle: Path) -> dict[str, str]:
    """By name. `tokens`: directory of token files; `bundle`: authorities of caches and access points."""
    found = {"FACILITY_VO": record.vo, "X509_CERT_FILE": str(bundle)}
    if record.offer.lakes:
        found |= _lake(record, tokens)
    return found | (_batch(record, tokens, bundle) if record.offer.batch else {})


def _lake(record: Record, tokens: Path) -> dict[str, str]:
    first = record.offer.lakes[0]
    return {
        "BEARER_TOKEN_FILE": str(tokens / "lake"),
        "LAKE_ROOT": first["root"].removesuffix(first["prefix"]),
        "LAKE_HTTPS": first["https"].removesuffix(first["prefix"]),
    }


def _batch(record: Record, tokens: Path, bundle: Path) -> dict[str, str]:
    """For HTCondor's tools and bindings, which then need no configuration file and speak with the schedd alone."""
    guarded = ("AUTHENTICATION", "ENCRYPTION", "INTEGRITY")
    return {
        "CONDOR_CONFIG": "ONLY_ENV",
        "_CONDOR_UID_DOMAIN": _DOMAIN,
        "_CONDOR_SCHEDD_HOST": record.offer.batch["schedd"],
        "_CONDOR_SCITOKENS_FILE": str(tokens / "compute"),
        "_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS": "SCITOKENS",
        **{f"_CONDOR_SEC_CLIENT_{one}": "REQUIRED" for one in guarded},
        "_CONDOR_AUTH_SSL_CLIENT_CAFILE": str(bundle),
        "_CONDOR_AUTH_SSL_USE_CLIENT_PROXY_ENV_VAR": "False",
        "_CONDOR_JOB_DEFAULT_REQUESTMEMORY": record.offer.batch.get("memory", _MEMORY),
        **_JOBS,
    }
