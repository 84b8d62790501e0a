// Whether what is cached is still what the origin has.
//
// XRootD's cache never asks: a file that it holds is served until it is purged, whatever has become of it at its origin.
// Here a file is compared with its origin when it is opened or looked at, if that was not done within `period`, and
// while it is open. What differs is taken out of the cache: readers who have it open get an error instead of a mixture
// of both, and the next ones get what the origin has. An origin that does not answer changes nothing.

#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "origins.hh"
#include "table.hh"

class XrdOfsFSctl_PI;
class XrdSysError;

namespace lakes {

class Freshness {
  public:
    struct Settings {
        std::chrono::seconds period;  // how long a comparison is good for
        std::string data;             // the cache's files (`oss.localroot`)
    };

    // Begins to patrol.
    Freshness(Settings settings, Table &table, Origins &origins, XrdOfsFSctl_PI &cache, XrdSysError &log);

    // Whether the volume keeps what this has to remember of each file (extended attributes). If not, the log says so.
    static bool possible(const std::string &data, XrdSysError &log);

    // To be called before a path is opened or looked at; compares what is due.
    void before(const Lake &lake, const std::string &path);
    // An open has succeeded: the version that was seen before is that of the file.
    void opened(const std::string &path);
    void closed(const std::string &path);
    // Whether the origin still has what is cached of a path; asks now.
    bool unchanged(const Lake &lake, const std::string &path);
    // What the cache has of a path cannot be read: it is taken out.
    void broken(const std::string &path);
    // Compares all open files that are due.
    void patrol();

  private:
    using Clock = std::chrono::steady_clock;
    struct Known {
        Clock::time_point looked{};
        int open = 0;
        std::optional<Version> version;
    };
    bool due(const std::string &path);
    void compare(const Lake &lake, const std::string &path);
    bool remove(const std::string &path, const char *why);
    void forget();
    std::optional<Version> kept(const std::string &path) const;
    void keep(const std::string &path, const Version &version);
    std::string record(const std::string &path) const;

    const Settings settings_;
    Table &table_;
    Origins &origins_;
    XrdOfsFSctl_PI &cache_;
    XrdSysError &log_;
    std::mutex lock_;
    std::map<std::string, Known> known_;
};

}  // namespace lakes
