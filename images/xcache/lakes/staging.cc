#include "staging.hh"

#include <algorithm>
#include <thread>

namespace lakes {

Staging::Staging(Bring bring, unsigned workers) : bring_(std::move(bring)) {
    for (unsigned one = 0; one < workers; ++one) std::thread([this] { work(); }).detach();
}

bool Staging::want(const std::string &request, const std::string &person, const std::vector<std::string> &paths) {
    const std::lock_guard<std::mutex> held(lock_);
    if (open(person) + paths.size() > kMost) return false;
    if (files_ + paths.size() > kRemembered) forget();
    Request &made = requests_[request];
    made.person = person;
    for (const std::string &path : paths) {
        waiting_[person].emplace_back(request, made.files.size());
        made.files.push_back({path, Wanted::State::waiting, 0});
    }
    made.open = paths.size();
    order_.push_back(request);
    files_ += paths.size();
    more_.notify_all();
    return true;
}

bool Staging::cancel(const std::string &request, const std::string &person) {
    const std::lock_guard<std::mutex> held(lock_);
    Request *found = of(request, person);
    if (!found) return false;
    found->cancelled = true;
    for (Wanted &file : found->files)
        if (file.state == Wanted::State::waiting) end(*found, file, Wanted::State::cancelled);
    return true;
}

bool Staging::look(const std::string &request, const std::string &person, std::vector<Wanted> &files) {
    const std::lock_guard<std::mutex> held(lock_);
    const Request *found = of(request, person);
    if (found) files = found->files;
    return found != nullptr;
}

void Staging::drop(const std::string &request) {
    const std::lock_guard<std::mutex> held(lock_);
    const auto found = requests_.find(request);
    if (found == requests_.end() || found->second.open > 0) return;
    files_ -= found->second.files.size();
    order_.erase(std::find(order_.begin(), order_.end(), request));
    requests_.erase(found);
}

Staging::Request *Staging::of(const std::string &request, const std::string &person) {
    const auto found = requests_.find(request);
    return found != requests_.end() && found->second.person == person ? &found->second : nullptr;
}

size_t Staging::open(const std::string &person) const {
    size_t sum = 0;
    for (const auto &[name, request] : requests_)
        if (request.person == person) sum += request.open;
    return sum;
}

void Staging::work() {
    std::unique_lock<std::mutex> held(lock_);
    for (;;) bring(next(held), held);
}

// Of the person whose turn it is, by their names' order, the file that waits longest.
Staging::Place Staging::next(std::unique_lock<std::mutex> &held) {
    more_.wait(held, [this] { return !waiting_.empty(); });
    auto whose = waiting_.upper_bound(served_);
    if (whose == waiting_.end()) whose = waiting_.begin();
    served_ = whose->first;
    const Place place = whose->second.front();
    whose->second.pop_front();
    if (whose->second.empty()) waiting_.erase(whose);
    return place;
}

void Staging::bring(const Place &place, std::unique_lock<std::mutex> &held) {
    const auto found = requests_.find(place.first);
    if (found == requests_.end()) return;  // cancelled and forgotten since
    Request &request = found->second;      // stays while one of its files is open
    if (request.files[place.second].state != Wanted::State::waiting) return;
    request.files[place.second].state = Wanted::State::coming;
    const std::string path = request.files[place.second].path;
    held.unlock();
    const int problem = bring_(path, [&] {
        const std::lock_guard<std::mutex> again(lock_);
        return request.cancelled;
    });
    held.lock();
    Wanted &file = request.files[place.second];
    file.problem = problem;
    const auto ended = problem ? Wanted::State::failed : Wanted::State::there;
    end(request, file, request.cancelled ? Wanted::State::cancelled : ended);
}

void Staging::end(Request &request, Wanted &file, Wanted::State state) {
    file.state = state;
    --request.open;
}

// The requests that are over; somebody who has not looked yet learns that there is no such request, and asks anew.
void Staging::forget() {
    std::deque<std::string> kept;
    for (const std::string &name : order_) {
        const auto found = requests_.find(name);
        if (found->second.open > 0) {
            kept.push_back(name);
            continue;
        }
        files_ -= found->second.files.size();
        requests_.erase(found);
    }
    order_.swap(kept);
}

}  // namespace lakes
