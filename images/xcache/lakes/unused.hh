// Files that nobody has read for so many days go (`cache.dropUnusedDays`).
//
// XRootD 6.2 has a setting for that, `purgecoldfiles`, and looks at it only in a minute in which it has to make room as
// well: a cache with room to spare would keep everything for ever.

#pragma once

#include <chrono>
#include <string>

#include "freshness.hh"
#include "keeping.hh"

class XrdSysError;

namespace lakes {

class Unused {
  public:
    // `data`: the cache's files (`oss.localroot`). Begins to look: in a minute, then every hour, and whenever the number of
    // days is another.
    Unused(std::string data, Kept &kept, Freshness &freshness, XrdSysError &log);

  private:
    void watch();
    void look(std::chrono::seconds age);

    const std::string data_;
    Kept &kept_;
    Freshness &freshness_;
    XrdSysError &log_;
};

}  // namespace lakes
