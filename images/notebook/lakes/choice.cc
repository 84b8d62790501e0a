#include "choice.hh"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "XrdCl/XrdClURL.hh"

namespace lakes {

namespace {

std::vector<std::string> words(const char *text) {
    std::istringstream stream(text ? text : "");
    std::vector<std::string> found;
    for (std::string one; stream >> one;) found.push_back(one);
    return found;
}

std::vector<std::string> hosts(const std::string &urls) {
    std::istringstream stream(urls);
    std::vector<std::string> found;
    for (std::string one; std::getline(stream, one, ',');) found.push_back(XrdCl::URL(one).GetHostName());
    return found;
}

// As one slash begins it: root://host//path has two.
std::string plain(const std::string &path) {
    const size_t first = path.find_first_not_of('/');
    return first == std::string::npos ? "/" : "/" + path.substr(first);
}

bool covers(const std::string &prefix, const std::string &path) {
    return path.compare(0, prefix.size(), prefix) == 0 && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

bool holds(const Surroundings &around, const std::string &host, const std::string &path) {
    for (const Lake &lake : around.lakes)
        if (lake.host == host && covers(lake.prefix, plain(path))) return true;
    return false;
}

// The same, asked by somebody who has logged in with the token of this moment. Whoever names a user means it.
std::string asked(XrdCl::URL url, const std::string &login) {
    if (url.GetUserName().empty()) url.SetUserName(login);
    return url.GetURL();
}

// The same, asked by somebody who can reach each of the cache's replicas, and follows it to the one that keeps the file.
std::string following(const std::string &url) {
    XrdCl::URL led(url);
    XrdCl::URL::ParamsMap more = led.GetParams();
    more["facility.follows"] = "1";
    led.SetParams(more);
    return led.GetURL();
}

bool at_cache(const Surroundings &around, const XrdCl::URL &url) {
    return !around.cache.empty() && url.GetHostName() + ":" + std::to_string(url.GetPort()) == around.cache;
}

}  // namespace

Surroundings Surroundings::of(const char *root, const char *prefixes, const char *origins) {
    Surroundings found;
    const XrdCl::URL cache(root ? root : "");
    if (cache.IsValid()) found.cache = cache.GetHostName() + ":" + std::to_string(cache.GetPort());
    const auto begins = words(prefixes), urls = words(origins);
    for (size_t at = 0; at < begins.size() && at < urls.size(); ++at)
        for (const std::string &host : hosts(urls[at])) found.lakes.push_back({begins[at], host});
    return found;
}

std::string login() {
    const char *file = std::getenv("BEARER_TOKEN") ? nullptr : std::getenv("BEARER_TOKEN_FILE");
    struct stat token {};
    if (!file || stat(file, &token) != 0) return {};
    char name[64];
    std::snprintf(name, sizeof name, "t%llx.%llx.%lx", static_cast<unsigned long long>(token.st_ino),
                  static_cast<unsigned long long>(token.st_mtim.tv_sec), token.st_mtim.tv_nsec);
    return name;
}

Choice choice(const Surroundings &around, const std::string &url, const std::string &login) {
    const XrdCl::URL named(url);
    if (!named.IsValid()) return {url, {}};
    Choice found = choice(around, named, named.GetPath(), login);
    if (at_cache(around, XrdCl::URL(found.url))) found.url = following(found.url);
    return found;
}

Choice choice(const Surroundings &around, const XrdCl::URL &named, const std::string &path, const std::string &login) {
    if (at_cache(around, named)) return {asked(named, login), {}};
    if (around.cache.empty() || !holds(around, named.GetHostName(), path)) return {named.GetURL(), {}};
    const XrdCl::URL cache("root://" + around.cache);
    XrdCl::URL there(named);
    there.SetProtocol("root");
    there.SetUserName("");  // a name at the storage is none at the cache
    there.SetHostName(cache.GetHostName());
    there.SetPort(cache.GetPort());
    return {asked(there, login), asked(named, login)};
}

}  // namespace lakes
