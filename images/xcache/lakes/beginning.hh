// The beginning of a file that is not cached yet, on its way from the question for its version to those who open it.
//
// An origin far away is slow by the number of its answers. Asked for a version, then by XRootD's http client for a size,
// then for bytes, it answers three times before anybody reads. One request for the first bytes has all of it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "version.hh"

namespace lakes {

class Beginning {
  public:
    // As many bytes as XRootD's cache fetches at once (`pfc.blocksize`), or all that the file has.
    static constexpr size_t kMost = 1 << 20;

    // Whether there is room for another in memory; what nobody comes to read stays until its file is closed.
    static bool room();

    Beginning(Version version, std::string bytes);
    ~Beginning();

    const Version &version() const { return version_; }
    // Whether these bytes of the file are here; then they are in the buffer. They go once they have been read to their end:
    // what is read is in the cache.
    bool copied(uint64_t offset, uint32_t size, void *buffer);

  private:
    void drop();

    const Version version_;
    std::mutex lock_;
    std::string bytes_;
};

// While it lives, the next file that this thread opens through XRootD's proxy takes the beginning, if there is one: the
// proxy opens it where it is called.
class Handed {
  public:
    explicit Handed(std::shared_ptr<Beginning> beginning);
    ~Handed();
    Handed(const Handed &) = delete;
    Handed &operator=(const Handed &) = delete;

    static std::shared_ptr<Beginning> take();
};

}  // namespace lakes
