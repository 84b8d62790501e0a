// What an origin says of a path, and whether two such words are of one content.

#pragma once

#include <cstdint>
#include <ctime>
#include <string>

namespace lakes {

// What an origin says of a path; what it does not say is empty.
struct Version {
    bool directory = false;
    long long size = 0;
    std::time_t changed = 0;  // seconds since the epoch
    std::string tag;          // ETag (RFC 9110, 8.8.3)

    bool operator==(const Version &other) const {
        return directory == other.directory && size == other.size && changed == other.changed && tag == other.tag;
    }
};

// Whether two versions are of one content, by what both say: a file that is replaced or appended to differs in one of
// these. What has nothing but its size in common with the other is another, unless neither says more.
bool same(const Version &one, const Version &other);

// The version, with what it does not say as the other says it.
Version completed(Version version, const Version &other);

// A number for the version, never 0: one content has one number at all replicas.
uint64_t identity(const Version &version);

enum class Answer { there, missing, unknown };  // unknown: the origin is away, slow, or refuses

}  // namespace lakes
