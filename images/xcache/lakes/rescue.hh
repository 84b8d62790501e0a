// Reading past the cache, when what it has on disk cannot be read or is not what was written.

#pragma once

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <string>

#include "table.hh"

namespace XrdCl {
class File;
}

namespace lakes {

class Rescue {
  public:
    Rescue(Lake lake, std::string path);
    ~Rescue();

    // Bytes of the file at its origin, -errno when they cannot be had there either.
    ssize_t read(void *buffer, off_t offset, size_t size);

  private:
    const Lake lake_;
    const std::string path_;
    std::mutex lock_;
    std::unique_ptr<XrdCl::File> file_;
};

}  // namespace lakes
