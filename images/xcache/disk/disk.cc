// What XRootD's cache stands on (XRootD: `pfc.osslib ++`), above the checksums of its pages: the volume, which is asked to
// write through only where that keeps something, and whose damaged records begin anew.
//
// Whoever closes a file, also one that was only read, has the cache ask for four `fsync`s: of the file, of its record
// (`.cinfo`), and of the checksums of both. That is a third of the CPU of reading a small file, and on a disk that turns it
// is four rotations. Here a file is written through if something was written to it since the last time, which is before
// its record says so. A record is written through where the disk may have another that says more than there is: one that
// was there before, or one of a file that was cut. Otherwise a node that dies loses only what its last records say, or
// half of one, and such a file is fetched again.
//
// XRootD takes a record that is not what was written for none, but cannot replace it either: to write into a damaged page
// is refused. That file would be fetched again for ever.

#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "XrdOss/XrdOssWrapper.hh"
#include "XrdSys/XrdSysError.hh"
#include "XrdVersion.hh"

namespace disk {

namespace {

constexpr std::string_view kRecord = ".cinfo";

bool is_record(std::string_view path) {
    return path.size() > kRecord.size() && path.substr(path.size() - kRecord.size()) == kRecord;
}

// Files that were cut since their record was last written through.
class Cut {
  public:
    void add(const std::string &path) {
        const std::lock_guard<std::mutex> held(lock_);
        paths_.insert(path);
    }
    bool take(const std::string &path) {
        const std::lock_guard<std::mutex> held(lock_);
        return paths_.erase(path) > 0;
    }

  private:
    std::mutex lock_;
    std::set<std::string> paths_;
};

class File : public XrdOssWrapDF {
  public:
    File(XrdOssDF *below, Cut &cut, XrdSysError &log) : XrdOssWrapDF(*below), below_(below), cut_(cut), log_(log) {}

    int Open(const char *path, int flags, mode_t mode, XrdOucEnv &environment) override {
        path_ = path;
        record_ = is_record(path_);
        writable_ = (flags & O_ACCMODE) != O_RDONLY;
        return wrapDF.Open(path, flags, mode, environment);
    }

    // What is written while the disk is asked belongs to the next time.
    int Fsync() override {
        if (record_ ? !says_more() : !written_.exchange(false)) return XrdOssOK;
        const int rc = wrapDF.Fsync();
        if (rc != XrdOssOK) written_ = true, known_ = false;
        return rc;
    }
    int Fsync(XrdSfsAio *request) override { return wrapDF.Fsync(request); }

    using XrdOssWrapDF::Read;
    ssize_t Read(void *buffer, off_t offset, size_t size) override {
        const ssize_t rc = wrapDF.Read(buffer, offset, size);
        if (record_ && rc > 0) known_ = true;
        if (record_ && rc == -EDOM && writable_) emptied();
        return rc;
    }

    int Ftruncate(unsigned long long size) override {
        if (!record_) cut_.add(path_);
        return written(), wrapDF.Ftruncate(size);
    }
    ssize_t Write(const void *buffer, off_t offset, size_t size) override {
        return written(), wrapDF.Write(buffer, offset, size);
    }
    int Write(XrdSfsAio *request) override { return written(), wrapDF.Write(request); }
    ssize_t WriteV(XrdOucIOVec *pieces, int count) override { return written(), wrapDF.WriteV(pieces, count); }
    ssize_t pgWrite(void *buffer, off_t offset, size_t size, uint32_t *sums, uint64_t options) override {
        return written(), wrapDF.pgWrite(buffer, offset, size, sums, options);
    }
    int pgWrite(XrdSfsAio *request, uint64_t options) override { return written(), wrapDF.pgWrite(request, options); }

  private:
    void written() { written_ = true; }

    // Whether the disk may have a record of that name that is not the one that is open, or is of a file that was longer.
    bool says_more() {
        const bool cut = cut_.take(path_.substr(0, path_.size() - kRecord.size()));
        return !known_.exchange(true) || cut;
    }

    // The cache writes a new one over it.
    void emptied() {
        known_ = false;
        const int rc = wrapDF.Ftruncate(0);
        if (rc != XrdOssOK) log_.Emsg("disk", -rc, "empty a damaged record,", path_.c_str());
        else log_.Say("disk: ", path_.c_str(), " is damaged: what it is of is fetched again");
    }

    const std::unique_ptr<XrdOssDF> below_;
    Cut &cut_;
    XrdSysError &log_;
    std::string path_;
    bool record_ = false;
    bool writable_ = false;
    std::atomic<bool> known_{false};  // of a record: it was read, or is on disk as it was begun
    std::atomic<bool> written_{false};
};

class Volume : public XrdOssWrapper {
  public:
    Volume(XrdOss &below, XrdSysLogger *logger) : XrdOssWrapper(below), log_(logger, "") {}

    XrdOssDF *newFile(const char *who) override { return new File(wrapPI.newFile(who), cut_, log_); }

  private:
    Cut cut_;
    XrdSysError log_;
};

}  // namespace

}  // namespace disk

XrdVERSIONINFO(XrdOssAddStorageSystem2, Disk);

extern "C" XrdOss *XrdOssAddStorageSystem2(XrdOss *below, XrdSysLogger *logger, const char *, const char *, XrdOucEnv *) {
    return new disk::Volume(*below, logger);
}
