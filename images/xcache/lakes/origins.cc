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

std::optional<Version> told(const Reply &reply) {
    XrdCl::StatInfo *info = nullptr;
    if (reply.response) reply.response->Get(info);
    return info ? std::optional<Version>(told(*info)) : std::nullopt;
}

}  // namespace

std::string credential() {
    const char *file = std::getenv("BEARER_TOKEN_FILE");
    struct stat token {};
    if (!file || stat(file, &token) != 0) return "cache";
    char name[64];
    std::snprintf(name, sizeof name, "c%llx.%llx.%lx", static_cast<unsigned long long>(token.st_ino),
                  static_cast<unsigned long long>(token.st_mtim.tv_sec), token.st_mtim.tv_nsec);
    return name;
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
    const auto ask = [&](XrdCl::ResponseHandler *handler) { return files->Stat(path, handler, patience_.count()); };
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

// Whether the origin is given time to come back.
bool Origins::away(const Lake &lake) {
    const std::lock_guard<std::mutex> held(lock_);
    return Clock::now() < clients_[lake.protocol + "://" + lake.host].away;
}

std::shared_ptr<XrdCl::FileSystem> Origins::client(const Lake &lake) {
    const std::lock_guard<std::mutex> held(lock_);
    Client &known = clients_[lake.protocol + "://" + lake.host];
    const std::string wanted = url(lake, credential());
    if (known.url != wanted) {
        known.files = std::make_shared<XrdCl::FileSystem>(XrdCl::URL(wanted));
        known.url = wanted;
    }
    return known.files;
}

void Origins::leave(const Lake &lake) {
    const std::lock_guard<std::mutex> held(lock_);
    clients_[lake.protocol + "://" + lake.host].away = Clock::now() + pause_;
}

}  // namespace lakes
