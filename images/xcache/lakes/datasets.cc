#include "datasets.hh"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "json.hh"
#include "parts.hh"

namespace lakes {

namespace {

constexpr std::chrono::seconds kStep{2};
constexpr std::chrono::seconds kHold{60};   // after which pinned files are said to be the last to go again: XRootD
constexpr std::chrono::seconds kHeld{300};  // forgets it when somebody has read one; and for how long they are
constexpr std::chrono::seconds kAway{30};   // after which an origin that did not say what it has is asked again
constexpr int kShare = 5;                   // a round takes no more than one part of so many of the time
constexpr size_t kBatch = 500;              // files that wait with the workers at once
constexpr size_t kMost = 200000;            // files of a dataset

std::string content(const std::string &name) {
    std::ifstream file(name);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool same(const Dataset &one, const Dataset &other) {
    return one.generation == other.generation && one.pinned == other.pinned && one.limit == other.limit &&
           one.paths == other.paths;
}

}  // namespace

std::vector<Dataset> datasets(const std::string &text) {
    std::vector<Dataset> found;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        Dataset one;
        std::string keep, path;
        if (!(words >> one.name >> one.generation >> keep >> one.limit >> path)) continue;
        one.pinned = keep == "pinned";
        if (found.empty() || found.back().name != one.name) found.push_back(one);
        found.back().paths.push_back(path);
    }
    return found;
}

Datasets::Datasets(Settings settings, Staging &staging) : settings_(std::move(settings)), staging_(staging) {
    std::thread([this] { watch(); }).detach();
}

void Datasets::watch() {
    for (;; std::this_thread::sleep_for(kStep)) {
        read();
        for (auto &[name, work] : works_) step(work);
        if (Clock::now() - held_ >= kHold) hold();
        tell();
    }
}

// What is not wanted any more, or is now wanted otherwise, is not brought any further.
void Datasets::read() {
    std::map<std::string, Work> now;
    for (Dataset &one : datasets(content(settings_.file))) {
        const auto known = works_.find(one.name);
        if (known != works_.end() && same(known->second.wanted, one)) {
            now[one.name] = std::move(known->second);
            works_.erase(known);
        } else {
            now[one.name].wanted = std::move(one);
        }
    }
    for (const auto &[name, work] : works_)
        if (!work.request.empty()) staging_.cancel(work.request, person(work));
    works_.swap(now);
}

void Datasets::step(Work &work) {
    if (!work.request.empty()) note(work);
    if (!work.request.empty()) return;
    if (work.next < work.mine.size()) return ask(work);
    if (Clock::now() >= work.due) begin(work);
}

// An origin that does not say what it has ends a round before it begins: what is known is held on to.
void Datasets::begin(Work &work) {
    work.begun = Clock::now();
    work.failed = 0;
    work.problem.clear();
    std::vector<File> files;
    work.sure = true;
    for (const std::string &path : work.wanted.paths)
        if (found(path, files, work.problem) == Answer::unknown) work.sure = false;
    if (work.sure || work.rounds == 0) choose(work, std::move(files));
    if (work.next >= work.mine.size()) end(work);
}

// In the order of their paths as far as the limit goes, which all replicas see alike; of those the ones that are kept here.
void Datasets::choose(Work &work, std::vector<File> found) {
    std::sort(found.begin(), found.end(), [](const File &one, const File &other) { return one.path < other.path; });
    const auto twice = [](const File &one, const File &other) { return one.path == other.path; };
    found.erase(std::unique(found.begin(), found.end(), twice), found.end());
    work.chosen = work.beyond = work.present = {};
    work.mine.clear();
    work.there.clear();
    work.next = 0;
    for (File &file : found) {
        const bool fits = work.chosen.bytes + file.size <= work.wanted.limit;
        (fits ? work.chosen : work.beyond).add(file.size);
        if (!fits || parts->replicas().keeper(file.path)) continue;
        work.there.push_back(parts->freshness().whole(file.path, file.size));
        if (work.there.back()) work.present.add(file.size);
        work.mine.push_back(std::move(file));
    }
}

// Also for those that are there: it is how they are compared with their origin.
void Datasets::ask(Work &work) {
    std::vector<std::string> paths;
    for (size_t at = work.next; at < work.mine.size() && paths.size() < kBatch; ++at) paths.push_back(work.mine[at].path);
    const std::string request = person(work) + "/" + std::to_string(work.number++);
    if (!staging_.want(request, person(work), paths)) return;
    work.request = request;
    work.asked = paths.size();
}

void Datasets::note(Work &work) {
    std::vector<Wanted> files;
    if (!staging_.look(work.request, person(work), files)) files.assign(work.asked, {"", Wanted::State::cancelled, 0});
    bool over = true;
    for (size_t at = 0; at < files.size(); ++at) {
        const auto state = files[at].state;
        over = over && state != Wanted::State::waiting && state != Wanted::State::coming;
        if (state != Wanted::State::there || work.there[work.next + at]) continue;
        work.there[work.next + at] = true;
        work.present.add(work.mine[work.next + at].size);
    }
    if (!over) return;
    for (const Wanted &file : files) {
        if (file.state != Wanted::State::failed) continue;
        ++work.failed;
        if (work.problem.empty()) work.problem = file.path + ": " + std::strerror(file.problem);
    }
    staging_.drop(work.request);
    work.request.clear();
    work.next += files.size();
    if (work.next >= work.mine.size()) end(work);
}

void Datasets::end(Work &work) {
    ++work.rounds;
    const auto now = Clock::now();
    work.due = now + (work.sure ? std::max<Clock::duration>(settings_.round, kShare * (now - work.begun)) : kAway);
}

void Datasets::hold() {
    held_ = Clock::now();
    for (const auto &[name, work] : works_)
        for (size_t at = 0; work.wanted.pinned && at < work.mine.size(); ++at)
            if (work.there[at]) parts->freshness().hold(work.mine[at].path, kHeld);
}

// No person's token has such a subject.
std::string Datasets::person(const Work &work) { return "\ndataset " + work.wanted.name; }

// The file of that path, or all below that directory. Answer::unknown: its origin does not say, or not any more.
Answer Datasets::found(const std::string &path, std::vector<File> &files, std::string &problem) {
    const Place place = parts->place(path.c_str());
    Version version;
    const auto look = [&] { return place.problem ? Answer::missing : parts->origins().look(place.lake, path, version); };
    const Answer answer = look();
    if (answer != Answer::there) {
        if (problem.empty()) problem = path + (answer == Answer::missing ? ": there is no such path" : ": its origin does not say");
        return answer;
    }
    if (!version.directory) {
        files.push_back({path, version.size});
        return answer;
    }
    below(place.lake, path, files, problem);
    return problem.empty() ? answer : look();
}

void Datasets::below(const Lake &lake, const std::string &path, std::vector<File> &files, std::string &problem) {
    const auto wrong = [&](const std::string &where, const char *why) {
        if (problem.empty()) problem = where + ": " + why;
    };
    std::vector<std::string> folders{path};
    while (!folders.empty()) {
        const std::string folder = folders.back();
        folders.pop_back();
        std::vector<Origins::Entry> entries;
        if (parts->origins().list(lake, folder, entries) != Answer::there) wrong(folder, "it cannot be listed");
        for (const auto &one : entries) {
            const std::string there = folder + "/" + one.name;
            if (parts->place(there.c_str()).problem) wrong(there, "no such path can be cached");
            else if (one.directory) folders.push_back(there);
            else if (files.size() < kMost) files.push_back({there, one.size});
            else return wrong(path, "more than 200,000 files");
        }
    }
}

void Datasets::tell() const {
    std::string text = "[";
    for (const auto &[name, work] : works_) {
        text += text.back() == '[' ? "{" : ",{";
        text += "\"name\":" + quoted(name) + ",\"problem\":" + quoted(work.problem);
        const std::pair<const char *, long long> numbers[] = {
            {"generation", work.wanted.generation}, {"rounds", work.rounds},
            {"files", work.chosen.files},           {"bytes", work.chosen.bytes},
            {"beyond", work.beyond.files},          {"presentFiles", work.present.files},
            {"presentBytes", work.present.bytes},   {"failed", work.failed},
        };
        for (const auto &[what, number] : numbers) text += std::string(",\"") + what + "\":" + std::to_string(number);
        text += "}";
    }
    text += "]\n";
    if (text == last_) return;
    const std::string partial = settings_.told + ".new";
    std::ofstream(partial) << text;
    if (std::rename(partial.c_str(), settings_.told.c_str()) == 0) last_ = text;
}

}  // namespace lakes
