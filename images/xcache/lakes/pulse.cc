#include "pulse.hh"

#include <atomic>
#include <chrono>

#include "XrdCl/XrdClFileSystem.hh"
#include "XrdCl/XrdClXRootDResponses.hh"

namespace lakes {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kGood{3};
constexpr uint16_t kPatience = 3;  // seconds

}  // namespace

// Outlives who asked: an answer may come when nobody waits any more.
struct Pulse::Beat {
    std::atomic<bool> asked{false};
    std::atomic<Clock::time_point> answered{Clock::time_point::min()};

    class Handler : public XrdCl::ResponseHandler {
      public:
        Handler(std::shared_ptr<Beat> beat, std::shared_ptr<void> server) : beat_(std::move(beat)), server_(std::move(server)) {}

        void HandleResponse(XrdCl::XRootDStatus *status, XrdCl::AnyObject *response) override {
            const std::unique_ptr<XrdCl::XRootDStatus> ended(status);
            const std::unique_ptr<XrdCl::AnyObject> held(response);
            if (ended->IsOK()) beat_->answered = Clock::now();
            beat_->asked = false;
            delete this;
        }

      private:
        const std::shared_ptr<Beat> beat_;
        const std::shared_ptr<void> server_;  // kept while it works
    };
};

Pulse::Pulse(const std::string &server)
    : server_(std::make_shared<XrdCl::FileSystem>(XrdCl::URL("root://pulse@" + server))), beat_(std::make_shared<Beat>()) {}

Pulse::~Pulse() = default;

void Pulse::ask() {
    if (beat_->asked.exchange(true)) return;
    auto handler = std::make_unique<Beat::Handler>(beat_, server_);
    if (server_->Ping(handler.get(), kPatience).IsOK()) static_cast<void>(handler.release());  // it ends itself
    else beat_->asked = false;
}

bool Pulse::beats() const {
    const auto answered = beat_->answered.load();
    return answered != Clock::time_point::min() && Clock::now() - answered <= kGood;
}

}  // namespace lakes
