// Which origin holds which part of the lake: a file of `<prefix> <origin> [robot]` lines.
//
// XRootD reads its own configuration at start only. A VO's lakes come and go while people read, so what differs from
// lake to lake is in a file of its own.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "watched.hh"

namespace lakes {

struct Lake {
    std::string prefix;    // "/cms"
    std::string protocol;  // "https", "root" or "roots"
    std::string host;      // "origin.example.org:1094"
    bool robot = false;    // is shown the VO's robot certificate, and never a token
};

using Lakes = std::vector<Lake>;

// The lines as lakes. Nothing, and `problem` says why, when one of them is none.
std::optional<Lakes> parse(const std::string &text, std::string &problem);

// The lake with the longest prefix that covers the path.
std::optional<Lake> covering(const Lakes &lakes, std::string_view path);

// Whether some lake lies below the path.
bool above(const Lakes &lakes, std::string_view path);

using Table = Watched<Lakes>;

}  // namespace lakes
