#include "origins.hh"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "XProtocol/XProtocol.hh"
#include "XrdCl/XrdClFile.hh"
#include "XrdCl/XrdClFileSystem.hh"
#include "XrdCl/XrdClXRootDResponses.hh"
#include "opening.hh"
#include "paths.hh"

namespace lakes {

namespace {

Answer judged(const XrdCl::XRootDStatus &status) {
    if (status.IsOK()) return Answer::there;
    const bool missing = status.code == XrdCl::errNotFound ||
                         (status.code == XrdCl::errErrorResponse && status.errNo == kXR_NotFound);
    return missing ? Answer::missing : Answer::unknown;
}

Version told(const XrdCl::StatInfo &info) {
    return {info.TestFlags(XrdCl::StatInfo::IsDir), static_cast<long long>(info.GetSize()),
            static_cast<std::time_t>(info.GetModTime()), {}};
}

// A path as a question of XRootD's client.
std::string asked(const Lake &lake, const std::string &path) {
    const std::string query = lakes::query(lake);
    return query.empty() ? path : path + "?" + query;
}

std::optional<Version> told(const Reply &reply) {
    XrdCl::StatInfo *info = nullptr;
    if (reply.response) reply.response->Get(info);
    return info ? std::optional<Version>(told(*info)) : std::nullopt;
}

}  // namespace

std::string login(const Lake &lake) {
    if (lake.protocol == "https") return "";
    const char *file = std::getenv(lake.robot ? "XrdSecGSIUSERPROXY" : "BEARER_TOKEN_FILE");
    struct stat shown {};
    if (!file || stat(file, &shown) != 0) return "cache";
    char name[64];
    std::snprintf(name, sizeof name, "c%llx.%llx.%lx", static_cast<unsigned long long>(shown.st_ino),
                  static_cast<unsigned long long>(shown.st_mtim.tv_sec), shown.st_mtim.tv_nsec);
    return name;
}

// What is known of the lake's origin.
template <class Act>
auto Origins::with(const Lake &lake, Act act) {
    const std::lock_guard<std::mutex> held(lock_);
    return act(clients_[lake.protocol + "://" + lake.host]);
}

Answer Origins::version(const Lake &lake, const std::string &path, Version &version) {
    if (lake.protocol != "https") return look(lake, path, version);
    if (away(lake)) return Answer::unknown;
    bool gone = false;
    const Answer found = https_.head(lake, path, patience_.count(), version, gone);
    if (gone) leave(lake);
    return found;
}

Answer Origins::look(const Lake &lake, const std::string &path, Version &version) {
    if (away(lake)) return Answer::unknown;
    const auto files = client(lake);
    const auto ask = [&](XrdCl::ResponseHandler *handler) {
        return files->Stat(asked(lake, path), handler, patience_.count());
    };
    const auto reply = Reply::to(ask, files);
    if (!reply) return Answer::unknown;
    if (!reply->within(patience_)) {
        leave(lake);
        return Answer::unknown;
    }
    const auto found = told(*reply);
    if (found) version = *found;
    const Answer answer = judged(reply->status);
    return answer == Answer::there && !found ? Answer::unknown : answer;
}

Answer Origins::list(const Lake &lake, const std::string &path, std::vector<Entry> &entries) {
    const auto files = client(lake);
    const auto ask = [&](XrdCl::ResponseHandler *handler) {
        return files->DirList(asked(lake, path), XrdCl::DirListFlags::Stat, handler, long_.count());
    };
    const auto reply = Reply::to(ask, files);
    if (!reply || !reply->within(long_)) return Answer::unknown;
    XrdCl::DirectoryList *found = nullptr;
    if (reply->response) reply->response->Get(found);
    if (!reply->status.IsOK() || !found) return reply->status.IsOK() ? Answer::unknown : judged(reply->status);
    for (auto one = found->Begin(); one != found->End(); ++one) {
        const XrdCl::StatInfo *info = (*one)->GetStatInfo();
        if (!info) return Answer::unknown;
        const bool directory = info->TestFlags(XrdCl::StatInfo::IsDir);
        entries.push_back({(*one)->GetName(), directory, static_cast<long long>(info->GetSize())});
    }
    return Answer::there;
}

Answer Origins::served(const Lake &lake, const std::string &path, Version &version) {
    if (lake.protocol == "https") return this->version(lake, path, version);
    if (away(lake)) return Answer::unknown;
    const auto file = std::make_shared<XrdCl::File>();
    const auto reply = opening(file, lake, path, patience_.count());
    if (!reply) return Answer::unknown;
    if (!reply->within(patience_)) {
        leave(lake);
        return Answer::unknown;
    }
    if (judged(reply->status) != Answer::there) return judged(reply->status);
    const auto info = told(*file);
    if (info) version = told(*info);
    return info ? Answer::there : Answer::unknown;
}

Answer Origins::begin(const Lake &lake, const std::string &path, Version &version,
                      std::shared_ptr<Beginning> &beginning) {
    if (!begins(lake) || !Beginning::room()) return served(lake, path, version);
    const bool tells = with(lake, [](Client &client) { return client.tells.value_or(false); });
    if (!tells) return judge(lake, path, version, beginning);
    std::string bytes;
    const Answer found = first(lake, path, version, bytes);
    if (found == Answer::there) beginning = std::make_shared<Beginning>(version, std::move(bytes));
    return found == Answer::unknown ? served(lake, path, version) : found;
}

// Bytes never come before the word on their version: of a file that is replaced in between, the old ones would be kept as
// the new ones for good. The other way about, the next comparison finds it. Whether both come together, and in the same
// words, shows by asking for both: XRootD (6.2.0) says nothing with bytes, and who sends people on may say other things.
Answer Origins::judge(const Lake &lake, const std::string &path, Version &version,
                      std::shared_ptr<Beginning> &beginning) {
    Version now;
    std::string bytes;
    const Answer found = served(lake, path, version);
    if (found != Answer::there || first(lake, path, now, bytes) != Answer::there || now.size != version.size) return found;
    beginning = std::make_shared<Beginning>(version, std::move(bytes));
    const bool tells = now == version && (version.changed || !version.tag.empty());
    with(lake, [=](Client &client) { client.tells = client.tells.value_or(tells); });
    return found;
}

// Where bytes are slow to come, or do not, nobody is to wait for them twice.
Answer Origins::first(const Lake &lake, const std::string &path, Version &version, std::string &bytes) {
    bool gone = false, bare = false;
    const Answer found = https_.begin(lake, path, patience_.count(), version, bytes, gone, bare);
    if (gone) leave(lake);
    if (bare) with(lake, [](Client &client) { client.bare = Clock::now() + pause_; });
    return found;
}

// Whether the origin is given time to come back.
bool Origins::away(const Lake &lake) {
    return with(lake, [](Client &client) { return Clock::now() < client.away; });
}

bool Origins::begins(const Lake &lake) {
    const bool https = lake.protocol == "https" && !away(lake);
    return https && with(lake, [](Client &client) { return Clock::now() >= client.bare; });
}

std::shared_ptr<XrdCl::FileSystem> Origins::client(const Lake &lake) {
    const std::lock_guard<std::mutex> held(lock_);
    Client &known = clients_[lake.protocol + "://" + lake.host];
    const std::string wanted = url(lake, login(lake));
    if (known.url != wanted) {
        known.files = std::make_shared<XrdCl::FileSystem>(XrdCl::URL(wanted));
        known.url = wanted;
    }
    return known.files;
}

void Origins::leave(const Lake &lake) {
    with(lake, [](Client &client) { client.away = Clock::now() + pause_; });
}

}  // namespace lakes
