// Whether what is cached is still what the origin has.
//
// XRootD's cache never asks: a file that it holds is served until it is purged, whatever has become of it at its origin.
// Here a file is compared with its origin when it is opened or looked at, if that was not done within `period`, and
// while it is open. What differs is taken out of the cache: readers who have it open get an error instead of a mixture
// of both, and the next ones get what the origin has. An origin that does not answer changes nothing.
//
// XRootD's servers give who opens a path the file that somebody still has open there, also when another has taken its
// place since; and the cache lets go of a file some 20 s after its last reader. So what is remembered of a cached file
// is what was opened, not what its path says, and who opens a file that was just replaced waits for the new one.

#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "beginning.hh"
#include "origins.hh"
#include "table.hh"

class XrdOfsFSctl_PI;
class XrdOucErrInfo;
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

    // To be called before a path is looked at; compares what is due.
    void looking(const Lake &lake, const std::string &path);
    // To be called before the origin is asked for a checksum; compares, so that it is that of what is read next.
    void summing(const Lake &lake, const std::string &path);
    // As `looking`, before it is opened. False if the origin says that it has no such file. What is not cached may have begun to
    // come: one beginning for all who open it now.
    bool opening(const Lake &lake, const std::string &path, std::shared_ptr<Beginning> &beginning);
    // An open has succeeded: the version that was learned before is that of the file.
    void opened(const std::string &path);
    void closed(const std::string &path);
    // Whether the origin still has what is cached of a path; asks now.
    bool unchanged(const Lake &lake, const std::string &path);
    // Whether the origin has what it had when that was `before`; asks now.
    bool unchanged(const Lake &lake, const std::string &path, const Version &before);
    // The version of a path that another replica keeps; asks the origin once in a period.
    std::optional<Version> learned(const Lake &lake, const std::string &path);
    // The version of what the cache has of a path, or is fetching.
    std::optional<Version> version(const std::string &path);
    // Whether all bytes of a path are on the cache's disk.
    bool whole(const std::string &path, long long size) const;
    // What the cache has of a path is among the last to go for so long, if it has something. XRootD makes room in the order
    // of its records' times of change, which are in the past for everything else.
    void hold(const std::string &path, std::chrono::seconds time) const;
    // What the cache has of a path cannot be read: it is taken out.
    void broken(const std::string &path);
    // What the cache has of a path is taken out, unless somebody has it open. Whether it is gone.
    bool let_go(const std::string &path);
    // Compares all open files that are due.
    void patrol();

  private:
    using Clock = std::chrono::steady_clock;
    struct Known {
        Clock::time_point looked{};
        int open = 0;
        bool replaced = false;  // was taken out because the origin has another; nobody has opened that yet
        bool asking = false;    // somebody waits for what the origin gives
        std::weak_ptr<Beginning> beginning;  // of what is being opened
        std::optional<Version> version;
    };
    bool due(const std::string &path);
    void compare(const Lake &lake, const std::string &path);
    Answer learn(const Lake &lake, const std::string &path, std::shared_ptr<Beginning> *beginning);
    Answer asked(const Lake &lake, const std::string &path, Version &version, std::shared_ptr<Beginning> *beginning);
    Answer settled(const Lake &lake, const std::string &path, Version &version);
    bool cached(const std::string &path) const;
    bool remove(const std::string &path, const char *why);
    int evict(const char *order, const std::string &path, XrdOucErrInfo &problem);
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
    std::condition_variable answered_;
    std::map<std::string, Known> known_;
};

}  // namespace lakes
