// What the storage and the checksum plug-in share.

#pragma once

#include <memory>
#include <string>

#include "freshness.hh"
#include "guard.hh"
#include "keeping.hh"
#include "replicas.hh"
#include "table.hh"
#include "unused.hh"

#include "XrdSys/XrdSysError.hh"

class XrdOucEnv;
class XrdSysLogger;

namespace lakes {

struct Place {
    int problem = 0;  // errno; then there is no path
    Lake lake;
    std::string path;  // as XRootD's forwarding proxy takes it
    const char *query = "";
};

class Parts {
  public:
    // `parameters`: the files with the lakes, with what is kept and with the replicas, where the cache's files lie, seconds
    // that a comparison is good for. Which of the replicas this is says XCACHE_HERE.
    // Nothing, and the log says why, when they are none.
    static std::unique_ptr<Parts> make(const char *parameters, XrdSysLogger *logger, XrdOucEnv *environment);

    Place place(const char *path);
    // The query with which the place is opened: what XRootD's cache is told of this file alone.
    std::string opening(const Place &place);
    bool above(const char *path);
    Freshness &freshness() { return *freshness_; }
    Origins &origins() { return origins_; }
    const Replicas &replicas() const { return *replicas_; }

  private:
    struct Files {
        std::string lakes, keeping;
    };
    Parts(const Files &files, XrdSysLogger *logger);

    XrdSysError log_;
    Table table_;
    Kept kept_;
    Origins origins_;
    std::unique_ptr<Freshness> freshness_;
    std::unique_ptr<Guard> guard_;
    std::unique_ptr<Replicas> replicas_;
    std::unique_ptr<Unused> unused_;
};

// The ones of this process; made with the storage plug-in, which XRootD loads first.
extern std::unique_ptr<Parts> parts;

}  // namespace lakes
