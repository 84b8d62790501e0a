#include "freshness.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <thread>
#include <vector>

#include "XrdOfs/XrdOfsFSctl_PI.hh"
#include "XrdOuc/XrdOucErrInfo.hh"
#include "XrdSfs/XrdSfsInterface.hh"
#include "XrdSys/XrdSysError.hh"

namespace lakes {

namespace {

// On the cache's own record of a file, so that it goes when that goes.
constexpr const char *kAttribute = "user.facility.origin";
constexpr size_t kMost = 100000;  // paths that are remembered at once
constexpr std::chrono::seconds kRound{5};
constexpr std::chrono::seconds kPatience{45};  // for an origin to give what a path names now; clients wait a minute

}  // namespace

Freshness::Freshness(Settings settings, Table &table, Origins &origins, XrdOfsFSctl_PI &cache, XrdSysError &log)
    : settings_(std::move(settings)), table_(table), origins_(origins), cache_(cache), log_(log) {
    std::thread([this] {
        for (;;) {
            std::this_thread::sleep_for(kRound);
            patrol();
        }
    }).detach();
}

bool Freshness::possible(const std::string &data, XrdSysError &log) {
    if (setxattr(data.c_str(), kAttribute, "", 0, 0) == 0) return true;
    log.Emsg("lakes", errno, "set an extended attribute on the cache's volume, which it needs to know changed files;",
             data.c_str());
    return false;
}

void Freshness::looking(const Lake &lake, const std::string &path) {
    if (cached(path) && due(path)) compare(lake, path);
}

void Freshness::summing(const Lake &lake, const std::string &path) {
    if (cached(path)) compare(lake, path);
}

bool Freshness::opening(const Lake &lake, const std::string &path, std::shared_ptr<Beginning> &beginning) {
    looking(lake, path);
    return cached(path) || learn(lake, path, &beginning) != Answer::missing;
}

void Freshness::opened(const std::string &path) {
    std::optional<Version> version;
    {
        const std::lock_guard<std::mutex> held(lock_);
        Known &known = known_[path];
        ++known.open;
        version = known.version;
    }
    if (version && !kept(path)) keep(path, *version);
}

void Freshness::closed(const std::string &path) {
    const std::lock_guard<std::mutex> held(lock_);
    const auto found = known_.find(path);
    if (found != known_.end() && found->second.open > 0) --found->second.open;
}

bool Freshness::unchanged(const Lake &lake, const std::string &path) {
    const auto before = kept(path);
    return before && unchanged(lake, path, *before);
}

bool Freshness::unchanged(const Lake &lake, const std::string &path, const Version &before) {
    Version version;
    return origins_.version(lake, path, version) == Answer::there && same(before, version);
}

std::optional<Version> Freshness::learned(const Lake &lake, const std::string &path) {
    learn(lake, path, nullptr);
    const std::lock_guard<std::mutex> held(lock_);
    return known_[path].version;
}

std::optional<Version> Freshness::version(const std::string &path) {
    if (const auto found = kept(path)) return found;
    const std::lock_guard<std::mutex> held(lock_);
    return known_[path].version;
}

// What is not there is a hole in the cache's file.
bool Freshness::whole(const std::string &path, long long size) const {
    struct stat found {};
    return stat((settings_.data + path).c_str(), &found) == 0 && found.st_blocks * 512LL >= size;
}

void Freshness::hold(const std::string &path, std::chrono::seconds time) const {
    const timespec then{std::time(nullptr) + time.count(), 0};
    const timespec times[] = {{0, UTIME_OMIT}, then};
    utimensat(AT_FDCWD, record(path).c_str(), times, 0);
}

void Freshness::broken(const std::string &path) { remove(path, "cannot be read from disk"); }

bool Freshness::let_go(const std::string &path) {
    XrdOucErrInfo problem;
    return evict("evict", path, problem) == SFS_OK;
}

void Freshness::patrol() {
    std::vector<std::string> open;
    {
        const std::lock_guard<std::mutex> held(lock_);
        for (const auto &[path, known] : known_)
            if (known.open > 0) open.push_back(path);
    }
    const auto lakes = table_.now();
    for (const std::string &path : open)
        if (const auto lake = covering(*lakes, path); lake && due(path)) compare(*lake, path);
}

// Whether it is this caller who has to compare: one at a time.
bool Freshness::due(const std::string &path) {
    const std::lock_guard<std::mutex> held(lock_);
    if (known_.size() > kMost) forget();
    const auto now = Clock::now();
    const auto [at, made] = known_.try_emplace(path);
    if (!made && now - at->second.looked < settings_.period) return false;
    at->second.looked = now;
    return true;
}

void Freshness::compare(const Lake &lake, const std::string &path) {
    Version version;
    const Answer answer = origins_.version(lake, path, version);
    if (answer == Answer::unknown) return;
    const auto before = kept(path);
    const bool there = cached(path), changed = answer == Answer::missing || !before || !same(*before, version);
    const bool done = !there || !changed || remove(path, "has changed at its origin");
    if (there && !changed && !(completed(*before, version) == *before)) keep(path, completed(*before, version));
    const std::lock_guard<std::mutex> held(lock_);
    Known &known = known_[path];
    if (!done) known.looked = {};
    known.replaced = known.replaced || (there && changed);
    known.version = answer == Answer::there ? std::optional<Version>(version) : std::nullopt;
}

// Of a file that is not cached: the version of what the origin gives to who opens it now, and how that begins for who wants
// to know. One asks for all.
Answer Freshness::learn(const Lake &lake, const std::string &path, std::shared_ptr<Beginning> *beginning) {
    std::unique_lock<std::mutex> held(lock_);
    answered_.wait_for(held, kPatience, [&] { return !known_[path].asking; });
    const auto now = Clock::now();
    const bool replaced = known_[path].replaced;
    if (!replaced && now - known_[path].looked < settings_.period) {
        if (beginning) *beginning = known_[path].beginning.lock();
        return Answer::unknown;
    }
    known_[path].looked = now;
    known_[path].asking = true;
    held.unlock();
    Version version;
    std::shared_ptr<Beginning> begun;
    const Answer answer =
        replaced ? settled(lake, path, version) : asked(lake, path, version, beginning ? &begun : nullptr);
    held.lock();
    Known &known = known_[path];
    known.replaced = known.asking = false;
    if (answer != Answer::there) known.looked = {};  // it may be there at the next open, whose version has to be known
    known.version = answer == Answer::there ? std::optional<Version>(version) : std::nullopt;
    known.beginning = begun;
    if (beginning) *beginning = begun;
    answered_.notify_all();
    return answer;
}

Answer Freshness::asked(const Lake &lake, const std::string &path, Version &version,
                        std::shared_ptr<Beginning> *beginning) {
    return beginning ? origins_.begin(lake, path, version, *beginning) : origins_.served(lake, path, version);
}

// Waits until the origin gives what the path names. `unknown` if it does not come to that: somebody else has the former
// file open there, and whoever opens it gets that, but it is not remembered as what the path names.
Answer Freshness::settled(const Lake &lake, const std::string &path, Version &version) {
    for (const auto end = Clock::now() + kPatience;; std::this_thread::sleep_for(std::chrono::seconds(1))) {
        Version given;
        const Answer named = origins_.version(lake, path, version);
        if (named != Answer::there) return named;
        const Answer opened = origins_.served(lake, path, given);
        if (opened == Answer::there && same(version, given)) return opened;
        if (opened != Answer::there || Clock::now() > end) return Answer::unknown;
    }
}

// By the cache's own means, which end what is open and what is being fetched. Whether it could be done now.
bool Freshness::remove(const std::string &path, const char *why) {
    XrdOucErrInfo problem;
    const int rc = evict("fevict", path, problem);
    const std::string text = path + " " + why + " and is taken out of the cache";
    log_.Say("lakes: ", text.c_str(), rc == SFS_OK ? "" : ", but not yet: ", rc == SFS_OK ? "" : problem.getErrText());
    return rc == SFS_OK;
}

int Freshness::evict(const char *order, const std::string &path, XrdOucErrInfo &problem) {
    const char *paths[] = {path.c_str()};
    XrdSfsFSctl request;
    std::memset(&request, 0, sizeof request);
    request.Arg1 = order;
    request.Arg1Len = static_cast<int>(std::strlen(order));
    request.Arg2Len = -2;
    request.ArgP = paths;
    return cache_.FSctl(SFS_FSCTL_PLUGXC, request, problem, nullptr);
}

// What nobody has open; the next comparison of those is just earlier than it had to be.
void Freshness::forget() {
    for (auto at = known_.begin(); at != known_.end();) at = at->second.open > 0 || at->second.asking ? std::next(at) : known_.erase(at);
}

bool Freshness::cached(const std::string &path) const { return access(record(path).c_str(), F_OK) == 0; }

std::string Freshness::record(const std::string &path) const { return settings_.data + path + ".cinfo"; }

std::optional<Version> Freshness::kept(const std::string &path) const {
    char text[300];
    const ssize_t length = getxattr(record(path).c_str(), kAttribute, text, sizeof text);
    if (length <= 0) return std::nullopt;
    std::istringstream words(std::string(text, static_cast<size_t>(length)));
    Version found;
    if (!(words >> found.size >> found.changed)) return std::nullopt;
    words >> found.tag;  // the last, as there may be none
    return found;
}

void Freshness::keep(const std::string &path, const Version &version) {
    std::string text = std::to_string(version.size) + ' ' + std::to_string(version.changed);
    if (!version.tag.empty()) text += ' ' + version.tag;
    if (setxattr(record(path).c_str(), kAttribute, text.data(), text.size(), 0) != 0 && errno != ENOENT)
        log_.Emsg("lakes", errno, "keep the version of", path.c_str());
}

}  // namespace lakes
