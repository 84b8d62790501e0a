// Storage plug-in of a cache (XRootD: `ofs.osslib ++`), on top of the proxy and its cache: a VO's lakes, read only.
//
// It gives each path its origin, keeps what is cached fresh, and lets nothing of a reader go further: neither a token
// nor a name. What is asked of an origin is asked with the cache's own token, so no reader's token ever is in an URL, a
// log or another's connection.

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "XrdOss/XrdOssWrapper.hh"
#include "XrdOuc/XrdOucEnv.hh"
#include "XrdOuc/XrdOucIOVec.hh"
#include "XrdSfs/XrdSfsAio.hh"
#include "XrdVersion.hh"
#include "elsewhere.hh"
#include "parts.hh"

namespace lakes {

namespace {

class Directory : public XrdOssWrapDF {
  public:
    explicit Directory(XrdOssDF *below) : XrdOssWrapDF(*below), below_(below) {}

    int Opendir(const char *path, XrdOucEnv &) override {
        const Place place = parts->place(path);
        XrdOucEnv nobody(place.query);
        return place.problem ? -place.problem : wrapDF.Opendir(place.path.c_str(), nobody);
    }

  private:
    const std::unique_ptr<XrdOssDF> below_;
};

class File : public XrdOssWrapDF {
  public:
    explicit File(XrdOssDF *below) : XrdOssWrapDF(*below), below_(below) {}
    ~File() override { end(); }

    int Open(const char *path, int flags, mode_t mode, XrdOucEnv &) override {
        if ((flags & O_ACCMODE) != O_RDONLY) return -EROFS;
        const Place place = parts->place(path);
        if (place.problem) return -place.problem;
        lake_ = place.lake;
        open_ = path;
        int rc = at_replica();
        if (rc != XrdOssOK && rc != -ENOENT) rc = here(place, flags, mode);
        if (rc != XrdOssOK) open_.clear();
        refused_ = rc == -EACCES || rc == -EPERM || rc == -EBADE;  // the last: its login (kXR_AuthFailed)
        return rc;
    }

    // Who got this far may read the file: it is the cache that may not.
    bool getErrMsg(std::string &text) override {
        const bool told = wrapDF.getErrMsg(text);
        if (!refused_) return told;
        text = lake_.host + " refuses this cache" + (told ? ": " + text : "");
        return true;
    }

    int Close(long long *size) override {
        end();
        return replica_ ? XrdOssOK : wrapDF.Close(size);
    }

    // With a number of the file's version, by which other replicas know which one they read here.
    int Fstat(struct stat *found) override {
        if (replica_) return replica_->stat(*found);
        const int rc = wrapDF.Fstat(found);
        if (rc == XrdOssOK && version_) number(*found, identity(*version_));
        return rc;
    }

    ssize_t Read(void *buffer, off_t offset, size_t size) override {
        const ssize_t rc = broken_ ? -EIO : first(buffer, offset, size);
        return failed(rc) ? rescued(rc, buffer, offset, size) : rc;
    }
    int Read(XrdSfsAio *request) override {
        request->Result = Read(const_cast<void *>(request->sfsAio.aio_buf), request->sfsAio.aio_offset,
                               request->sfsAio.aio_nbytes);
        request->doneRead();
        return 0;
    }
    ssize_t ReadV(XrdOucIOVec *pieces, int count) override {
        const ssize_t rc = broken_ ? -EIO : replica_ ? replica_->read(pieces, count) : wrapDF.ReadV(pieces, count);
        if (!failed(rc)) return rc;
        ssize_t sum = 0;
        for (int at = 0; at < count; ++at) {
            const ssize_t got = rescued(rc, pieces[at].data, pieces[at].offset, static_cast<size_t>(pieces[at].size));
            if (got != pieces[at].size) return got < 0 ? got : -ESPIPE;
            sum += got;
        }
        return sum;
    }
    ssize_t pgRead(void *buffer, off_t offset, size_t size, uint32_t *sums, uint64_t options) override {
        const ssize_t rc = broken_ || replica_ ? -EIO : wrapDF.pgRead(buffer, offset, size, sums, options);
        return failed(rc) ? XrdOssDF::pgRead(buffer, offset, size, sums, options) : rc;  // by Read, and sums of that
    }
    int pgRead(XrdSfsAio *request, uint64_t options) override { return XrdOssDF::pgRead(request, options); }

    int Fchmod(mode_t) override { return -EROFS; }
    int Ftruncate(unsigned long long) override { return -EROFS; }
    ssize_t Write(const void *, off_t, size_t) override { return -EROFS; }
    int Write(XrdSfsAio *) override { return -EROFS; }
    ssize_t WriteV(XrdOucIOVec *, int) override { return -EROFS; }
    ssize_t pgWrite(void *, off_t, size_t, uint32_t *, uint64_t) override { return -EROFS; }
    int pgWrite(XrdSfsAio *, uint64_t) override { return -EROFS; }

  private:
    // Opens the file at the replica that keeps it. 0; -ENOENT if that says that there is none; or another -errno, when it
    // is to be read here: no other replica keeps it, those that do not answer left aside, or the one that does refuses.
    int at_replica() {
        std::set<std::string> tried;
        for (auto there = parts->replicas().keeper(open_); there; there = parts->replicas().keeper(open_, tried)) {
            auto replica = std::make_unique<Elsewhere>(Lake{lake_.prefix, "root", *there}, open_);
            const int rc = replica->open([&] { return parts->replicas().there(*there); });
            if (rc == XrdOssOK) known(std::move(replica));
            if (rc != -ENOTCONN) return rc;
            tried.insert(host(*there));
        }
        return -ENOTCONN;
    }

    void known(std::unique_ptr<Elsewhere> replica) {
        version_ = parts->freshness().learned(lake_, open_);
        if (version_ && identity(*version_) != replica->identity()) version_.reset();
        replica_ = std::move(replica);
    }

    int here(const Place &place, int flags, mode_t mode) {
        std::shared_ptr<Beginning> beginning;
        if (!parts->freshness().opening(lake_, open_, beginning)) return -ENOENT;
        XrdOucEnv nobody(parts->opening(place).c_str());
        const Handed handed(std::move(beginning));
        const int rc = wrapDF.Open(place.path.c_str(), flags, mode, nobody);
        if (rc != XrdOssOK) return rc;
        parts->freshness().opened(open_);
        version_ = parts->freshness().version(open_);
        return rc;
    }

    ssize_t first(void *buffer, off_t offset, size_t size) {
        return replica_ ? replica_->read(buffer, offset, size) : wrapDF.Read(buffer, offset, size);
    }

    // EDOM: a page is not what was written (XrdOssCsi). EIO: the disk's word, the origin's, or another replica's.
    static bool failed(ssize_t rc) { return rc == -EDOM || rc == -EIO; }

    // The bytes from the origin, if it still has the same file. Then the disk is to blame: the file goes out of the cache;
    // or the other replica. Whoever has the file open reads past both from then on.
    ssize_t rescued(ssize_t before, void *buffer, off_t offset, size_t size) {
        {
            const std::lock_guard<std::mutex> held(lock_);
            if (!rescue_ && !unchanged()) return before;
            if (!rescue_) rescue_ = std::make_unique<Elsewhere>(lake_, open_);
        }
        const ssize_t got = rescue_->read(buffer, offset, size);
        if (got >= 0 && !broken_.exchange(true) && !replica_) parts->freshness().broken(open_);
        return got < 0 ? before : got;
    }

    bool unchanged() const {
        Freshness &freshness = parts->freshness();
        if (version_) return freshness.unchanged(lake_, open_, *version_);  // also when another reader has it taken out
        return !replica_ && freshness.unchanged(lake_, open_);
    }

    void end() {
        if (open_.empty()) return;
        if (!replica_) parts->freshness().closed(open_);
        open_.clear();
    }

    const std::unique_ptr<XrdOssDF> below_;
    std::string open_;
    Lake lake_;
    bool refused_ = false;
    std::mutex lock_;
    std::unique_ptr<Elsewhere> rescue_;
    std::atomic<bool> broken_{false};  // is read at its origin
    std::unique_ptr<Elsewhere> replica_;
    std::optional<Version> version_;  // of what was opened, where that is sure
};

class Storage : public XrdOssWrapper {
  public:
    explicit Storage(XrdOss &below) : XrdOssWrapper(below) {}

    XrdOssDF *newDir(const char *who) override { return new Directory(wrapPI.newDir(who)); }
    XrdOssDF *newFile(const char *who) override { return new File(wrapPI.newFile(who)); }

    int Stat(const char *path, struct stat *found, int options, XrdOucEnv *) override {
        const Place place = parts->place(path);
        if (place.problem == ENOENT && parts->above(path)) return folder(found);
        if (place.problem) return -place.problem;
        parts->freshness().looking(place.lake, path);
        XrdOucEnv nobody(place.query);
        const int rc = wrapPI.Stat(place.path.c_str(), found, options, &nobody);
        return rc == -EISDIR ? known(place, path, found) : rc;
    }

    int Chmod(const char *, mode_t, XrdOucEnv *) override { return -EROFS; }
    int Create(const char *, const char *, mode_t, XrdOucEnv &, int) override { return -EROFS; }
    int Mkdir(const char *, mode_t, int, XrdOucEnv *) override { return -EROFS; }
    int Reloc(const char *, const char *, const char *, const char *) override { return -EROFS; }
    int Remdir(const char *, int, XrdOucEnv *) override { return -EROFS; }
    int Rename(const char *, const char *, XrdOucEnv *, XrdOucEnv *) override { return -EROFS; }
    int Truncate(const char *, unsigned long long, XrdOucEnv *) override { return -EROFS; }
    int Unlink(const char *, int, XrdOucEnv *) override { return -EROFS; }
    int FSctl(int, int, const char *, char **response) override {
        if (response) *response = nullptr;
        return -ENOTSUP;
    }

  private:
    // What leads to a lake is there, whether or not its origin has something of that name.
    static int folder(struct stat *found) {
        std::memset(found, 0, sizeof *found);
        found->st_mode = S_IFDIR | 0555;
        found->st_nlink = 2;
        return XrdOssOK;
    }

    // XRootD's cache has a directory of that name and says only so; the origin knows more.
    static int known(const Place &place, const char *path, struct stat *found) {
        Version version;
        const Answer answer = parts->origins().look(place.lake, path, version);
        if (answer == Answer::missing) return -ENOENT;
        folder(found);
        found->st_mtime = found->st_ctime = found->st_atime = version.changed;
        found->st_size = version.size;
        return XrdOssOK;
    }
};

}  // namespace

}  // namespace lakes

XrdVERSIONINFO(XrdOssAddStorageSystem2, Lakes);

extern "C" XrdOss *XrdOssAddStorageSystem2(XrdOss *below, XrdSysLogger *logger, const char *, const char *parameters,
                                           XrdOucEnv *environment) {
    lakes::parts = lakes::Parts::make(parameters, logger, environment);
    return lakes::parts ? new lakes::Storage(*below) : nullptr;
}
