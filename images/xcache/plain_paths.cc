// Name-to-name plug-in of a cache (XRootD: pss.namelib): lets plain paths through as they are and refuses the others.
//
// The cache decides by the path as the client wrote it, and then makes a URL of that path for the origin without
// escaping it. The http client underneath reads the URL anew: it decodes %2e%2e and walks up, and the cache's own
// token opens what it finds there. A path in which a URL could mean anything but itself must therefore not get so far.

#include <cerrno>
#include <cstring>

#include "XrdOuc/XrdOucName2Name.hh"
#include "XrdVersion.hh"

namespace {

// What a URL's path treats as itself (RFC 3986: unreserved and sub-delimiters, ':' '@' '/'), but for ';' and '&'.
bool plain(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && std::strchr("/-._~!$'()*+,=:@", c) != nullptr);
}

bool climbs(const char *path) {
    for (const char *at = path; (at = std::strchr(at, '/')) != nullptr; ++at) {
        const size_t length = std::strcspn(at + 1, "/");
        if ((length == 1 && at[1] == '.') || (length == 2 && at[1] == '.' && at[2] == '.')) return true;
    }
    return false;
}

int copy(const char *from, char *to, int size) {
    const size_t length = std::strlen(from);
    if (length >= static_cast<size_t>(size)) return ENAMETOOLONG;
    std::memcpy(to, from, length + 1);
    return 0;
}

class PlainPaths : public XrdOucName2Name {
  public:
    int lfn2pfn(const char *lfn, char *buffer, int size) override {
        for (const char *c = lfn; *c; ++c)
            if (!plain(*c)) return EINVAL;
        return climbs(lfn) ? EINVAL : copy(lfn, buffer, size);
    }
    int lfn2rfn(const char *lfn, char *buffer, int size) override { return lfn2pfn(lfn, buffer, size); }
    int pfn2lfn(const char *pfn, char *buffer, int size) override { return copy(pfn, buffer, size); }
};

}  // namespace

XrdVERSIONINFO(XrdOucgetName2Name, PlainPaths);

extern "C" XrdOucName2Name *XrdOucgetName2Name(XrdOucgetName2NameArgs) {
    (void)eDest, (void)confg, (void)parms, (void)lroot, (void)rroot;
    static PlainPaths only;
    return &only;
}
