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
constexpr std::chrono::minutes kFirst{1};  // when XRootD has counted what there is
constexpr std::chrono::hours kRound{1};

// When somebody last closed the file, by the time of its record's last change; what is pinned has one in the future.
bool old(const std::string &record, std::chrono::seconds age) {
    struct stat found {};
    return stat(record.c_str(), &found) == 0 && found.st_mtime < std::time(nullptr) - age.count();
}

}  // namespace

Unused::Unused(Settings settings, Freshness &freshness, XrdSysError &log)
    : settings_(std::move(settings)), freshness_(freshness), log_(log) {
    std::thread([this] {
        std::this_thread::sleep_for(kFirst);
        for (;; std::this_thread::sleep_for(kRound)) look();
    }).detach();
}

void Unused::look() {
    long long gone = 0;
    std::error_code problem;
    constexpr auto some = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator at(settings_.data, some, problem), end; !problem && at != end;
         at.increment(problem)) {
        std::string path = at->path().string();
        if (path.size() <= kRecord.size() || path.compare(path.size() - kRecord.size(), kRecord.size(), kRecord) != 0) continue;
        if (!old(path, settings_.age)) continue;
        path.resize(path.size() - kRecord.size());
        if (freshness_.let_go(path.substr(settings_.data.size()))) ++gone;
    }
    if (problem) log_.Emsg("lakes", problem.value(), "look for files that nobody reads below", settings_.data.c_str());
    if (gone) log_.Say("lakes: ", std::to_string(gone).c_str(), " files that nobody has read for so long are taken out of the cache");
}

}  // namespace lakes
