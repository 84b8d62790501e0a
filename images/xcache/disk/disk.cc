// What XRootD's cache stands on (XRootD: `pfc.osslib ++`), above the checksums of its pages: the volume, which is asked to
// write through only where that keeps something, and whose damaged records begin anew.
//
// Whoever closes a file, also one that was only read, has the cache ask for four `fsync`s: of the file, of its record
// (`.cinfo`), and of the checksums of both. That is a third of the CPU of reading a small file, and on a disk that turns it
// is four rotations. Here a file is written through if something was written to it since the last time, which is before
// its record says so; the record itself is not. A node that dies may so lose what its last records say, or half of one:
// such a file is fetched again.
//
// XRootD takes a record that is not what was written for none, but cannot replace it either: to write into a damaged page
// is refused. That file would be fetched again for ever.

#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <memory>
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

class File : public XrdOssWrapDF {
  public:
    File(XrdOssDF *below, XrdSysError &log) : XrdOssWrapDF(*below), below_(below), log_(log) {}

    int Open(const char *path, int flags, mode_t mode, XrdOucEnv &environment) override {
        record_ = is_record(path) ? path : "";
        writable_ = (flags & O_ACCMODE) != O_RDONLY;
        return wrapDF.Open(path, flags, mode, environment);
    }

    // What is written while the disk is asked belongs to the next time.
    int Fsync() override {
        if (!record_.empty() || !written_.exchange(false)) return XrdOssOK;
        const int rc = wrapDF.Fsync();
        if (rc != XrdOssOK) written_ = true;
        return rc;
    }
    int Fsync(XrdSfsAio *request) override { return wrapDF.Fsync(request); }

    using XrdOssWrapDF::Read;
    ssize_t Read(void *buffer, off_t offset, size_t size) override {
        const ssize_t rc = wrapDF.Read(buffer, offset, size);
        if (rc == -EDOM && writable_ && !record_.empty()) emptied();
        return rc;
    }

    int Ftruncate(unsigned long long size) override { return written(), wrapDF.Ftruncate(size); }
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

    // The cache writes a new one over it.
    void emptied() {
        const int rc = wrapDF.Ftruncate(0);
        if (rc != XrdOssOK) log_.Emsg("disk", -rc, "empty a damaged record,", record_.c_str());
        else log_.Say("disk: ", record_.c_str(), " is damaged: what it is of is fetched again");
    }

    const std::unique_ptr<XrdOssDF> below_;
    XrdSysError &log_;
    std::string record_;  // its path, if it is one
    bool writable_ = false;
    std::atomic<bool> written_{false};
};

class Volume : public XrdOssWrapper {
  public:
    Volume(XrdOss &below, XrdSysLogger *logger) : XrdOssWrapper(below), log_(logger, "") {}

    XrdOssDF *newFile(const char *who) override { return new File(wrapPI.newFile(who), log_); }

  private:
    XrdSysError log_;
};

}  // namespace

}  // namespace disk

XrdVERSIONINFO(XrdOssAddStorageSystem2, Disk);

extern "C" XrdOss *XrdOssAddStorageSystem2(XrdOss *below, XrdSysLogger *logger, const char *, const char *, XrdOucEnv *) {
    return new disk::Volume(*below, logger);
}
