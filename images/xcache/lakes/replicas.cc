#include "replicas.hh"

#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

#include "XrdSys/XrdSysError.hh"

namespace lakes {

namespace {

constexpr std::chrono::seconds kRound{1};
constexpr std::chrono::milliseconds kFirst{50};
constexpr int kFirsts = 20;

size_t score(const std::string &replica, const std::string &path) { return std::hash<std::string>{}(replica + ' ' + path); }

}  // namespace

Replicas::Replicas(std::string file, std::string here, XrdSysError &log)
    : file_(std::move(file)), here_(std::move(here)), log_(log) {
    if (here_.empty()) return;
    look();  // before anybody is served
    for (int tries = 0; tries < kFirsts && there_->size() < others_.size(); ++tries) {
        std::this_thread::sleep_for(kFirst);
        look();
    }
    std::thread([this] { watch(); }).detach();
}

std::optional<std::string> Replicas::keeper(const std::string &path, const std::set<std::string> &without) const {
    const auto there = this->there();
    const std::string *best = &here_;
    size_t most = score(here_, path);
    for (const std::string &one : *there) {
        if (without.count(host(one))) continue;
        const size_t its = score(one, path);
        if (its > most) best = &one, most = its;
    }
    return best == &here_ ? std::nullopt : std::optional<std::string>(*best);
}

bool Replicas::there(const std::string &server) const { return there()->count(server) > 0; }

std::shared_ptr<const Replicas::Servers> Replicas::there() const {
    const std::lock_guard<std::mutex> held(lock_);
    return there_;
}

void Replicas::watch() {
    for (;;) {
        std::this_thread::sleep_for(kRound);
        look();
    }
}

void Replicas::look() {
    std::ifstream file(file_);
    auto there = std::make_shared<Servers>();
    Servers named;
    for (std::string one; file >> one;)
        if (one != here_) named.insert(one);
    for (auto at = others_.begin(); at != others_.end();) at = named.count(at->first) ? std::next(at) : others_.erase(at);
    for (const std::string &one : named) {
        auto &pulse = others_[one];
        if (!pulse) pulse = std::make_unique<Pulse>(one);
        pulse->ask();
        if (pulse->beats()) there->insert(one);
    }
    tell(*there);
    const std::lock_guard<std::mutex> held(lock_);
    there_ = there;
}

void Replicas::tell(const Servers &there) {
    for (const auto &[one, pulse] : others_) {
        const bool before = there_->count(one), now = there.count(one);
        if (before != now) log_.Say("lakes: replica ", one.c_str(), now ? " answers" : " does not answer: others keep its files for now");
    }
}

std::string host(const std::string &server) { return server.substr(0, server.rfind(':')); }

}  // namespace lakes
