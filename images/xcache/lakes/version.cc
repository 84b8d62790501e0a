#include "version.hh"

#include <functional>

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

uint64_t identity(const Version &version) {
    const std::string text = std::to_string(version.size) + ' ' + std::to_string(version.changed) + ' ' + version.tag;
    return std::hash<std::string>{}(text) | 1;
}

}  // namespace lakes
