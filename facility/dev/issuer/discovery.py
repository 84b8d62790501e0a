"""The issuer's description of itself (OpenID Connect Discovery 1.0), as INDIGO IAM 1.12 fills it: a pure function."""

from __future__ import annotations

from typing import Any

from facility.dev.issuer import claims, settings

_CLAIMS = (
    "sub name preferred_username given_name family_name middle_name nickname profile picture zoneinfo locale "
    "updated_at email email_verified organisation_name groups wlcg.groups external_authn"
)
_SCOPES = (
    "openid profile email address phone offline_access eduperson_scoped_affiliation eduperson_entitlement "
    "eduperson_assurance entitlements wlcg.groups"
)


def document(own: settings.Settings) -> dict[str, Any]:
    """What /.well-known/openid-configuration holds. Storage scopes are not in it: IAM lists unrestricted ones only."""
    base = claims.with_slash(own.issuer)
    paths = {
        "authorization_endpoint": "authorize",
        "token_endpoint": "token",
        "userinfo_endpoint": "userinfo",
        "jwks_uri": "jwk",
        "introspection_endpoint": "introspect",
        "revocation_endpoint": "revoke",
        "device_authorization_endpoint": "devicecode",
    }
    answer: dict[str, Any] = {"issuer": base} | {name: base + path for name, path in paths.items()}
    answer |= {
        "scopes_supported": _SCOPES.split(),
        "response_types_supported": ["code"],
        "grant_types_supported": [
            settings.CODE,
            settings.REFRESH,
            settings.CLIENT,
            settings.EXCHANGE,
            settings.DEVICE,
        ],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "subject_types_supported": ["public", "pairwise"],
        "claim_types_supported": ["normal"],
        "claims_supported": _CLAIMS.split(),
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    }
    return answer | ({"authorization_response_iss_parameter_supported": True} if own.iss_parameter else {})
