#include "version.hh"

namespace lakes {

bool same(const Version &one, const Version &other) {
    if (one.directory != other.directory || one.size != other.size) return false;
    const bool times = one.changed && other.changed, tags = !one.tag.empty() && !other.tag.empty();
    if ((times && one.changed != other.changed) || (tags && one.tag != other.tag)) return false;
    const auto silent = [](const Version &version) { return !version.changed && version.tag.empty(); };
    return times || tags || (silent(one) && silent(other));
}

Version completed(Version version, const Version &other) {
    if (!version.changed) version.changed = other.changed;
    if (version.tag.empty()) version.tag = other.tag;
    return version;
}

}  // namespace lakes
