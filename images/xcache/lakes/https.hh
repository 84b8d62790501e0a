// What an origin says of a file over https.
//
// XRootD's own http client (6.2.0) makes up the time of a file's change and loses its ETag, so files are asked about
// here.

#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "beginning.hh"
#include "table.hh"
#include "version.hh"

namespace lakes {

class Https {
  public:
    Https();

    // HEAD of a file (RFC 9110, 9.3.2) with what the lake's origin is to be shown, within so many seconds.
    // Answer::unknown: it did not answer, or refuses; `away` says whether it was the former.
    Answer head(const Lake &lake, const std::string &path, long seconds, Version &version, bool &away);
    // The same by a request for the file's first bytes (RFC 9110, 14.2), which come with it, Beginning::kMost or all.
    // `unknown` also where a HEAD would say more; `bare`: the origin gives no parts of files, or too slowly.
    Answer begin(const Lake &lake, const std::string &path, long seconds, Version &version, std::string &bytes, bool &away,
                 bool &bare);

  private:
    struct Told;
    struct Closed {
        void operator()(void *handle) const;
    };
    using Handle = std::unique_ptr<void, Closed>;  // keeps its connection for the next request

    bool exchange(Told &told, const Lake &lake, const std::string &path, long seconds, bool begin);
    Handle take();
    void give(Handle handle);

    std::mutex lock_;
    std::vector<Handle> idle_;
};

}  // namespace lakes
