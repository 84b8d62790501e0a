#include "paths.hh"

#include <cstring>

namespace lakes {

namespace {

// RFC 3986: unreserved and sub-delimiters, ':' '@' '/', but for ';' and '&'.
bool itself(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && std::strchr("/-._~!$'()*+,=:@", c) != nullptr);
}

bool climbs(const std::string &path) {
    for (size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
        const std::string part = path.substr(at + 1, path.find('/', at + 1) - at - 1);
        if (part == "." || part == "..") return true;
    }
    return false;
}

std::string at(const std::string &who) { return who.empty() ? who : who + "@"; }

}  // namespace

bool plain(const std::string &path) {
    for (const char c : path)
        if (!itself(c)) return false;
    return !path.empty() && path[0] == '/' && !climbs(path);
}

std::string forwarded(const Lake &lake, const std::string &who, const std::string &path) {
    return "/" + lake.protocol + ":/" + at(who) + lake.host + path;
}

std::string url(const Lake &lake, const std::string &who) { return lake.protocol + "://" + at(who) + lake.host; }

std::string url(const Lake &lake, const std::string &who, const std::string &path) {
    const std::string whole = url(lake, who) + (lake.protocol == "https" ? "" : "/") + path, asked = query(lake);
    return asked.empty() ? whole : whole + "?" + asked;
}

const char *query(const Lake &lake) { return lake.robot && lake.protocol == "https" ? "authz=" : ""; }

}  // namespace lakes
