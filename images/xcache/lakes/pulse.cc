#include "pulse.hh"

#include "XrdCl/XrdClFileSystem.hh"

namespace lakes {

namespace {

constexpr std::chrono::seconds kGood{3};
constexpr uint16_t kPatience = 3;  // seconds

}  // namespace

Pulse::Pulse(const std::string &server)
    : server_(std::make_shared<XrdCl::FileSystem>(XrdCl::URL("root://pulse@" + server))) {}

Pulse::~Pulse() = default;

void Pulse::ask() {
    if (reply_ && !reply_->within(std::chrono::seconds(0))) return;
    if (reply_ && reply_->status.IsOK()) answered_ = asked_;
    asked_ = Clock::now();
    reply_ = Reply::to([this](XrdCl::ResponseHandler *handler) { return server_->Ping(handler, kPatience); }, server_);
}

bool Pulse::beats() const { return answered_ && Clock::now() - *answered_ <= kGood; }

}  // namespace lakes
