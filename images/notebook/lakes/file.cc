#include "file.hh"

#include "where.hh"

namespace lakes {

XrdCl::XRootDStatus File::Open(const std::string &url, XrdCl::OpenFlags::Flags flags, XrdCl::Access::Mode mode,
                               XrdCl::ResponseHandler *handler, time_t timeout) {
    const auto writes = XrdCl::OpenFlags::New | XrdCl::OpenFlags::Delete | XrdCl::OpenFlags::Update | XrdCl::OpenFlags::Write;
    Where &where = Where::instance();
    const XrdCl::URL named(url);
    const bool written = (flags & writes) != 0;
    return file_.Open(written ? where.itself(named, named.GetPath()) : where.file(url), flags, mode, handler, timeout);
}

}  // namespace lakes
