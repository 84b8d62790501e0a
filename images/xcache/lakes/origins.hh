// The cache as a client of its origins.

#pragma once

#include <chrono>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "beginning.hh"
#include "https.hh"
#include "table.hh"
#include "version.hh"

namespace XrdCl {
class FileSystem;
}

namespace lakes {

// A name that is another one whenever what this origin is shown is: the cache's token, or the proxy of the VO's robot.
// XRootD's client keeps one connection for each user@host, and a root:// server keeps to what a connection has logged in
// with, also when that has expired. Empty for https, where each request is by itself.
std::string login(const Lake &lake);

class Origins {
  public:
    struct Entry {
        std::string name;
        bool directory = false;
        long long size = 0;
    };
    // What the origin of this lake says of a file now. Waits `patience` at most; an origin that did not answer is not
    // asked again for a while, so that readers of what is cached do not all wait for one that is away.
    Answer version(const Lake &lake, const std::string &path, Version &version);
    // The same of what it gives to who opens the file now, which XRootD's servers do not take from the path when somebody
    // has it open there.
    Answer served(const Lake &lake, const std::string &path, Version &version);
    // The same, and the first bytes with it, if the origin gives them.
    Answer begin(const Lake &lake, const std::string &path, Version &version, std::shared_ptr<Beginning> &beginning);
    // What the origin of this lake says of a file or a directory, where the time does not matter.
    Answer look(const Lake &lake, const std::string &path, Version &version);
    // What is in a directory there. Waits a minute at most.
    Answer list(const Lake &lake, const std::string &path, std::vector<Entry> &entries);

  private:
    using Clock = std::chrono::steady_clock;
    struct Client {
        std::string url;
        std::shared_ptr<XrdCl::FileSystem> files;
        Clock::time_point away{};  // not asked until then
        Clock::time_point bare{};  // not asked for first bytes until then
        std::optional<bool> tells;  // with bytes, of their version, what it says when it is asked for that alone
    };
    bool away(const Lake &lake);
    bool begins(const Lake &lake);
    Answer first(const Lake &lake, const std::string &path, Version &version, std::string &bytes);
    Answer judge(const Lake &lake, const std::string &path, Version &version, std::shared_ptr<Beginning> &beginning);
    template <class Act>
    auto with(const Lake &lake, Act act);
    std::shared_ptr<XrdCl::FileSystem> client(const Lake &lake);
    void leave(const Lake &lake);

    static constexpr std::chrono::seconds patience_{5}, long_{60}, pause_{30};
    Https https_;
    std::mutex lock_;
    std::map<std::string, Client> clients_;  // by protocol and host
};

}  // namespace lakes
