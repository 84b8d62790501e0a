"""libscitokens' key cache, by libscitokens itself: XRootD and HTCondor of the same image read what it writes."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int

#: by its soname: the image's own
SONAME = "libSciTokens.so.0"


class KeysError(Exception):
    """An issuer's keys could not be fetched, in libscitokens' words; those that were there are still there."""


class KeyCache:
    """The cache in the directory `home` (libscitokens' `keycache.cache_home`)."""

    def __init__(self, home: str, library: str = SONAME) -> None:
        """Raises OSError without the library, or where it has no such cache (before 1.4)."""
        self._library = ctypes.CDLL(library)
        try:
            self._fetch = self._library.keycache_refresh_jwks
            setting = self._library.scitoken_config_set_str
        except AttributeError as problem:
            raise OSError(f"{library} is too old: {problem}") from problem
        self._fetch.restype, self._fetch.argtypes = c_int, (c_char_p, POINTER(c_char_p))
        setting.restype, setting.argtypes = c_int, (c_char_p, c_char_p, POINTER(c_char_p))
        self._call(setting, b"keycache.cache_home", home.encode())

    def fetch(self, issuer: str) -> None:
        """Fetch the keys of an issuer (its `iss`, to the letter) and keep them. Takes half a minute at most.

        Raises:
            KeysError: the issuer does not answer, or not with keys; or the cache cannot be written.
        """
        self._call(self._fetch, issuer.encode())

    def _call(self, function: ctypes._FuncPointer, *arguments: bytes) -> None:
        told = c_char_p()
        if function(*arguments, byref(told)) != 0:
            raise KeysError((told.value or b"no reason given").decode(errors="replace"))
