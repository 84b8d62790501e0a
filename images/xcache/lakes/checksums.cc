// Checksum plug-in of a cache (XRootD: `ofs.ckslib ++`): a file's checksum is the one that its origin has.

#include <cerrno>

#include "XrdCks/XrdCksData.hh"
#include "XrdCks/XrdCksWrapper.hh"
#include "XrdOuc/XrdOucEnv.hh"
#include "XrdVersion.hh"
#include "parts.hh"

namespace lakes {

namespace {

class Checksums : public XrdCksWrapper {
  public:
    Checksums(XrdCks &below, XrdSysError *log) : XrdCksWrapper(below, log) {}

    int Get(const char *path, XrdCksData &checksum) override {
        const Place place = parts->place(path);
        if (place.problem) return -place.problem;
        parts->freshness().summing(place.lake, path);
        // which checksum is asked for; an origin over https has it from here only
        XrdOucEnv nobody(("cks.type=" + std::string(checksum.Name) + "&" + place.query).c_str());
        checksum.envP = &nobody;
        const int rc = cksPI.Get(place.path.c_str(), checksum);
        if (rc < 0) checksum.fmTime = 0;  // shares its place with the environment
        return rc;
    }
    int Calc(const char *path, XrdCksData &checksum, int) override { return Get(path, checksum); }
    int Calc(const char *path, XrdCksData &checksum, XrdCksPCB *, int) override { return Get(path, checksum); }
    int Ver(const char *path, XrdCksData &checksum) override {
        XrdCksData found = checksum;
        const int rc = Get(path, found);
        return rc < 0 ? rc : found == checksum;
    }
    int Ver(const char *path, XrdCksData &checksum, XrdCksPCB *) override { return Ver(path, checksum); }
    int Set(const char *, XrdCksData &, int) override { return -EROFS; }
    int Del(const char *, XrdCksData &) override { return -EROFS; }
};

}  // namespace

}  // namespace lakes

XrdVERSIONINFO(XrdCksAdd2, Lakes);

extern "C" XrdCks *XrdCksAdd2(XrdCks &below, XrdSysError *log, const char *, const char *, XrdOucEnv *) {
    if (!lakes::parts) {
        log->Emsg("lakes", "ofs.osslib has to name this library too");
        return nullptr;
    }
    return new lakes::Checksums(below, log);
}
