// The cache as a client of its origins.

#pragma once

#include <chrono>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "table.hh"

namespace XrdCl {
class FileSystem;
class ResponseHandler;
class XRootDStatus;
}  // namespace XrdCl

namespace lakes {

// What an origin says of a path; what it does not say is empty.
struct Version {
    bool directory = false;
    long long size = 0;
    std::time_t changed = 0;  // seconds since the epoch
    std::string tag;          // ETag (RFC 9110, 8.8.3)

    bool operator==(const Version &other) const {
        return directory == other.directory && size == other.size && changed == other.changed && tag == other.tag;
    }
};

// Whether two versions may be of one content: nothing that both say differs. A file that is replaced or appended to
// differs in one of them.
bool same(const Version &one, const Version &other);

// The version, with what it does not say as the other says it.
Version completed(Version version, const Version &other);

enum class Answer { there, missing, unknown };  // unknown: the origin is away, slow, or refuses

// A name that is another one whenever the cache's token is. XRootD's client keeps one connection for each user@host, and
// a root:// server keeps to the token that a connection has logged in with, also when that has expired.
std::string credential();

class Origins {
  public:
    // What the origin of this lake says of the path now. Waits `patience` at most for each answer; an origin that did
    // not answer is not asked again for a while, so that readers of what is cached do not all wait for one that is away.
    Answer ask(const Lake &lake, const std::string &path, Version &version);

  private:
    using Clock = std::chrono::steady_clock;
    struct Client {
        std::string url;
        std::shared_ptr<XrdCl::FileSystem> files;
        Clock::time_point away{};  // not asked until then
    };
    struct Reply;
    using Request = std::function<XrdCl::XRootDStatus(XrdCl::ResponseHandler *)>;
    std::shared_ptr<XrdCl::FileSystem> client(const Lake &lake);
    std::shared_ptr<Reply> answer(const Lake &lake, std::shared_ptr<XrdCl::FileSystem> files, const Request &request);
    std::string tag(const Lake &lake, const std::shared_ptr<XrdCl::FileSystem> &files, const std::string &path);
    void leave(const Lake &lake);

    static constexpr std::chrono::seconds patience_{5}, pause_{30};
    std::mutex lock_;
    std::map<std::string, Client> clients_;  // by protocol and host
};

}  // namespace lakes
