// What a server answers to one question, for somebody who does not wait for ever.

#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include "XrdCl/XrdClXRootDResponses.hh"

namespace lakes {

class Reply {
  public:
    // Asks by the function, which hands the handler on to XRootD's client; the reply, and `kept` with it, outlive whoever
    // waits. Nothing if it could not be asked.
    static std::shared_ptr<Reply> to(const std::function<XrdCl::XRootDStatus(XrdCl::ResponseHandler *)> &ask,
                                     std::shared_ptr<void> kept);

    // Whether it has come in time.
    bool within(std::chrono::seconds patience);

    // When it has come.
    XrdCl::XRootDStatus status;
    std::unique_ptr<XrdCl::AnyObject> response;

  private:
    class Handler;
    std::mutex lock_;
    std::condition_variable came_;
    bool done_ = false;
};

}  // namespace lakes
