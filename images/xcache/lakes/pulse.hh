// Whether another replica answers: asked again and again over one connection, as a login of its own would be in both
// logs each time, and a process that hangs accepts connections too.

#pragma once

#include <memory>
#include <string>

namespace XrdCl {
class FileSystem;
}

namespace lakes {

class Pulse {
  public:
    explicit Pulse(const std::string &server);  // host:port
    ~Pulse();

    // Asks, and does not wait; not again while a question is open.
    void ask();
    // Whether an answer has come in the last three seconds.
    bool beats() const;

  private:
    struct Beat;
    const std::shared_ptr<XrdCl::FileSystem> server_;
    const std::shared_ptr<Beat> beat_;
};

}  // namespace lakes
