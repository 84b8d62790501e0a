// Files that nobody has read for so many days go (`cache.dropUnusedDays`).
//
// XRootD 6.2 has a setting for that, `purgecoldfiles`, and looks at it only in a minute in which it has to make room as
// well: a cache with room to spare would keep everything for ever.

#pragma once

#include <chrono>
#include <string>

#include "freshness.hh"

class XrdSysError;

namespace lakes {

class Unused {
  public:
    struct Settings {
        std::chrono::seconds age;
        std::string data;  // the cache's files (`oss.localroot`)
    };

    // Begins to look: in a minute, and then every hour.
    Unused(Settings settings, Freshness &freshness, XrdSysError &log);

  private:
    void look();

    const Settings settings_;
    Freshness &freshness_;
    XrdSysError &log_;
};

}  // namespace lakes
