#include "table.hh"

#include <sstream>

namespace lakes {

namespace {

bool covers(std::string_view prefix, std::string_view path) {
    if (path.substr(0, prefix.size()) != prefix) return false;
    return path.size() == prefix.size() || path[prefix.size()] == '/';
}

std::optional<Lake> lake(const std::string &prefix, const std::string &origin, const std::string &credential) {
    const size_t end = origin.find("://");
    if (prefix.size() < 2 || prefix[0] != '/' || end == std::string::npos) return std::nullopt;
    Lake made{prefix, origin.substr(0, end), origin.substr(end + 3), credential == "robot"};
    const bool known = made.protocol == "https" || made.protocol == "root" || made.protocol == "roots";
    const bool host = !made.host.empty() && made.host.find_first_of("/@?#") == std::string::npos;
    return known && host && (made.robot || credential.empty()) ? std::optional<Lake>(made) : std::nullopt;
}

}  // namespace

std::optional<Lakes> parse(const std::string &text, std::string &problem) {
    Lakes found;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string prefix, origin, credential, more;
        words >> prefix >> origin >> credential;
        const auto made = words >> more ? std::nullopt : lake(prefix, origin, credential);
        if (!made) {
            problem = "no prefix, origin and perhaps robot: '" + line + "'";
            return std::nullopt;
        }
        found.push_back(*made);
    }
    return found;
}

std::optional<Lake> covering(const Lakes &lakes, std::string_view path) {
    const Lake *best = nullptr;
    for (const Lake &one : lakes)
        if (covers(one.prefix, path) && (!best || one.prefix.size() > best->prefix.size())) best = &one;
    return best ? std::optional<Lake>(*best) : std::nullopt;
}

bool above(const Lakes &lakes, std::string_view path) {
    for (const Lake &one : lakes)
        if (path == "/" || covers(path, one.prefix)) return true;
    return false;
}

}  // namespace lakes
