// A file at an https origin of which the beginning has come: XRootD's client (XrdCl) opens it there only when somebody
// reads further. All else is XRootD's own http client's.

#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "XrdCl/XrdClPlugInInterface.hh"
#include "XrdCl/XrdClXRootDResponses.hh"
#include "beginning.hh"

namespace lakes {

class Begun : public XrdCl::FilePlugIn {
  public:
    Begun(std::unique_ptr<XrdCl::FilePlugIn> below, std::shared_ptr<Beginning> beginning);

    XrdCl::XRootDStatus Open(const std::string &url, XrdCl::OpenFlags::Flags flags, XrdCl::Access::Mode mode,
                             XrdCl::ResponseHandler *handler, time_t timeout) override;
    XrdCl::XRootDStatus Close(XrdCl::ResponseHandler *handler, time_t timeout) override;
    XrdCl::XRootDStatus Stat(bool force, XrdCl::ResponseHandler *handler, time_t timeout) override;
    XrdCl::XRootDStatus Read(uint64_t offset, uint32_t size, void *buffer, XrdCl::ResponseHandler *handler,
                             time_t timeout) override;
    XrdCl::XRootDStatus PgRead(uint64_t offset, uint32_t size, void *buffer, XrdCl::ResponseHandler *handler,
                               time_t timeout) override;
    XrdCl::XRootDStatus VectorRead(const XrdCl::ChunkList &chunks, void *buffer, XrdCl::ResponseHandler *handler,
                                   time_t timeout) override;
    bool IsOpen() const override { return begun_; }
    bool SetProperty(const std::string &name, const std::string &value) override;
    bool GetProperty(const std::string &name, std::string &value) const override;

  private:
    using Act = std::function<XrdCl::XRootDStatus()>;
    struct Waiting {
        Act act;
        XrdCl::ResponseHandler *handler;
    };
    enum class State { closed, opening, open };
    class Opened;

    XrdCl::XRootDStatus there(Act act, XrdCl::ResponseHandler *handler);
    void begin();
    void opened(XrdCl::XRootDStatus status);
    bool another() const;

    const std::unique_ptr<XrdCl::FilePlugIn> below_;
    const std::shared_ptr<Beginning> beginning_;
    std::string url_;
    XrdCl::OpenFlags::Flags flags_ = XrdCl::OpenFlags::None;
    bool begun_ = false;
    std::mutex lock_;
    State state_ = State::closed;
    std::vector<Waiting> waiting_;
};

}  // namespace lakes
