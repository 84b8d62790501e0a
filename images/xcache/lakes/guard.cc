#include "guard.hh"

#include <cerrno>
#include <cstring>

#include "XrdOuc/XrdOucErrInfo.hh"
#include "XrdSfs/XrdSfsInterface.hh"

namespace lakes {

bool Guard::Configure(const char *file, const char *parameters, XrdOucEnv *environment, const Plugins &plugins) {
    return cache_.Configure(file, parameters, environment, plugins);
}

int Guard::FSctl(int command, int length, const char *arguments, XrdSfsFile &file, XrdOucErrInfo &problem,
                 const XrdSecEntity *client) {
    return cache_.FSctl(command, length, arguments, file, problem, client);
}

// Whether something is cached may be asked: XRootD asks for itself, too.
int Guard::FSctl(int command, XrdSfsFSctl &arguments, XrdOucErrInfo &problem, const XrdSecEntity *client) {
    if (arguments.Arg1 && std::strcmp(arguments.Arg1, "cached") == 0)
        return cache_.FSctl(command, arguments, problem, client);
    problem.setErrInfo(EPERM, "only the cache itself takes files out of the cache");
    return SFS_ERROR;
}

}  // namespace lakes
