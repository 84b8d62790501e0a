// What comes into the cache, and what goes: lines `prefetch ahead|as-read`, `unused <days>` and, for each directory that is
// kept small, `quota <directory>/ <bytes>`.

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "watched.hh"

namespace lakes {

struct Quota {
    std::string directory;  // "/cms/simulation/"
    long long most = 0;     // bytes
};

struct Keeping {
    bool ahead = true;             // files come ahead of who reads them
    std::chrono::hours unused{0};  // a file goes after that, if nobody has read it; 0: it stays while there is room
    std::vector<Quota> quotas;
};

// The lines. Nothing, and `problem` says why, when one of them is none.
std::optional<Keeping> keeping(const std::string &text, std::string &problem);

using Kept = Watched<Keeping>;

}  // namespace lakes
