// Which paths a cache serves, and what it asks its origin for.

#pragma once

#include <string>

#include "table.hh"

namespace lakes {

// Whether the path means the same to everybody who reads it: of characters that a URL treats as themselves, with no
// "." and "..". XRootD decides by the path as the client wrote it, and makes a URL of it without escaping; the http
// client underneath reads the URL anew, decodes %2e%2e and walks up, and the cache's own token opens what it finds.
bool plain(const std::string &path);

// What XRootD's forwarding proxy (XrdPss, `pss.origin =...`) takes for a path at an origin: "/https:/who@host:port/path".
// `who` names the connection to origins that keep to the token of its login.
std::string forwarded(const Lake &lake, const std::string &who, const std::string &path);

// The same as a URL.
std::string url(const Lake &lake, const std::string &who);

}  // namespace lakes
