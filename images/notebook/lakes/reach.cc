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

bool answers(const addrinfo &address) {
    const int handle = socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address.ai_protocol);
    if (handle < 0) return false;
    bool done = connect(handle, address.ai_addr, address.ai_addrlen) == 0;
    if (!done && errno == EINPROGRESS) {
        pollfd waited{handle, POLLOUT, 0};
        int problem = 0;
        socklen_t length = sizeof problem;
        done = poll(&waited, 1, kPatience) == 1 &&
               getsockopt(handle, SOL_SOCKET, SO_ERROR, &problem, &length) == 0 && problem == 0;
    }
    close(handle);
    return done;
}

bool listens(const std::string &server) {
    const size_t colon = server.rfind(':');
    addrinfo wanted{}, *found = nullptr;
    wanted.ai_socktype = SOCK_STREAM;
    std::string host = server.substr(0, colon);
    if (host.size() > 1 && host.front() == '[') host = host.substr(1, host.size() - 2);
    if (getaddrinfo(host.c_str(), server.substr(colon + 1).c_str(), &wanted, &found) != 0) return false;
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> held(found, freeaddrinfo);
    for (const addrinfo *one = found; one; one = one->ai_next)
        if (answers(*one)) return true;
    return false;
}

}  // namespace

bool Reach::there(const std::string &server) {
    const std::lock_guard<std::mutex> held(lock_);
    const auto [at, made] = known_.try_emplace(server);
    Known &known = at->second;
    if (made || Clock::now() - known.looked > kGood) {
        known.there = listens(server);
        known.looked = Clock::now();
    }
    return known.there;
}

}  // namespace lakes
