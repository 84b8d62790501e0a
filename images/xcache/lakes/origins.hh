// The cache as a client of its origins.

#pragma once

#include <chrono>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "https.hh"
#include "table.hh"
#include "version.hh"

namespace XrdCl {
class FileSystem;
}

namespace lakes {

// A name that is another one whenever the cache's token is. XRootD's client keeps one connection for each user@host, and
// a root:// server keeps to the token that a connection has logged in with, also when that has expired.
std::string credential();

class Origins {
  public:
    // What the origin of this lake says of a file now. Waits `patience` at most; an origin that did not answer is not
    // asked again for a while, so that readers of what is cached do not all wait for one that is away.
    Answer version(const Lake &lake, const std::string &path, Version &version);
    // The same of what it gives to who opens the file now, which XRootD's servers do not take from the path when somebody
    // has it open there.
    Answer served(const Lake &lake, const std::string &path, Version &version);
    // What the origin of this lake says of a file or a directory, where the time does not matter.
    Answer look(const Lake &lake, const std::string &path, Version &version);

  private:
    using Clock = std::chrono::steady_clock;
    struct Client {
        std::string url;
        std::shared_ptr<XrdCl::FileSystem> files;
        Clock::time_point away{};  // not asked until then
    };
    bool away(const Lake &lake);
    std::shared_ptr<XrdCl::FileSystem> client(const Lake &lake);
    void leave(const Lake &lake);

    static constexpr std::chrono::seconds patience_{5}, pause_{30};
    Https https_;
    std::mutex lock_;
    std::map<std::string, Client> clients_;  // by protocol and host
};

}  // namespace lakes
