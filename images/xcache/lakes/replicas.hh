// The caches that share a VO's lake: each file is kept by one of them, by a hash of its path (rendezvous hashing).
//
// For each path the replicas have an order, which all of them see alike, and the first that answers has the file. So when
// one is away only its files are fetched anew, and whoever sends a reader on sends them up this order, never in circles.

#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "pulse.hh"

class XrdSysError;

namespace lakes {

class Replicas {
  public:
    // `file`: a line host:port for each replica, read again every second; without it there is none but this one, which
    // is `here`. Begins to ask the others whether they are there, and waits a second at most for their first answers.
    Replicas(std::string file, std::string here, XrdSysError &log);

    // The other replica that keeps a path, as host:port; nothing if this one does. Not one of `without`, by host.
    std::optional<std::string> keeper(const std::string &path, const std::set<std::string> &without = {}) const;

    // Whether that one answers.
    bool there(const std::string &server) const;

  private:
    using Servers = std::set<std::string>;
    std::shared_ptr<const Servers> there() const;
    void watch();
    void look();
    void tell(const Servers &there);

    const std::string file_, here_;
    XrdSysError &log_;
    std::map<std::string, std::unique_ptr<Pulse>> others_;  // of whoever watches
    mutable std::mutex lock_;
    std::shared_ptr<const Servers> there_ = std::make_shared<Servers>();  // those that answer
};

// The host of host:port.
std::string host(const std::string &server);

}  // namespace lakes
