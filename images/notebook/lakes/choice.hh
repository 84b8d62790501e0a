// Where a URL of a person's program is read: at the VO's cache, if it names a file of one of the VO's lakes.
//
// A URL may name the cache, or a storage that holds the lake, as Rucio gives them. The user part becomes one that is
// another whenever the person's token is: XRootD's client keeps one connection for each user@host, and a server keeps to
// the token of its login, also when that has expired. So a program that lives for days opens what a new one opens.

#pragma once

#include <string>
#include <vector>

namespace XrdCl {
class URL;
}

namespace lakes {

struct Lake {
    std::string prefix;  // "/cms"
    std::string host;    // of a storage that has it
};

// What the environment says: LAKE_ROOT (root://cache:1094/), LAKE_PREFIXES, and for each prefix a word of LAKE_ORIGINS:
// URLs of storages, with commas between.
struct Surroundings {
    std::string cache;  // host:port, or nothing
    std::vector<Lake> lakes;

    static Surroundings of(const char *root, const char *prefixes, const char *origins);
};

// A name for the token of this moment: of the file that BEARER_TOKEN_FILE names. Nothing where there is none, or where
// BEARER_TOKEN holds one, which nobody renews.
std::string login();

struct Choice {
    std::string url;         // to be tried first
    std::string without;     // instead, where the cache is away and the storage can be reached; or nothing
};

// For a file, by its whole URL. What is neither at the cache nor of a lake stays as it is.
Choice choice(const Surroundings &around, const std::string &url, const std::string &login);

// For what is asked of a host about a path: the host's URL.
Choice choice(const Surroundings &around, const XrdCl::URL &host, const std::string &path, const std::string &login);

}  // namespace lakes
