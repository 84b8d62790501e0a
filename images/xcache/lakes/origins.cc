#include "origins.hh"

#include <sys/stat.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "XProtocol/XProtocol.hh"
#include "XrdCl/XrdClFile.hh"
#include "XrdCl/XrdClFileSystem.hh"
#include "XrdCl/XrdClXRootDResponses.hh"
#include "paths.hh"

namespace lakes {

namespace {

// Outlives whoever waits for it: an answer may come when nobody does any more.
struct Reply {
    std::mutex lock;
    std::condition_variable came;
    bool done = false;
    Answer answer = Answer::unknown;
    std::optional<Version> version;

    // False if it did not come in time.
    bool within(std::chrono::seconds patience) {
        std::unique_lock<std::mutex> locked(lock);
        return came.wait_for(locked, patience, [this] { return done; });
    }
};

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

class Handler : public XrdCl::ResponseHandler {
  public:
    Handler(std::shared_ptr<Reply> reply, std::shared_ptr<void> asked) : reply_(std::move(reply)), asked_(std::move(asked)) {}

    void HandleResponse(XrdCl::XRootDStatus *status, XrdCl::AnyObject *response) override {
        const std::unique_ptr<XrdCl::XRootDStatus> ended(status);
        const std::unique_ptr<XrdCl::AnyObject> held(response);
        {
            const std::lock_guard<std::mutex> locked(reply_->lock);
            reply_->done = true;
            reply_->answer = judged(*ended);
            XrdCl::StatInfo *info = nullptr;
            if (response) response->Get(info);
            if (info) reply_->version = told(*info);
        }
        reply_->came.notify_all();
        delete this;
    }

  private:
    const std::shared_ptr<Reply> reply_;
    const std::shared_ptr<void> asked_;  // kept while it works
};

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
    const auto reply = std::make_shared<Reply>();
    auto handler = std::make_unique<Handler>(reply, files);
    if (!files->Stat(path, handler.get(), patience_.count()).IsOK()) return Answer::unknown;
    static_cast<void>(handler.release());  // it ends itself with the answer
    if (!reply->within(patience_)) {
        leave(lake);
        return Answer::unknown;
    }
    if (reply->version) version = *reply->version;
    return reply->answer == Answer::there && !reply->version ? Answer::unknown : reply->answer;
}

Answer Origins::served(const Lake &lake, const std::string &path, Version &version) {
    if (lake.protocol == "https") return this->version(lake, path, version);
    if (away(lake)) return Answer::unknown;
    const auto file = std::make_shared<XrdCl::File>();
    const auto reply = std::make_shared<Reply>();
    auto handler = std::make_unique<Handler>(reply, file);
    const std::string where = url(lake, credential()) + "/" + path;
    const auto mode = XrdCl::OpenFlags::Read;
    if (!file->Open(where, mode, XrdCl::Access::None, handler.get(), patience_.count()).IsOK()) return Answer::unknown;
    static_cast<void>(handler.release());  // it ends itself with the answer
    if (!reply->within(patience_)) {
        leave(lake);
        return Answer::unknown;
    }
    if (reply->answer != Answer::there) return reply->answer;
    XrdCl::StatInfo *found = nullptr;
    const bool known = file->Stat(false, found).IsOK();  // it has come with the answer
    const std::unique_ptr<XrdCl::StatInfo> info(found);
    if (known && info) version = told(*info);
    return known && info ? Answer::there : Answer::unknown;
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
