// Whether a server can be reached.
//
// XRootD's client tries for minutes to reach one that is gone. Who named the cache wants that: it comes back. Who named a
// storage is better served there at once, if it can be reached from here.

#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>

namespace lakes {

class Reach {
  public:
    // Whether something listens at host:port; asked again after a few seconds. Waits two seconds at most.
    bool there(const std::string &server);

  private:
    using Clock = std::chrono::steady_clock;
    struct Known {
        Clock::time_point looked{};
        bool there = false;
    };
    std::mutex lock_;
    std::map<std::string, Known> known_;  // by host:port
};

}  // namespace lakes
