// Which origin holds which part of the lake: read from a file of `<prefix> <origin> [robot]` lines, again whenever it
// changes.
//
// XRootD reads its own configuration at start only. A VO's lakes come and go while people read, so what differs from
// lake to lake is in a file of its own.

#pragma once

#include <chrono>
#include <ctime>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

class XrdSysError;

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

class Table {
  public:
    Table(std::string file, XrdSysError &log) : file_(std::move(file)), log_(log) {}

    // What the file says, at most a second ago. A file that is missing or wrong changes nothing, and is logged once.
    std::shared_ptr<const Lakes> now();

  private:
    using Clock = std::chrono::steady_clock;
    void read();

    const std::string file_;
    XrdSysError &log_;
    std::mutex lock_;
    std::shared_ptr<const Lakes> lakes_ = std::make_shared<Lakes>();
    Clock::time_point looked_{};
    std::string text_, problem_;
};

}  // namespace lakes
