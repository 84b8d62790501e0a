// Parts of the lake that the VO's managers want in the cache (the object CachedDataset): brought ahead of need, and told
// how far they are. Of what is pinned everything else goes first; and what goes all the same, or changes at its origin, or
// is new in a directory, is brought again.

#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "origins.hh"
#include "staging.hh"

namespace lakes {

struct Dataset {
    std::string name;
    long long generation = 0;
    bool pinned = false;
    long long limit = 0;  // bytes
    std::vector<std::string> paths;
};

// The lines `<name> <generation> once|pinned <bytes> <path>`, one for each path; others are left out.
std::vector<Dataset> datasets(const std::string &text);

class Datasets {
  public:
    struct Settings {
        std::string file;            // the lines, read again every few seconds
        std::string told;            // how far they are, in JSON
        std::chrono::seconds round;  // after which what is pinned is looked at again, and what failed is tried
    };

    // Begins to work.
    Datasets(Settings settings, Staging &staging);

  private:
    using Clock = std::chrono::steady_clock;
    struct File {
        std::string path;
        long long size = 0;
    };
    struct Count {
        long long files = 0, bytes = 0;
        void add(long long size) { ++files, bytes += size; }
    };
    struct Work {
        Dataset wanted;
        Clock::time_point due{}, begun{};
        std::vector<File> mine;  // those of this replica
        size_t next = 0;         // of which one is asked for next
        std::string request;     // what is being brought, if something is
        size_t asked = 0;        // how many of `mine` that is
        std::vector<bool> there;
        bool sure = false;  // whether all origins said what they have
        Count chosen, beyond, present;  // of all replicas; of all, past the limit; of `mine`
        long long failed = 0, rounds = 0, number = 0;
        std::string problem;
    };

    void watch();
    void read();
    void step(Work &work);
    void begin(Work &work);
    void choose(Work &work, std::vector<File> found);
    void ask(Work &work);
    void note(Work &work);
    void end(Work &work);
    void hold();
    void tell() const;
    static std::string person(const Work &work);
    static Answer found(const std::string &path, std::vector<File> &files, std::string &problem);
    static void below(const Lake &lake, const std::string &path, std::vector<File> &files, std::string &problem);

    const Settings settings_;
    Staging &staging_;
    std::map<std::string, Work> works_;
    Clock::time_point held_{};  // when pinned files were last said to be the last to go
    mutable std::string last_;  // what was told
};

}  // namespace lakes
