// Plug-in of XRootD's client for all of root:// (client.plugins.d): xrdcp, Python's bindings, uproot and ROOT.

#include <map>
#include <string>

#include "XrdCl/XrdClPlugInInterface.hh"
#include "XrdVersion.hh"
#include "file.hh"
#include "files.hh"

XrdVERSIONINFO(XrdClGetPlugIn, Lakes);

namespace lakes {

namespace {

class Factory : public XrdCl::PlugInFactory {
  public:
    XrdCl::FilePlugIn *CreateFile(const std::string &) override { return new File; }
    XrdCl::FileSystemPlugIn *CreateFileSystem(const std::string &url) override { return new Files(url); }
};

}  // namespace

}  // namespace lakes

extern "C" void *XrdClGetPlugIn(const void *) { return static_cast<XrdCl::PlugInFactory *>(new lakes::Factory); }
