#include "file.hh"

#include "where.hh"

namespace lakes {

namespace {

// Adds to an error who could not be reached: XRootD's client says only that there is no connection.
class Named : public XrdCl::ResponseHandler {
  public:
    Named(XrdCl::ResponseHandler *handler, std::string away) : handler_(handler), away_(std::move(away)) {}

    void HandleResponseWithHosts(XrdCl::XRootDStatus *status, XrdCl::AnyObject *response, XrdCl::HostList *hosts) override {
        const std::unique_ptr<Named> self(this);
        if (!status->IsOK()) status->SetErrorMessage(away_);
        handler_->HandleResponseWithHosts(status, response, hosts);
    }

  private:
    XrdCl::ResponseHandler *const handler_;
    const std::string away_;
};

}  // namespace

XrdCl::XRootDStatus File::Open(const std::string &url, XrdCl::OpenFlags::Flags flags, XrdCl::Access::Mode mode,
                               XrdCl::ResponseHandler *handler, time_t timeout) {
    const auto writes = XrdCl::OpenFlags::New | XrdCl::OpenFlags::Delete | XrdCl::OpenFlags::Update | XrdCl::OpenFlags::Write;
    Where &where = Where::instance();
    const XrdCl::URL named(url);
    const bool written = (flags & writes) != 0;
    const Found found = written ? Found{where.itself(named, named.GetPath()), {}} : where.file(url);
    if (found.away.empty()) return file_.Open(found.url, flags, mode, handler, timeout);
    auto named_too = std::make_unique<Named>(handler, found.away);
    const Status asked = file_.Open(found.url, flags, mode, named_too.get(), timeout);
    if (asked.IsOK()) static_cast<void>(named_too.release());  // it ends itself with the answer
    return asked;
}

}  // namespace lakes
