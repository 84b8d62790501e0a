#include "version.hh"

namespace lakes {

bool same(const Version &one, const Version &other) {
    if (one.directory != other.directory || one.size != other.size) return false;
    if (one.changed && other.changed && one.changed != other.changed) return false;
    return one.tag.empty() || other.tag.empty() || one.tag == other.tag;
}

Version completed(Version version, const Version &other) {
    if (!version.changed) version.changed = other.changed;
    if (version.tag.empty()) version.tag = other.tag;
    return version;
}

}  // namespace lakes
