"""What to do about each reason that conditions give: of a VO (by the operator), of a person (by the broker)."""

from __future__ import annotations

#: reasons of a VO's conditions that are not as they should be; docs/how-to/add-a-vo.md explains them at more length
VO = {
    "BadName": "apply the VO under another name, and delete this object",
    "BadSpec": "mend the field that the sentence names, and apply the object again; until then nobody signs in",
    "IssuerTaken": "an issuer is one VO: use groups for parts of it, or delete one of the two objects",
    "PrefixTaken": "choose another prefix, or take it from the older VO first",
    "CannotBuild": "change the field that the sentence names",
    "CannotApply": "see what the API server refuses; a changed size or class of a volume has to be set back",
    "IssuerUnreachable": "look at the issuer's own health; a certificate that is not accepted needs site.extraTrust",
    "IssuerMismatch": "correct spec.issuer: it is the claim iss of access tokens, letter by letter",
    "IssuerWithoutKeys": "tell the issuer's administrators that its jwks_uri has no RSA or EC key",
    "IssuerDiffersBySlash": "nothing, if spec.issuer is the claim iss of access tokens, letter by letter",
    "SecretMissing": "create the Secret in the facility's namespace, with the keys that the sentence names",
    "SecretIncomplete": "give the Secret the keys that the sentence names",
    "SecretReserved": "name a Secret of the VO's own",
    "HostUnknown": "correct the host in network.allow, or have its name put into DNS",
}
#: reasons of a person's condition TokenReady
PERSON = {
    "SignInAgain": "nothing: each of them signs in again at the hub",
    "NotInGroup": "nothing, if they shall not enter; else the VO's managers give them a group of login.allowedGroups",
    "IssuerUnavailable": "look at the issuer's health; tokens at hand are used until they expire",
    "ClientRefused": "renew client_id and client_secret in the VO's Secret: the issuer refuses them",
    "AnswerRefused": "read the broker's log: the issuer answers with tokens that were not asked for",
    "VOClosed": "nothing while the VO is closed",
}
