#include "rescue.hh"

#include <cerrno>

#include "XrdCl/XrdClFile.hh"
#include "origins.hh"
#include "paths.hh"

namespace lakes {

Rescue::Rescue(Lake lake, std::string path) : lake_(std::move(lake)), path_(std::move(path)) {}

Rescue::~Rescue() = default;

ssize_t Rescue::read(void *buffer, off_t offset, size_t size) {
    const std::lock_guard<std::mutex> held(lock_);
    if (!file_) {
        auto opened = std::make_unique<XrdCl::File>();
        const std::string where = url(lake_, credential()) + "/" + path_;
        if (!opened->Open(where, XrdCl::OpenFlags::Read).IsOK()) return -EIO;
        file_ = std::move(opened);
    }
    uint32_t count = 0;
    const auto status = file_->Read(static_cast<uint64_t>(offset), static_cast<uint32_t>(size), buffer, count);
    if (status.IsOK()) return count;
    file_.reset();  // perhaps its connection; the next one tries anew
    return -EIO;
}

}  // namespace lakes
