#include "parts.hh"

#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "XrdOfs/XrdOfsFSctl_PI.hh"
#include "XrdOuc/XrdOucEnv.hh"
#include "paths.hh"

namespace lakes {

namespace {

// As the configuration lets it be said of a file (`pfc.urlcgi`). XRootD sends it on to the origin, as it
// does its own `xrdclhttp.timeout`; it means nothing there.
constexpr const char *kAsRead = "pfc.prefetch=0";

}  // namespace

std::unique_ptr<Parts> parts;

Parts::Parts(const Files &files, XrdSysLogger *logger)
    : log_(logger, "lakes_"), table_(files.lakes, parse, log_), kept_(files.keeping, keeping, log_) {}

std::unique_ptr<Parts> Parts::make(const char *parameters, XrdSysLogger *logger, XrdOucEnv *environment) {
    std::istringstream words(parameters ? parameters : "");
    Files files;
    std::string replicas, data;
    long seconds = 0;
    words >> files.lakes >> files.keeping >> replicas >> data >> seconds;
    std::unique_ptr<Parts> made(new Parts(files, logger));
    auto *cache = environment ? static_cast<XrdOfsFSctl_PI *>(environment->GetPtr("XrdFSCtl_PC*")) : nullptr;
    const bool asked = words && seconds > 0;
    if (!asked) made->log_.Emsg("lakes", "give the files of lakes, of what is kept and of replicas, the cache's directory, and seconds");
    if (!cache) made->log_.Emsg("lakes", "there is no cache (pss.cachelib) below");
    if (!asked || !cache || !Freshness::possible(data, made->log_)) return nullptr;
    const Freshness::Settings settings{std::chrono::seconds(seconds), data};
    made->freshness_ = std::make_unique<Freshness>(settings, made->table_, made->origins_, *cache, made->log_);
    made->guard_ = std::make_unique<Guard>(*cache);
    const char *here = std::getenv("XCACHE_HERE");
    made->replicas_ = std::make_unique<Replicas>(replicas, here ? here : "", made->log_);
    made->unused_ = std::make_unique<Unused>(data, made->kept_, *made->freshness_, made->log_);
    environment->PutPtr("XrdFSCtl_PC*", static_cast<XrdOfsFSctl_PI *>(made->guard_.get()));  // readers' way to the cache
    return made;
}

Place Parts::place(const char *path) {
    if (!plain(path)) return {EINVAL, {}, {}};
    const auto lake = covering(*table_.now(), path);
    if (!lake) return {ENOENT, {}, {}};
    return {0, *lake, forwarded(*lake, login(*lake), path), query(*lake)};
}

std::string Parts::opening(const Place &place) {
    const std::string query = place.query;
    if (kept_.now()->ahead) return query;
    return query + (query.empty() ? "" : "&") + kAsRead;
}

bool Parts::above(const char *path) { return lakes::above(*table_.now(), path); }

}  // namespace lakes
