// Cluster plug-in of a cache that has replicas (XRootD: `ofs.cmslib`): a reader by root:// who says so is sent to the
// replica that keeps the file; all others get it through this one.
//
// XRootD's own way (cmsd) asks all servers who has a file and waits for those that have it not; here the path says it.
// Only who is sure to reach each replica by its own name asks to be led: the facility's notebooks and jobs
// (images/notebook/lakes). Readers over https never are, for XRootD writes their token into the URL that it sends them to.

#include <cstdlib>
#include <cstring>
#include <set>
#include <sstream>
#include <string>

#include "XrdCms/XrdCmsClient.hh"
#include "XrdOuc/XrdOucEnv.hh"
#include "XrdOuc/XrdOucErrInfo.hh"
#include "XrdSec/XrdSecEntity.hh"
#include "XrdSfs/XrdSfsInterface.hh"
#include "XrdVersion.hh"
#include "parts.hh"

namespace lakes {

namespace {

constexpr const char *kFollows = "facility.follows";  // of an open's opaque information
// For XRootD's client: it asks here again after that, instead of waiting for minutes for who may be gone.
constexpr const char *kPatience = "?XrdCl.ConnectionWindow=5&XrdCl.ConnectionRetry=2";
constexpr const char *kTried = "tried";               // hosts that XRootD's client has been sent to, and could not reach

std::set<std::string> tried(XrdOucEnv &said) {
    const char *text = said.Get(kTried);
    std::istringstream names(text ? text : "");
    std::set<std::string> found;
    for (std::string one; std::getline(names, one, ',');) found.insert(one);
    return found;
}

bool by_root(const XrdOucEnv &said) {
    const XrdSecEntity *client = said.secEnv();
    return client && std::strcmp(client->prot, "ztn") == 0;
}

class Leader : public XrdCmsClient {
  public:
    // Not `amRemote`: only opens are anybody else's, what is asked of a path is the same everywhere.
    Leader() : XrdCmsClient(amLocal) {}

    int Configure(const char *, char *, XrdOucEnv *) override { return 1; }

    int Locate(XrdOucErrInfo &answer, const char *path, int flags, XrdOucEnv *said) override {
        if (flags & SFS_O_LOCATE || !said || !said->Get(kFollows) || !by_root(*said)) return SFS_OK;
        const auto there = parts->replicas().keeper(path, tried(*said));
        if (!there) return SFS_OK;
        answer.setErrInfo(std::atoi(there->substr(there->rfind(':') + 1).c_str()), (host(*there) + kPatience).c_str());
        return SFS_REDIRECT;
    }

    int Space(XrdOucErrInfo &, const char *, XrdOucEnv *) override { return SFS_OK; }
};

}  // namespace

}  // namespace lakes

XrdVERSIONINFO(XrdCmsGetClient, Lakes);

extern "C" XrdCmsClient *XrdCmsGetClient(XrdSysLogger *, int, int, XrdOss *) {
    return lakes::parts ? new lakes::Leader : nullptr;
}
