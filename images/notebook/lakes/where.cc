#include "where.hh"

#include <cstdlib>

namespace lakes {

Where &Where::instance() {
    static auto *const only = new Where;  // for ever: XRootD's threads outlive static objects
    return *only;
}

Where::Where()
    : around_(Surroundings::of(std::getenv("LAKE_ROOT"), std::getenv("LAKE_PREFIXES"), std::getenv("LAKE_ORIGINS"))) {}

Found Where::file(const std::string &url) { return chosen(choice(around_, url, login())); }

std::string Where::host(const XrdCl::URL &named, const std::string &path) {
    return chosen(choice(around_, named, path, login())).url;
}

std::string Where::itself(const XrdCl::URL &named, const std::string &path) {
    const Choice found = choice(around_, named, path, login());
    return found.without.empty() ? found.url : found.without;
}

Found Where::chosen(const Choice &choice) {
    if (choice.without.empty() || reach_.there(around_.cache)) return {choice.url, {}};
    const XrdCl::URL storage(choice.without);
    const std::string server = storage.GetHostName() + ":" + std::to_string(storage.GetPort());
    if (reach_.there(server)) return {choice.without, {}};
    return {choice.url, "neither the cache " + around_.cache + " nor the storage " + server + " can be reached from here"};
}

}  // namespace lakes
