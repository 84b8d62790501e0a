// Plug-in of XRootD's client for https, in the cache's process alone (XRD_PLUGINCONFDIR): XRootD's own http client, which
// is given the beginning of a file where that has come already.

#include <dlfcn.h>

#include <memory>

#include "XrdCl/XrdClPlugInInterface.hh"
#include "XrdVersion.hh"
#include "begun.hh"

XrdVERSIONINFO(XrdClGetPlugIn, Lakes);

namespace lakes {

namespace {

constexpr const char *kHttp = "libXrdClHttp-6.so";

class Client : public XrdCl::PlugInFactory {
  public:
    explicit Client(XrdCl::PlugInFactory *http) : http_(http) {}

    XrdCl::FilePlugIn *CreateFile(const std::string &url) override {
        std::unique_ptr<XrdCl::FilePlugIn> file(http_->CreateFile(url));
        auto beginning = Handed::take();
        return file && beginning ? new Begun(std::move(file), std::move(beginning)) : file.release();
    }
    XrdCl::FileSystemPlugIn *CreateFileSystem(const std::string &url) override { return http_->CreateFileSystem(url); }

  private:
    const std::unique_ptr<XrdCl::PlugInFactory> http_;
};

}  // namespace

}  // namespace lakes

extern "C" void *XrdClGetPlugIn(const void *settings) {
    void *library = dlopen(lakes::kHttp, RTLD_NOW);
    const auto made = library ? reinterpret_cast<void *(*)(const void *)>(dlsym(library, "XrdClGetPlugIn")) : nullptr;
    auto *http = made ? static_cast<XrdCl::PlugInFactory *>(made(settings)) : nullptr;
    return http ? static_cast<XrdCl::PlugInFactory *>(new lakes::Client(http)) : nullptr;
}
