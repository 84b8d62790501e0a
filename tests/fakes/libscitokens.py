"""libscitokens itself, asked line by line: the library by which XRootD and HTCondor read tokens.

    python3 libscitokens.py < questions > answers

The first line is {"load": modules to import first, "library": file, "issuer", "audience", "kid", "pem"}, each further
one {"token", "authz", "path"}, answered by true or false. Standard library only: it also runs in containers that have
the library, and in a process of its own, as a C library may end that.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
import tempfile
from ctypes import POINTER, byref, c_char_p, c_int, c_void_p


class Acl(ctypes.Structure):
    """An authorization and the path that it is for."""

    _fields_ = (("authz", c_char_p), ("resource", c_char_p))


_SIGNATURES = (
    ("scitoken_config_set_str", c_int, (c_char_p, c_char_p)),
    ("scitoken_store_public_ec_key", c_int, (c_char_p, c_char_p, c_char_p)),
    ("scitoken_deserialize", c_int, (c_char_p, POINTER(c_void_p), POINTER(c_char_p))),
    ("enforcer_create", c_void_p, (c_char_p, POINTER(c_char_p))),
    ("enforcer_test", c_int, (c_void_p, c_void_p, POINTER(Acl))),
)


class Library:
    """One enforcer of one issuer and audience; knows one key, kept in the directory `cache`, and asks nobody else."""

    def __init__(self, path: str, issuer: str, audience: str, kid: str, pem: str, cache: str) -> None:
        self._lib = ctypes.CDLL(path)
        for name, result, arguments in _SIGNATURES:
            function = getattr(self._lib, name)
            function.restype, function.argtypes = result, (*arguments, POINTER(c_char_p))
        self._lib.scitoken_destroy.argtypes = (c_void_p,)
        self._do("scitoken_config_set_str", b"keycache.cache_home", cache.encode())
        self._do("scitoken_store_public_ec_key", issuer.encode(), kid.encode(), pem.encode())
        audiences = (c_char_p * 2)(audience.encode(), None)
        self._enforcer = self._lib.enforcer_create(issuer.encode(), audiences, byref(c_char_p()))

    def allows(self, token: str, authz: str, path: str) -> bool:
        """Whether it lets the holder of this token do that there; no, too, for a token that is no good."""
        opened = c_void_p()
        if self._lib.scitoken_deserialize(token.encode(), byref(opened), None, byref(c_char_p())) != 0:
            return False
        try:
            acl = Acl(authz.encode(), path.encode())
            return bool(self._lib.enforcer_test(self._enforcer, opened, byref(acl), byref(c_char_p())) == 0)
        finally:
            self._lib.scitoken_destroy(opened)

    def _do(self, name: str, *arguments: bytes) -> None:
        told = c_char_p()
        if getattr(self._lib, name)(*arguments, byref(told)) != 0:
            raise RuntimeError(f"{name}: {(told.value or b'').decode()}")


def main() -> None:
    """Answers the questions on standard input."""
    first = json.loads(sys.stdin.readline())
    for module in first.pop("load"):
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as cache:
        library = Library(first.pop("library"), cache=cache, **first)
        for line in sys.stdin:
            print(json.dumps(library.allows(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
