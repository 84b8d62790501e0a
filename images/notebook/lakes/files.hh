// What a person's program asks of a server about paths: of the cache, if it only looks, and of whom it named, if it
// changes something.

#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "XrdCl/XrdClFileSystem.hh"
#include "XrdCl/XrdClPlugInInterface.hh"
#include "XrdCl/XrdClURL.hh"

namespace lakes {

class Files : public XrdCl::FileSystemPlugIn {
    using Status = XrdCl::XRootDStatus;
    using Handler = XrdCl::ResponseHandler;
    using Text = std::string;

  public:
    explicit Files(const std::string &url) : named_(url) {}

    Status Locate(const Text &path, XrdCl::OpenFlags::Flags flags, Handler *handler, time_t timeout) override {
        return looks(path)->Locate(path, flags, handler, timeout);
    }
    Status DeepLocate(const Text &path, XrdCl::OpenFlags::Flags flags, Handler *handler, time_t timeout) override {
        return looks(path)->DeepLocate(path, flags, handler, timeout);
    }
    Status Stat(const Text &path, Handler *handler, time_t timeout) override {
        return looks(path)->Stat(path, handler, timeout);
    }
    Status StatVFS(const Text &path, Handler *handler, time_t timeout) override {
        return looks(path)->StatVFS(path, handler, timeout);
    }
    Status DirList(const Text &path, XrdCl::DirListFlags::Flags flags, Handler *handler, time_t timeout) override {
        return looks(path)->DirList(path, flags, handler, timeout);
    }
    Status Query(XrdCl::QueryCode::Code code, const XrdCl::Buffer &what, Handler *handler, time_t timeout) override;
    Status GetXAttr(const Text &path, const std::vector<Text> &names, Handler *handler, time_t timeout) override {
        return looks(path)->GetXAttr(path, names, handler, timeout);
    }
    Status ListXAttr(const Text &path, Handler *handler, time_t timeout) override {
        return looks(path)->ListXAttr(path, handler, timeout);
    }
    Status Prepare(const std::vector<Text> &paths, XrdCl::PrepareFlags::Flags flags, uint8_t priority, Handler *handler,
                   time_t timeout) override {
        return changes({})->Prepare(paths, flags, priority, handler, timeout);
    }
    Status Mv(const Text &path, const Text &other, Handler *handler, time_t timeout) override {
        return changes(path)->Mv(path, other, handler, timeout);
    }
    Status Truncate(const Text &path, uint64_t size, Handler *handler, time_t timeout) override {
        return changes(path)->Truncate(path, size, handler, timeout);
    }
    Status Rm(const Text &path, Handler *handler, time_t timeout) override {
        return changes(path)->Rm(path, handler, timeout);
    }
    Status MkDir(const Text &path, XrdCl::MkDirFlags::Flags flags, XrdCl::Access::Mode mode, Handler *handler,
                 time_t timeout) override {
        return changes(path)->MkDir(path, flags, mode, handler, timeout);
    }
    Status RmDir(const Text &path, Handler *handler, time_t timeout) override {
        return changes(path)->RmDir(path, handler, timeout);
    }
    Status ChMod(const Text &path, XrdCl::Access::Mode mode, Handler *handler, time_t timeout) override {
        return changes(path)->ChMod(path, mode, handler, timeout);
    }
    Status SetXAttr(const Text &path, const std::vector<XrdCl::xattr_t> &values, Handler *handler,
                    time_t timeout) override {
        return changes(path)->SetXAttr(path, values, handler, timeout);
    }
    Status DelXAttr(const Text &path, const std::vector<Text> &names, Handler *handler, time_t timeout) override {
        return changes(path)->DelXAttr(path, names, handler, timeout);
    }
    Status Ping(Handler *handler, time_t timeout) override { return changes({})->Ping(handler, timeout); }
    Status Protocol(Handler *handler, time_t timeout) override { return changes({})->Protocol(handler, timeout); }
    Status SendInfo(const Text &text, Handler *handler, time_t timeout) override {
        return changes({})->SendInfo(text, handler, timeout);
    }
    bool SetProperty(const Text &name, const Text &value) override;
    bool GetProperty(const Text &name, Text &value) const override;

  private:
    using Client = std::shared_ptr<XrdCl::FileSystem>;

    Client looks(const Text &path);
    Client changes(const Text &path);
    Client at(const Text &url);

    const XrdCl::URL named_;
    mutable std::mutex lock_;
    std::map<Text, Text> properties_;
    std::map<Text, Client> clients_;  // by URL, which has the login in it
};

}  // namespace lakes
