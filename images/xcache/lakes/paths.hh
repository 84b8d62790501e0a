// Which paths a cache serves, and what it asks its origin for.

#pragma once

#include <string>

#include "table.hh"

namespace lakes {

// Whether the path means the same to everybody who reads it: of characters that a URL treats as themselves, with no
// "." and "..". XRootD decides by the path as the client wrote it, and makes a URL of it without escaping; the http
// client underneath reads the URL anew, decodes %2e%2e and walks up, and the cache's own token opens what it finds.
bool plain(const std::string &path);

// What XRootD's forwarding proxy (XrdPss, `pss.origin =...`) takes for a path at an origin: "/root:/who@host:port/path".
// `who` names the connection to origins that keep to the credential of its login.
std::string forwarded(const Lake &lake, const std::string &who, const std::string &path);

// The origin as a URL, and a file there.
std::string url(const Lake &lake, const std::string &who);
std::string url(const Lake &lake, const std::string &who, const std::string &path);

// What is to be in the URL's query. XRootD's https client sends the cache's token to whatever it talks to, unless the
// query says something of authorization (`authz`) already; some storages that know a robot's certificate refuse a
// request for a token that they do not know.
const char *query(const Lake &lake);

}  // namespace lakes
