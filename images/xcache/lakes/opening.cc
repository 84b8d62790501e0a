#include "opening.hh"

#include "XrdCl/XrdClFile.hh"
#include "origins.hh"
#include "paths.hh"

namespace lakes {

std::shared_ptr<Reply> opening(const std::shared_ptr<XrdCl::File> &file, const Lake &lake, const std::string &path,
                               uint16_t seconds) {
    const std::string where = url(lake, login(lake), path);
    const auto ask = [&](XrdCl::ResponseHandler *handler) {
        return file->Open(where, XrdCl::OpenFlags::Read, XrdCl::Access::None, handler, seconds);
    };
    return Reply::to(ask, file);
}

std::unique_ptr<XrdCl::StatInfo> told(XrdCl::File &file) {
    XrdCl::StatInfo *found = nullptr;
    const bool known = file.Stat(false, found).IsOK();
    std::unique_ptr<XrdCl::StatInfo> info(found);
    return known ? std::move(info) : nullptr;
}

}  // namespace lakes
