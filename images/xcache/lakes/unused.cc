#include "unused.hh"

#include <sys/stat.h>

#include <ctime>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <thread>

#include "XrdSys/XrdSysError.hh"

namespace lakes {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRecord = ".cinfo";
constexpr std::string_view kPages = ".xrdt";  // the folder of the checksums of pages (libXrdOssCsi)
constexpr std::chrono::minutes kStep{1};      // after one XRootD has counted what there is
constexpr std::chrono::hours kRound{1};

using Clock = std::chrono::steady_clock;

// When somebody last closed the file, by the time of its record's last change; what is pinned has one in the future.
bool old(const std::string &record, std::chrono::seconds age) {
    struct stat found {};
    return stat(record.c_str(), &found) == 0 && found.st_mtime < std::time(nullptr) - age.count();
}

}  // namespace

Unused::Unused(std::string data, Kept &kept, Freshness &freshness, XrdSysError &log)
    : data_(std::move(data)), kept_(kept), freshness_(freshness), log_(log) {
    std::thread([this] { watch(); }).detach();
}

void Unused::watch() {
    std::chrono::hours last{0};
    for (auto due = Clock::now();;) {
        std::this_thread::sleep_for(kStep);
        const auto age = kept_.now()->unused;
        const bool look_now = age.count() > 0 && (age != last || Clock::now() >= due);
        last = age;
        if (!look_now) continue;
        look(age);
        due = Clock::now() + kRound;
    }
}

void Unused::look(std::chrono::seconds age) {
    long long gone = 0;
    std::error_code problem;
    constexpr auto some = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator at(data_, some, problem), end; !problem && at != end; at.increment(problem)) {
        std::string path = at->path().string();
        if (at.depth() == 0 && at->path().filename() == kPages) at.disable_recursion_pending();
        if (path.size() <= kRecord.size() || path.compare(path.size() - kRecord.size(), kRecord.size(), kRecord) != 0) continue;
        if (!old(path, age)) continue;
        path.resize(path.size() - kRecord.size());
        if (freshness_.let_go(path.substr(data_.size()))) ++gone;
    }
    if (problem) log_.Emsg("lakes", problem.value(), "look for files that nobody reads below", data_.c_str());
    if (gone) log_.Say("lakes: ", std::to_string(gone).c_str(), " files that nobody has read for so long are taken out of the cache");
}

}  // namespace lakes
