#include "beginning.hh"

#include <atomic>
#include <cstring>
#include <utility>

namespace lakes {

namespace {

constexpr size_t kRoom = 64 * Beginning::kMost;
std::atomic<size_t> used{0};
thread_local std::shared_ptr<Beginning> handed;

}  // namespace

bool Beginning::room() { return used < kRoom; }

Beginning::Beginning(Version version, std::string bytes) : version_(std::move(version)), bytes_(std::move(bytes)) {
    used += bytes_.size();
}

Beginning::~Beginning() { drop(); }

bool Beginning::copied(uint64_t offset, uint32_t size, void *buffer) {
    const std::lock_guard<std::mutex> held(lock_);
    if (offset + size > bytes_.size()) return false;
    std::memcpy(buffer, bytes_.data() + offset, size);
    if (offset + size == bytes_.size()) drop();
    return true;
}

void Beginning::drop() {
    used -= bytes_.size();
    std::string().swap(bytes_);
}

Handed::Handed(std::shared_ptr<Beginning> beginning) { handed = std::move(beginning); }

Handed::~Handed() { handed.reset(); }

std::shared_ptr<Beginning> Handed::take() { return std::exchange(handed, nullptr); }

}  // namespace lakes
