#include "begun.hh"

#include <algorithm>
#include <utility>

#include "XProtocol/XProtocol.hh"

namespace lakes {

namespace {

using XrdCl::AnyObject;
using XrdCl::ResponseHandler;
using XrdCl::XRootDStatus;

XRootDStatus answered(ResponseHandler *handler, XRootDStatus status = {}, AnyObject *response = nullptr) {
    handler->HandleResponse(new XRootDStatus(std::move(status)), response);
    return {};
}

template <class Response>
XRootDStatus answered(ResponseHandler *handler, Response *response) {
    auto any = std::make_unique<AnyObject>();
    any->Set(response);
    return answered(handler, XRootDStatus(), any.release());
}

}  // namespace

class Begun::Opened : public ResponseHandler {
  public:
    explicit Opened(Begun &file) : file_(file) {}

    void HandleResponse(XRootDStatus *status, AnyObject *response) override {
        const std::unique_ptr<Opened> self(this);
        const std::unique_ptr<AnyObject> nothing(response);
        const std::unique_ptr<XRootDStatus> ended(status);
        file_.opened(*ended);
    }

  private:
    Begun &file_;
};

Begun::Begun(std::unique_ptr<XrdCl::FilePlugIn> below, std::shared_ptr<Beginning> beginning)
    : below_(std::move(below)), beginning_(std::move(beginning)) {}

XRootDStatus Begun::Open(const std::string &url, XrdCl::OpenFlags::Flags flags, XrdCl::Access::Mode,
                         ResponseHandler *handler, time_t) {
    url_ = url;
    flags_ = flags;
    begun_ = true;
    return answered(handler);
}

XRootDStatus Begun::Close(ResponseHandler *handler, time_t timeout) {
    begun_ = false;
    {
        const std::lock_guard<std::mutex> mine(lock_);
        if (std::exchange(state_, State::closed) != State::open) return answered(handler);
    }
    return below_->Close(handler, timeout);
}

XRootDStatus Begun::Stat(bool force, ResponseHandler *handler, time_t timeout) {
    if (force) return there([=] { return below_->Stat(force, handler, timeout); }, handler);
    const Version &version = beginning_->version();
    const auto size = static_cast<uint64_t>(version.size), changed = static_cast<uint64_t>(version.changed);
    return answered(handler, new XrdCl::StatInfo("0", size, XrdCl::StatInfo::IsReadable, changed));
}

XRootDStatus Begun::Read(uint64_t offset, uint32_t size, void *buffer, ResponseHandler *handler, time_t timeout) {
    const auto whole = static_cast<uint64_t>(beginning_->version().size);
    const auto wanted = static_cast<uint32_t>(std::min<uint64_t>(size, whole - std::min(whole, offset)));
    const bool here = wanted == 0 || beginning_->copied(offset, wanted, buffer);
    if (here) return answered(handler, new XrdCl::ChunkInfo(offset, wanted, buffer));
    return there([=] { return below_->Read(offset, size, buffer, handler, timeout); }, handler);
}

XRootDStatus Begun::PgRead(uint64_t offset, uint32_t size, void *buffer, ResponseHandler *handler, time_t timeout) {
    return there([=] { return below_->PgRead(offset, size, buffer, handler, timeout); }, handler);
}

XRootDStatus Begun::VectorRead(const XrdCl::ChunkList &chunks, void *buffer, ResponseHandler *handler, time_t timeout) {
    return there([=] { return below_->VectorRead(chunks, buffer, handler, timeout); }, handler);
}

bool Begun::SetProperty(const std::string &name, const std::string &value) { return below_->SetProperty(name, value); }

bool Begun::GetProperty(const std::string &name, std::string &value) const { return below_->GetProperty(name, value); }

// Does what is to be done at the origin as soon as the file is open there.
XRootDStatus Begun::there(Act act, ResponseHandler *handler) {
    State before;
    {
        const std::lock_guard<std::mutex> mine(lock_);
        before = state_;
        if (before != State::open) waiting_.push_back({act, handler});
        if (before == State::closed) state_ = State::opening;
    }
    if (before == State::open) return act();
    if (before == State::closed) begin();
    return {};
}

void Begun::begin() {
    auto handler = std::make_unique<Opened>(*this);
    const XRootDStatus asked = below_->Open(url_, flags_, XrdCl::Access::None, handler.get(), 0);
    if (!asked.IsOK()) return opened(asked);
    static_cast<void>(handler.release());  // it ends itself with the answer
}

// The last of those who wait may end this file.
void Begun::opened(XRootDStatus status) {
    std::vector<Waiting> waiting;
    if (status.IsOK() && another())
        status = {XrdCl::stError, XrdCl::errErrorResponse, kXR_IOError, "the file has changed at its origin"};
    {
        const std::lock_guard<std::mutex> mine(lock_);
        state_ = status.IsOK() ? State::open : State::closed;
        waiting.swap(waiting_);
    }
    for (const Waiting &one : waiting) {
        const XRootDStatus done = status.IsOK() ? one.act() : status;
        if (!done.IsOK()) answered(one.handler, done);
    }
}

// Whether what is there now is not what has begun, by what XRootD's http client knows of it.
bool Begun::another() const {
    const Version &version = beginning_->version();
    std::string size, tag;
    if (below_->GetProperty("ContentLength", size) && size != std::to_string(version.size)) return true;
    if (!below_->GetProperty("ETag", tag)) return false;
    tag.erase(std::remove(tag.begin(), tag.end(), '"'), tag.end());
    return !tag.empty() && !version.tag.empty() && tag != version.tag;
}

}  // namespace lakes
