#include "reply.hh"

namespace lakes {

class Reply::Handler : public XrdCl::ResponseHandler {
  public:
    Handler(std::shared_ptr<Reply> reply, std::shared_ptr<void> kept) : reply_(std::move(reply)), kept_(std::move(kept)) {}

    void HandleResponse(XrdCl::XRootDStatus *status, XrdCl::AnyObject *response) override {
        const std::unique_ptr<XrdCl::XRootDStatus> ended(status);
        {
            const std::lock_guard<std::mutex> held(reply_->lock_);
            reply_->status = *ended;
            reply_->response.reset(response);
            reply_->done_ = true;
        }
        reply_->came_.notify_all();
        delete this;
    }

  private:
    const std::shared_ptr<Reply> reply_;
    const std::shared_ptr<void> kept_;
};

std::shared_ptr<Reply> Reply::to(const std::function<XrdCl::XRootDStatus(XrdCl::ResponseHandler *)> &ask,
                                 std::shared_ptr<void> kept) {
    const auto reply = std::make_shared<Reply>();
    auto handler = std::make_unique<Handler>(reply, std::move(kept));
    if (!ask(handler.get()).IsOK()) return nullptr;
    static_cast<void>(handler.release());  // it ends itself with the answer
    return reply;
}

bool Reply::within(std::chrono::seconds patience) {
    std::unique_lock<std::mutex> held(lock_);
    return came_.wait_for(held, patience, [this] { return done_; });
}

}  // namespace lakes
