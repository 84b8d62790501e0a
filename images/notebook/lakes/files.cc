#include "files.hh"

#include "where.hh"

namespace lakes {

namespace {

constexpr size_t kMost = 8;  // clients that are kept: of a few logins, at the cache and elsewhere

// Of a question that begins with a path: `path`, `path?options`. Others have none.
std::string path(XrdCl::QueryCode::Code code, const XrdCl::Buffer &what) {
    if (code != XrdCl::QueryCode::Checksum && code != XrdCl::QueryCode::OpaqueFile) return {};
    const std::string text(what.GetBuffer(), what.GetSize());
    return text.substr(0, text.find_first_of("?\n\0", 0, 3));
}

}  // namespace

XrdCl::XRootDStatus Files::Query(XrdCl::QueryCode::Code code, const XrdCl::Buffer &what, XrdCl::ResponseHandler *handler,
                                 time_t timeout) {
    const std::string of = path(code, what);
    return (of.empty() ? changes({}) : looks(of))->Query(code, what, handler, timeout);
}

bool Files::SetProperty(const std::string &name, const std::string &value) {
    const std::lock_guard<std::mutex> held(lock_);
    properties_[name] = value;
    bool known = true;
    for (const auto &[url, client] : clients_) known = client->SetProperty(name, value) && known;
    return known;
}

bool Files::GetProperty(const std::string &name, std::string &value) const {
    const std::lock_guard<std::mutex> held(lock_);
    const auto found = properties_.find(name);
    if (found != properties_.end()) value = found->second;
    return found != properties_.end();
}

Files::Client Files::looks(const std::string &path) { return at(Where::instance().host(named_, path)); }

Files::Client Files::changes(const std::string &path) { return at(Where::instance().itself(named_, path)); }

Files::Client Files::at(const std::string &url) {
    const std::lock_guard<std::mutex> held(lock_);
    Client &known = clients_[url];
    if (known) return known;
    const Client made = known = std::make_shared<XrdCl::FileSystem>(XrdCl::URL(url), false);
    for (const auto &[name, value] : properties_) made->SetProperty(name, value);
    if (clients_.size() > kMost)
        for (auto one = clients_.begin(); one != clients_.end();)
            one = one->first == url ? std::next(one) : clients_.erase(one);
    return made;
}

}  // namespace lakes
