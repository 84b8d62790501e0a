// What readers may tell a cache to do: nothing.
//
// XRootD lets whoever may read a file take it out of the cache (`xrdfs … cache evict`), also from under others who have
// it open (`fevict`). That is for the cache alone to do.

#pragma once

#include "XrdOfs/XrdOfsFSctl_PI.hh"

namespace lakes {

class Guard : public XrdOfsFSctl_PI {
  public:
    explicit Guard(XrdOfsFSctl_PI &cache) : cache_(cache) {}

    bool Configure(const char *file, const char *parameters, XrdOucEnv *environment, const Plugins &plugins) override;
    int FSctl(int command, int length, const char *arguments, XrdSfsFile &file, XrdOucErrInfo &problem,
              const XrdSecEntity *client) override;
    int FSctl(int command, XrdSfsFSctl &arguments, XrdOucErrInfo &problem, const XrdSecEntity *client) override;

  private:
    XrdOfsFSctl_PI &cache_;
};

}  // namespace lakes
