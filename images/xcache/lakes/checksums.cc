// Checksum plug-in of a cache (XRootD: `ofs.ckslib ++`): a file's checksum is the one that its origin has.

#include <strings.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "XrdCks/XrdCksData.hh"
#include "XrdCks/XrdCksWrapper.hh"
#include "XrdOuc/XrdOucEnv.hh"
#include "XrdVersion.hh"
#include "parts.hh"

namespace lakes {

namespace {

constexpr std::chrono::minutes kPatience{10};  // as XRootD has those wait for whom it reckons a checksum

// Of those who ask for checksums of one file, one at a time asks its origin by root://. While XRootD (6.2.0) reckons one it
// leaves whoever asks by the same connection, and all of a cache's questions come by one, without an answer for good.
class Turn {
  public:
    explicit Turn(const std::string &path) : path_(path) {
        std::unique_lock<std::mutex> held(lock_);
        mine_ = ended_.wait_for(held, kPatience, [this] { return asked_.insert(path_).second; });
    }
    ~Turn() {
        if (!mine_) return;
        {
            const std::lock_guard<std::mutex> held(lock_);
            asked_.erase(path_);
        }
        ended_.notify_all();
    }
    Turn(const Turn &) = delete;
    Turn &operator=(const Turn &) = delete;

    explicit operator bool() const { return mine_; }

  private:
    static inline std::mutex lock_;
    static inline std::condition_variable ended_;
    static inline std::set<std::string> asked_;

    const std::string path_;
    bool mine_ = false;
};

class Checksums : public XrdCksWrapper {
  public:
    Checksums(XrdCks &below, XrdSysError *log) : XrdCksWrapper(below, log) {}

    int Get(const char *path, XrdCksData &checksum) override {
        const Place place = parts->place(path);
        if (place.problem) return -place.problem;
        std::optional<Turn> turn;
        if (place.lake.protocol != "https") turn.emplace(path);
        if (turn && !*turn) return -ETIMEDOUT;
        parts->freshness().summing(place.lake, path);
        const std::string kind = checksum.Name;
        int rc = asked(place, kind, checksum);
        // XRootD gives what it reckons for somebody else to who asks meanwhile for another kind; then that is done
        if (rc >= 0 && !is(kind, checksum)) rc = asked(place, kind, checksum);
        return rc < 0 || is(kind, checksum) ? rc : -ENOTSUP;
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

  private:
    static bool is(const std::string &kind, const XrdCksData &checksum) {
        return strcasecmp(kind.c_str(), checksum.Name) == 0;
    }

    int asked(const Place &place, const std::string &kind, XrdCksData &checksum) {
        // which checksum is asked for; an origin over https has it from here only
        XrdOucEnv nobody(("cks.type=" + kind + "&" + place.query).c_str());
        checksum.Set(kind.c_str());
        checksum.envP = &nobody;
        const int rc = cksPI.Get(place.path.c_str(), checksum);
        if (rc < 0) checksum.fmTime = 0;  // shares its place with the environment
        return rc;
    }
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
