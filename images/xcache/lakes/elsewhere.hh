// A file that is not read from this cache's disk but elsewhere: at another replica, which keeps it, or at its origin,
// when what is on disk cannot be read or is not what was written.

#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "table.hh"

struct XrdOucIOVec;

namespace XrdCl {
class File;
class StatInfo;
}

namespace lakes {

class Elsewhere {
  public:
    // `lake.host` says where, by `lake.protocol`.
    Elsewhere(Lake lake, std::string path);
    ~Elsewhere();

    // 0 or -errno: -ENOTCONN if nobody answered. Waits as long as there is `hope`, asked every second, for 45 s at most.
    int open(const std::function<bool()> &hope);
    int stat(struct stat &found);
    // What stat says of which file it is (`number` below); 0 if nothing.
    uint64_t identity();
    // Bytes of the file, -errno when they cannot be had there.
    ssize_t read(void *buffer, off_t offset, size_t size);
    ssize_t read(XrdOucIOVec *pieces, int count);

  private:
    using File = std::shared_ptr<XrdCl::File>;
    File file();
    int opened(File &file, const std::function<bool()> &hope) const;
    std::unique_ptr<XrdCl::StatInfo> info();
    void lose(const File &file);

    const Lake lake_;
    const std::string path_;
    std::mutex lock_;
    File file_;
};

// As XRootD's protocol hands a number of 64 bits on as a file's identity: half as its device, half as its inode.
void number(struct stat &found, uint64_t identity);

}  // namespace lakes
