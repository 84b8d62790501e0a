// Files that somebody wants in the cache before they are read.
//
// A few workers bring them, for one person after the other, so that nobody waits for another's ten thousand files, and
// readers keep the most of the way. What is wanted is remembered in memory alone: after a restart it is asked for anew,
// and what is there is not brought again.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace lakes {

struct Wanted {
    enum class State { waiting, coming, there, failed, cancelled };
    std::string path;
    State state = State::waiting;
    int problem = 0;  // errno of what failed
};

class Staging {
  public:
    // Brings one file: 0 or errno. `stopped` says whether it is wanted no more.
    using Bring = std::function<int(const std::string &path, const std::function<bool()> &stopped)>;

    Staging(Bring bring, unsigned workers);

    // False: that person waits for too many already.
    bool want(const std::string &request, const std::string &person, const std::vector<std::string> &paths);
    // False: that person has no such request.
    bool cancel(const std::string &request, const std::string &person);
    bool look(const std::string &request, const std::string &person, std::vector<Wanted> &found);
    // Forgets a request that is over.
    void drop(const std::string &request);

  private:
    struct Request {
        std::string person;
        std::vector<Wanted> files;
        size_t open = 0;  // files that wait or come
        bool cancelled = false;
    };
    using Place = std::pair<std::string, size_t>;  // of a file: its request, and which one of that

    void work();
    Place next(std::unique_lock<std::mutex> &held);
    void bring(const Place &place, std::unique_lock<std::mutex> &held);
    void end(Request &request, Wanted &file, Wanted::State state);
    void forget();
    Request *of(const std::string &request, const std::string &person);
    size_t open(const std::string &person) const;

    static constexpr size_t kMost = 10000;        // files that a person waits for
    static constexpr size_t kRemembered = 100000;  // files of all requests, before those that are over are forgotten
    const Bring bring_;
    std::mutex lock_;
    std::condition_variable more_;
    std::map<std::string, Request> requests_;
    std::deque<std::string> order_;                     // of requests, the oldest first
    std::map<std::string, std::deque<Place>> waiting_;  // by person
    std::string served_;                                // who got the last worker
    size_t files_ = 0;
};

}  // namespace lakes
