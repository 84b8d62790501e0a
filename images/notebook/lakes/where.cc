#include "where.hh"

#include <cstdlib>

namespace lakes {

Where &Where::instance() {
    static auto *const only = new Where;  // for ever: XRootD's threads outlive static objects
    return *only;
}

Where::Where()
    : around_(Surroundings::of(std::getenv("LAKE_ROOT"), std::getenv("LAKE_PREFIXES"), std::getenv("LAKE_ORIGINS"))) {}

std::string Where::file(const std::string &url) { return chosen(choice(around_, url, login())); }

std::string Where::host(const XrdCl::URL &named, const std::string &path) {
    return chosen(choice(around_, named, path, login()));
}

std::string Where::itself(const XrdCl::URL &named, const std::string &path) {
    const Choice found = choice(around_, named, path, login());
    return found.without.empty() ? found.url : found.without;
}

std::string Where::chosen(const Choice &choice) {
    if (choice.without.empty() || reach_.there(around_.cache)) return choice.url;
    const XrdCl::URL storage(choice.without);
    const std::string server = storage.GetHostName() + ":" + std::to_string(storage.GetPort());
    return reach_.there(server) ? choice.without : choice.url;
}

}  // namespace lakes
