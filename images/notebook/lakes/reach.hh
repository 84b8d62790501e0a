// Whether a server can be reached.
//
// XRootD's client tries for minutes to reach one that is gone. Who named the cache wants that: it comes back. Who named a
// storage is better served there at once, if it can be reached from here. So a connection is held to a server that was
// there: it ends with the server, before anybody waits for that.

#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace lakes {

class Reach {
  public:
    Reach();
    ~Reach();
    // Whether something listens at host:port; asked again after a few seconds, and as soon as the last connection has ended.
    // Waits two seconds at most.
    bool there(const std::string &server);

  private:
    using Clock = std::chrono::steady_clock;
    class Connection;
    struct Known {
        Clock::time_point looked{};
        std::unique_ptr<Connection> connection;  // none: nobody was there
    };
    static std::unique_ptr<Connection> connected(const std::string &server);

    std::mutex lock_;
    std::map<std::string, Known> known_;  // by host:port
};

}  // namespace lakes
