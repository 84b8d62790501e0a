#include "reach.hh"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace lakes {

namespace {

constexpr std::chrono::seconds kGood{5};
constexpr int kPatience = 2000;  // milliseconds

bool answers(int handle, const addrinfo &address) {
    if (connect(handle, address.ai_addr, address.ai_addrlen) == 0) return true;
    if (errno != EINPROGRESS) return false;
    pollfd waited{handle, POLLOUT, 0};
    int problem = 0;
    socklen_t length = sizeof problem;
    return poll(&waited, 1, kPatience) == 1 && getsockopt(handle, SOL_SOCKET, SO_ERROR, &problem, &length) == 0 &&
           problem == 0;
}

}  // namespace

class Reach::Connection {
  public:
    explicit Connection(const addrinfo &address)
        : handle_(socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address.ai_protocol)),
          made_(handle_ >= 0 && answers(handle_, address)) {}
    ~Connection() {
        if (handle_ >= 0) close(handle_);
    }
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;

    // A server says nothing before its client does: what can be read is the end.
    bool lasts() const {
        pollfd ended{handle_, POLLIN, 0};
        return made_ && poll(&ended, 1, 0) == 0;
    }

  private:
    const int handle_;
    const bool made_;
};

Reach::Reach() = default;
Reach::~Reach() = default;

std::unique_ptr<Reach::Connection> Reach::connected(const std::string &server) {
    const size_t colon = server.rfind(':');
    addrinfo wanted{}, *found = nullptr;
    wanted.ai_socktype = SOCK_STREAM;
    std::string host = server.substr(0, colon);
    if (host.size() > 1 && host.front() == '[') host = host.substr(1, host.size() - 2);
    if (getaddrinfo(host.c_str(), server.substr(colon + 1).c_str(), &wanted, &found) != 0) return nullptr;
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> held(found, freeaddrinfo);
    for (const addrinfo *one = found; one; one = one->ai_next)
        if (auto made = std::make_unique<Connection>(*one); made->lasts()) return made;
    return nullptr;
}

bool Reach::there(const std::string &server) {
    const std::lock_guard<std::mutex> held(lock_);
    const auto [at, made] = known_.try_emplace(server);
    Known &known = at->second;
    const bool ended = known.connection && !known.connection->lasts();
    if (made || ended || Clock::now() - known.looked > kGood) {
        known.connection = connected(server);
        known.looked = Clock::now();
    }
    return known.connection != nullptr;
}

}  // namespace lakes
