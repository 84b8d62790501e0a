#include "keeping.hh"

#include <sstream>

namespace lakes {

namespace {

constexpr long kMost = 100000;  // days

bool take(Keeping &found, const std::string &key, std::istringstream &words) {
    if (key == "prefetch") {
        std::string how;
        words >> how;
        found.ahead = how == "ahead";
        return found.ahead || how == "as-read";
    }
    if (key == "unused") {
        long days = -1;
        words >> days;
        found.unused = std::chrono::hours(24 * days);
        return days >= 0 && days <= kMost;
    }
    Quota quota;
    words >> quota.directory >> quota.most;
    found.quotas.push_back(quota);
    return key == "quota" && words && quota.directory.front() == '/' && quota.directory.back() == '/';
}

}  // namespace

std::optional<Keeping> keeping(const std::string &text, std::string &problem) {
    Keeping found;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string key, more;
        words >> key;
        if (take(found, key, words) && !(words >> more)) continue;
        problem = "neither prefetch, unused nor quota: '" + line + "'";
        return std::nullopt;
    }
    return found;
}

}  // namespace lakes
