// Purge plug-in of a cache (XRootD: `pfc.purgelib`): directories that are kept small. Once a minute XRootD says how much
// it holds of each directory, and takes out what it is told here: files that nobody has open, first those that were read
// longest ago.
//
// XRootD has such a plug-in, which reads its quotas at start only, and takes a file from each directory that has one when
// any of them is too large.

#include <memory>
#include <sstream>
#include <string>

#include "XrdPfc/XrdPfcDirStatePurgeshot.hh"
#include "XrdPfc/XrdPfcPurgePin.hh"
#include "XrdVersion.hh"
#include "keeping.hh"

namespace lakes {

namespace {

constexpr long long kBlock = 512;  // bytes of what `st_blocks` counts

class Quotas : public XrdPfc::PurgePin {
  public:
    explicit Quotas(XrdSysError &log) : log_(log) {}

    bool ConfigPurgePin(const char *parameters) override {
        std::istringstream words(parameters ? parameters : "");
        std::string file;
        if (words >> file) kept_ = std::make_unique<Kept>(file, keeping, log_);
        if (!kept_) log_.Emsg("lakes", "give the file that says what is kept");
        return kept_ != nullptr;
    }

    bool CallPeriodically() override { return kept_ && !kept_->now()->quotas.empty(); }

    long long GetBytesToRecover(const XrdPfc::DataFsPurgeshot &held) override {
        m_list.clear();
        long long sum = 0;
        if (!kept_) return sum;
        for (const Quota &quota : kept_->now()->quotas) {
            const auto *used = held.find_dir_usage_for_dir_path(quota.directory);
            const long long over = used ? kBlock * used->m_StBlocks - quota.most : 0;
            if (over <= 0) continue;
            DirInfo wanted;
            wanted.path = quota.directory;
            wanted.nBytesQuota = quota.most;
            wanted.nBytesToRecover = over;
            m_list.push_back(wanted);
            sum += over;
        }
        return sum;
    }

  private:
    XrdSysError &log_;
    std::unique_ptr<Kept> kept_;
};

}  // namespace

}  // namespace lakes

XrdVERSIONINFO(XrdPfcGetPurgePin, Lakes);

extern "C" XrdPfc::PurgePin *XrdPfcGetPurgePin(XrdSysError &log) { return new lakes::Quotas(log); }
