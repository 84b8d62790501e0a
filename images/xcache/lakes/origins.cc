#include "origins.hh"

#include <sys/stat.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "XProtocol/XProtocol.hh"
#include "XrdCl/XrdClFileSystem.hh"
#include "XrdCl/XrdClXRootDResponses.hh"
#include "paths.hh"

namespace lakes {

namespace {

Answer judged(const XrdCl::XRootDStatus &status) {
    if (status.IsOK()) return Answer::there;
    const bool missing = status.code == XrdCl::errNotFound ||
                         (status.code == XrdCl::errErrorResponse && status.errNo == kXR_NotFound);
    return missing ? Answer::missing : Answer::unknown;
}

}  // namespace

bool same(const Version &one, const Version &other) {
    if (one.directory != other.directory || one.size != other.size) return false;
    if (one.changed && other.changed && one.changed != other.changed) return false;
    return one.tag.empty() || other.tag.empty() || one.tag == other.tag;
}

Version completed(Version version, const Version &other) {
    if (!version.changed) version.changed = other.changed;
    if (version.tag.empty()) version.tag = other.tag;
    return version;
}

std::string credential() {
    const char *file = std::getenv("BEARER_TOKEN_FILE");
    struct stat token {};
    if (!file || stat(file, &token) != 0) return "cache";
    char name[64];
    std::snprintf(name, sizeof name, "c%llx.%llx.%lx", static_cast<unsigned long long>(token.st_ino),
                  static_cast<unsigned long long>(token.st_mtim.tv_sec), token.st_mtim.tv_nsec);
    return name;
}

// Outlives whoever waits for it: an answer may come when nobody does any more.
struct Origins::Reply {
    class Handler : public XrdCl::ResponseHandler {
      public:
        Handler(std::shared_ptr<Reply> reply, std::shared_ptr<XrdCl::FileSystem> files)
            : reply_(std::move(reply)), files_(std::move(files)) {}

        void HandleResponse(XrdCl::XRootDStatus *status, XrdCl::AnyObject *response) override {
            {
                const std::lock_guard<std::mutex> locked(reply_->lock);
                reply_->status.reset(status);
                reply_->response.reset(response);
            }
            reply_->came.notify_all();
            delete this;
        }

      private:
        const std::shared_ptr<Reply> reply_;
        const std::shared_ptr<XrdCl::FileSystem> files_;  // kept while it works
    };

    // What it says, if it is of that kind; its own.
    template <typename Kind>
    const Kind *said() const {
        Kind *found = nullptr;
        if (response) response->Get(found);
        return found;
    }

    std::mutex lock;
    std::condition_variable came;
    std::unique_ptr<XrdCl::XRootDStatus> status;
    std::unique_ptr<XrdCl::AnyObject> response;
};

Answer Origins::ask(const Lake &lake, const std::string &path, Version &version) {
    const auto files = client(lake);
    if (!files) return Answer::unknown;
    const std::time_t begin = std::time(nullptr);
    const auto reply = answer(lake, files, [&](XrdCl::ResponseHandler *handler) {
        return files->Stat(path, handler, patience_.count());
    });
    if (!reply) return Answer::unknown;
    const Answer found = judged(*reply->status);
    const auto *info = reply->said<XrdCl::StatInfo>();
    if (found != Answer::there) return found;
    if (!info) return Answer::unknown;
    version = {info->TestFlags(XrdCl::StatInfo::IsDir), static_cast<long long>(info->GetSize()),
               static_cast<std::time_t>(info->GetModTime()), {}};
    // XRootD's http client says the time of asking where a server told it none
    if (lake.protocol == "https" && version.changed >= begin - 1 && version.changed <= std::time(nullptr) + 1) {
        version.changed = 0;
        version.tag = tag(lake, files, path);
    }
    return found;
}

// One word; empty where there is none.
std::string Origins::tag(const Lake &lake, const std::shared_ptr<XrdCl::FileSystem> &files, const std::string &path) {
    XrdCl::Buffer asked;
    asked.FromString(url(lake, credential()) + path);
    const auto reply = answer(lake, files, [&](XrdCl::ResponseHandler *handler) {
        return files->Query(XrdCl::QueryCode::XAttr, asked, handler, patience_.count());
    });
    const auto *buffer = reply && reply->status->IsOK() ? reply->said<XrdCl::Buffer>() : nullptr;
    std::string found = buffer ? buffer->ToString() : "";
    std::replace_if(found.begin(), found.end(), [](char c) { return c <= ' '; }, '_');
    return found.substr(0, 200);
}

// Nothing when it cannot be asked, or does not answer in time.
std::shared_ptr<Origins::Reply> Origins::answer(const Lake &lake, std::shared_ptr<XrdCl::FileSystem> files,
                                                const Request &request) {
    const auto reply = std::make_shared<Reply>();
    auto handler = std::make_unique<Reply::Handler>(reply, std::move(files));
    if (!request(handler.get()).IsOK()) return nullptr;
    static_cast<void>(handler.release());  // it ends itself with the answer
    std::unique_lock<std::mutex> locked(reply->lock);
    if (reply->came.wait_for(locked, patience_, [&] { return reply->status != nullptr; })) return reply;
    leave(lake);
    return nullptr;
}

// Nobody, while the origin is given time to come back.
std::shared_ptr<XrdCl::FileSystem> Origins::client(const Lake &lake) {
    const std::lock_guard<std::mutex> held(lock_);
    Client &known = clients_[lake.protocol + "://" + lake.host];
    if (Clock::now() < known.away) return nullptr;
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
