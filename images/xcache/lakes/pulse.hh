// Whether another replica answers: asked again and again over one connection, as a login of its own would be in both
// logs each time, and a process that hangs accepts connections too.

#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "reply.hh"

namespace XrdCl {
class FileSystem;
}

namespace lakes {

class Pulse {  // of one thread
  public:
    explicit Pulse(const std::string &server);  // host:port
    ~Pulse();

    // Sees what was answered, and asks again; does not wait, and asks nothing while a question is open.
    void ask();
    // Whether a question of the last three seconds was answered.
    bool beats() const;

  private:
    using Clock = std::chrono::steady_clock;
    const std::shared_ptr<XrdCl::FileSystem> server_;
    std::shared_ptr<Reply> reply_;
    Clock::time_point asked_{};
    std::optional<Clock::time_point> answered_;  // when that was asked which was answered last
};

}  // namespace lakes
