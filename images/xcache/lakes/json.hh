// Texts for JSON.

#pragma once

#include <string>

namespace lakes {

// As a JSON string, without control characters; paths are of plain characters already (paths.hh), other texts are not.
inline std::string quoted(const std::string &text) {
    std::string made = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') made += '\\';
        if (static_cast<unsigned char>(c) >= ' ') made += c;
    }
    return made + '"';
}

}  // namespace lakes
