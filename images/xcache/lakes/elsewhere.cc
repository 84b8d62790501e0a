#include "elsewhere.hh"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "XProtocol/XProtocol.hh"
#include "XrdCl/XrdClFile.hh"
#include "XrdCl/XrdClXRootDResponses.hh"
#include "XrdOuc/XrdOucIOVec.hh"
#include "opening.hh"

namespace lakes {

namespace {

constexpr int kOpening = 45;       // seconds; clients wait a minute
constexpr uint16_t kReading = 60;  // seconds: somebody may have stopped for good
constexpr int kMost = 1024;        // pieces of one vector read, by the protocol

int problem(const XrdCl::XRootDStatus &status) {
    if (status.IsOK()) return 0;
    return status.code == XrdCl::errErrorResponse ? -XProtocol::toErrno(static_cast<int>(status.errNo)) : -ENOTCONN;
}

uint64_t numbered(const XrdCl::StatInfo &info) {
    return static_cast<uint64_t>(std::strtoll(info.GetId().c_str(), nullptr, 10));
}

}  // namespace

Elsewhere::Elsewhere(Lake lake, std::string path) : lake_(std::move(lake)), path_(std::move(path)) {}

Elsewhere::~Elsewhere() = default;

int Elsewhere::open(const std::function<bool()> &hope) {
    const std::lock_guard<std::mutex> held(lock_);
    return opened(file_, hope);
}

int Elsewhere::stat(struct stat &found) {
    const auto told = info();
    if (!told) return -EIO;
    std::memset(&found, 0, sizeof found);
    found.st_mode = S_IFREG | 0444;
    found.st_nlink = 1;
    found.st_size = static_cast<off_t>(told->GetSize());
    found.st_mtime = found.st_ctime = found.st_atime = static_cast<time_t>(told->GetModTime());
    number(found, numbered(*told));
    return 0;
}

uint64_t Elsewhere::identity() {
    const auto told = info();
    return told ? numbered(*told) : 0;
}

ssize_t Elsewhere::read(void *buffer, off_t offset, size_t size) {
    const File file = this->file();
    if (!file) return -EIO;
    uint32_t count = 0;
    if (file->Read(static_cast<uint64_t>(offset), static_cast<uint32_t>(size), buffer, count, kReading).IsOK()) return count;
    lose(file);
    return -EIO;
}

ssize_t Elsewhere::read(XrdOucIOVec *pieces, int count) {
    const File file = this->file();
    if (!file) return -EIO;
    ssize_t sum = 0;
    for (int at = 0; at < count; at += kMost) {
        XrdCl::ChunkList wanted;
        for (int one = at; one < count && one < at + kMost; ++one)
            wanted.emplace_back(static_cast<uint64_t>(pieces[one].offset), static_cast<uint32_t>(pieces[one].size),
                                pieces[one].data);
        XrdCl::VectorReadInfo *told = nullptr;
        const auto status = file->VectorRead(wanted, nullptr, told, kReading);
        const std::unique_ptr<XrdCl::VectorReadInfo> info(told);
        if (!status.IsOK() || !info) {
            lose(file);
            return -EIO;
        }
        sum += info->GetSize();
    }
    return sum;
}

Elsewhere::File Elsewhere::file() {
    const std::lock_guard<std::mutex> held(lock_);
    if (!file_) static_cast<void>(opened(file_, [] { return true; }));
    return file_;
}

int Elsewhere::opened(File &file, const std::function<bool()> &hope) const {
    const auto made = std::make_shared<XrdCl::File>();
    const auto reply = opening(made, lake_, path_, kOpening);
    bool came = false;
    for (int tries = 0; reply && !came && tries < kOpening && hope(); ++tries) came = reply->within(std::chrono::seconds(1));
    if (!came) return -ENOTCONN;
    if (reply->status.IsOK()) file = made;
    return problem(reply->status);
}

std::unique_ptr<XrdCl::StatInfo> Elsewhere::info() {
    const File file = this->file();
    return file ? told(*file) : nullptr;
}

// Perhaps its connection is gone: the next one tries anew.
void Elsewhere::lose(const File &file) {
    const std::lock_guard<std::mutex> held(lock_);
    if (file_ == file) file_.reset();
}

void number(struct stat &found, uint64_t identity) {
    found.st_dev = static_cast<dev_t>(identity & 0xffffffff);
    found.st_ino = static_cast<ino_t>(identity >> 32);
}

}  // namespace lakes
