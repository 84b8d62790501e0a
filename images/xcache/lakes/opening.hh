// Opening a file of a lake elsewhere than on this cache's disk, with the cache's own token.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "reply.hh"
#include "table.hh"

namespace XrdCl {
class File;
}

namespace lakes {

// The answer to an open that has `seconds`, of where `lake` says. Nothing if it could not be asked.
std::shared_ptr<Reply> opening(const std::shared_ptr<XrdCl::File> &file, const Lake &lake, const std::string &path,
                               uint16_t seconds);

// What came with the open; nothing if it failed.
std::unique_ptr<XrdCl::StatInfo> told(XrdCl::File &file);

}  // namespace lakes
