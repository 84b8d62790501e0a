// What a file says, read again whenever it changes: the operator writes such files anew while people read.

#pragma once

#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "XrdSys/XrdSysError.hh"

namespace lakes {

template <class What>
class Watched {
  public:
    // What a text says. Nothing, and `problem` says why, when it is not to be understood.
    using Parse = std::optional<What> (*)(const std::string &text, std::string &problem);

    Watched(std::string file, Parse parse, XrdSysError &log) : file_(std::move(file)), parse_(parse), log_(log) {}

    // What the file says, at most a second ago. A file that is missing or wrong changes nothing, and is logged once.
    std::shared_ptr<const What> now() {
        const std::lock_guard<std::mutex> held(lock_);
        const auto time = Clock::now();
        if (looked_ == Clock::time_point{} || time - looked_ >= std::chrono::seconds(1)) {
            looked_ = time;
            read();
        }
        return said_;
    }

  private:
    using Clock = std::chrono::steady_clock;

    // By its content, not by its time: a ConfigMap is changed by turning a symbolic link.
    void read() {
        std::ifstream file(file_);
        const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        if (file.is_open() && read_ && text == text_) return;
        std::string problem = "cannot be read";
        const auto found = file.is_open() ? parse_(text, problem) : std::nullopt;
        if (found) {
            log_.Say("lakes: ", file_.c_str(), read_ ? " is read again" : " is read");
            said_ = std::make_shared<What>(*found);
            text_ = text;
            read_ = true;
            problem_.clear();
        } else if (problem != problem_) {
            log_.Emsg("lakes", file_.c_str(), problem.c_str(), "- what it said before goes on");
            problem_ = problem;
        }
    }

    const std::string file_;
    const Parse parse_;
    XrdSysError &log_;
    std::mutex lock_;
    std::shared_ptr<const What> said_ = std::make_shared<What>();
    Clock::time_point looked_{};
    bool read_ = false;
    std::string text_, problem_;
};

}  // namespace lakes
