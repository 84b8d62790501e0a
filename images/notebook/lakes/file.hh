// A file of a person's program: opened where `Where` says, and from then on XRootD's own.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "XrdCl/XrdClFile.hh"
#include "XrdCl/XrdClPlugInInterface.hh"

namespace lakes {

class File : public XrdCl::FilePlugIn {
    using Status = XrdCl::XRootDStatus;
    using Handler = XrdCl::ResponseHandler;

  public:
    Status Open(const std::string &url, XrdCl::OpenFlags::Flags flags, XrdCl::Access::Mode mode, Handler *handler,
                time_t timeout) override;
    Status Close(Handler *handler, time_t timeout) override { return file_.Close(handler, timeout); }
    Status Stat(bool force, Handler *handler, time_t timeout) override { return file_.Stat(force, handler, timeout); }
    Status Read(uint64_t offset, uint32_t size, void *buffer, Handler *handler, time_t timeout) override {
        return file_.Read(offset, size, buffer, handler, timeout);
    }
    Status PgRead(uint64_t offset, uint32_t size, void *buffer, Handler *handler, time_t timeout) override {
        return file_.PgRead(offset, size, buffer, handler, timeout);
    }
    Status PreRead(const XrdCl::TractList &tracts, Handler *handler, time_t timeout) override {
        return file_.PreRead(tracts, handler, timeout);
    }
    Status VectorRead(const XrdCl::ChunkList &chunks, void *buffer, Handler *handler, time_t timeout) override {
        return file_.VectorRead(chunks, buffer, handler, timeout);
    }
    Status Write(uint64_t offset, uint32_t size, const void *buffer, Handler *handler, time_t timeout) override {
        return file_.Write(offset, size, buffer, handler, timeout);
    }
    Status Write(uint64_t offset, XrdCl::Buffer &&buffer, Handler *handler, time_t timeout) override {
        return file_.Write(offset, std::move(buffer), handler, timeout);
    }
    Status Write(uint64_t offset, uint32_t size, XrdCl::Optional<uint64_t> from, int fd, Handler *handler,
                 time_t timeout) override {
        return file_.Write(offset, size, from, fd, handler, timeout);
    }
    Status PgWrite(uint64_t offset, uint32_t size, const void *buffer, std::vector<uint32_t> &sums, Handler *handler,
                   time_t timeout) override {
        return file_.PgWrite(offset, size, buffer, sums, handler, timeout);
    }
    Status VectorWrite(const XrdCl::ChunkList &chunks, Handler *handler, time_t timeout) override {
        return file_.VectorWrite(chunks, handler, timeout);
    }
    Status WriteV(uint64_t offset, const iovec *pieces, int count, Handler *handler, time_t timeout) override {
        return file_.WriteV(offset, pieces, count, handler, timeout);
    }
    Status Sync(Handler *handler, time_t timeout) override { return file_.Sync(handler, timeout); }
    Status Truncate(uint64_t size, Handler *handler, time_t timeout) override {
        return file_.Truncate(size, handler, timeout);
    }
    Status Fcntl(const XrdCl::Buffer &what, Handler *handler, time_t timeout) override {
        return file_.Fcntl(what, handler, timeout);
    }
    Status Fcntl(XrdCl::QueryCode::Code code, const XrdCl::Buffer &what, Handler *handler, time_t timeout) override {
        return file_.Fcntl(code, what, handler, timeout);
    }
    Status Visa(Handler *handler, time_t timeout) override { return file_.Visa(handler, timeout); }
    bool IsOpen() const override { return file_.IsOpen(); }
    bool SetProperty(const std::string &name, const std::string &value) override { return file_.SetProperty(name, value); }
    bool GetProperty(const std::string &name, std::string &value) const override { return file_.GetProperty(name, value); }

  private:
    XrdCl::File file_{false};  // without plug-ins
};

}  // namespace lakes
