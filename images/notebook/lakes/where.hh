// What all files and file systems of a process share: its surroundings, and whether the cache can be reached.

#pragma once

#include <string>

#include "XrdCl/XrdClURL.hh"
#include "choice.hh"
#include "reach.hh"

namespace lakes {

struct Found {
    std::string url;
    std::string away;  // who is to be named if it fails, where nobody could be reached
};

class Where {
  public:
    static Where &instance();

    // The URL at which a file is read now.
    Found file(const std::string &url);
    // The URL of the host that is asked about a path now.
    std::string host(const XrdCl::URL &named, const std::string &path);
    // The same URL with the login of this moment, if it is of the VO's: what is written goes where it was named.
    std::string itself(const XrdCl::URL &named, const std::string &path);

  private:
    Where();
    Found chosen(const Choice &choice);

    const Surroundings around_;
    Reach reach_;
};

}  // namespace lakes
