#include "https.hh"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>

#include "paths.hh"

namespace lakes {

namespace {

constexpr size_t kIdle = 16;

std::string token() {
    const char *name = std::getenv("BEARER_TOKEN_FILE");
    std::ifstream file(name ? name : "");
    std::string found;
    file >> found;
    return found;
}

// Who asks: the robot by its certificate (a proxy, so one file has it with its key), the cache by its token.
void show(CURL *handle, const Lake &lake) {
    const char *proxy = std::getenv("XRD_HTTPCLIENTCERTFILE");
    if (lake.robot && proxy) {
        curl_easy_setopt(handle, CURLOPT_SSLCERT, proxy);
        curl_easy_setopt(handle, CURLOPT_SSLKEY, proxy);
    }
    if (lake.robot) return;
    curl_easy_setopt(handle, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(handle, CURLOPT_XOAUTH2_BEARER, token().c_str());
}

// What the header line says, if it has this name (in small letters, with its colon).
std::optional<std::string> said(const std::string &line, const char *name) {
    const size_t length = std::strlen(name);
    if (line.size() < length) return std::nullopt;
    std::string start = line.substr(0, length);
    std::transform(start.begin(), start.end(), start.begin(), [](unsigned char c) { return std::tolower(c); });
    return start == name ? std::optional<std::string>(line.substr(length)) : std::nullopt;
}

Answer judged(long status) {
    if (status == 200) return Answer::there;
    return status == 404 || status == 410 ? Answer::missing : Answer::unknown;
}

}  // namespace

Https::Https() { curl_global_init(CURL_GLOBAL_DEFAULT); }

void Https::Closed::operator()(void *handle) const { curl_easy_cleanup(handle); }

// An answer as it comes; the lines of a redirect go with the next status line.
struct Https::Told {
    long status = 0;
    curl_off_t size = -1, changed = -1;
    std::string tag, bytes;

    static size_t header(char *text, size_t, size_t length, void *to) {
        const std::string line(text, length);
        auto &told = *static_cast<Told *>(to);
        if (line.rfind("HTTP/", 0) == 0) {
            told.tag.clear();
            told.status = std::strtol(line.c_str() + std::min(line.find(' '), length - 1), nullptr, 10);
        }
        if (const auto tag = said(line, "etag:"))
            for (const char c : *tag)
                if (c > ' ' && c != '"' && told.tag.size() < 200) told.tag += c;
        long long whole = 0;
        if (const auto range = said(line, "content-range:"))
            if (std::sscanf(range->c_str(), " bytes 0-%*d/%lld", &whole) == 1) told.size = whole;
        return length;
    }

    // Nothing but the part that was asked for; who has no parts sends all of it, which ends here.
    static size_t body(char *data, size_t, size_t length, void *to) {
        auto &told = *static_cast<Told *>(to);
        if (told.status == 200 || told.bytes.size() + length > Beginning::kMost) return 0;
        if (told.status == 206) told.bytes.append(data, length);
        return length;
    }

    Version version() const {
        return {false, static_cast<long long>(size), static_cast<std::time_t>(std::max<curl_off_t>(changed, 0)), tag};
    }
};

Answer Https::head(const Lake &lake, const std::string &path, long seconds, Version &version, bool &away) {
    Told told;
    away = !exchange(told, lake, path, seconds, false);
    if (away) return Answer::unknown;
    if (judged(told.status) == Answer::there && told.size < 0) return Answer::unknown;
    version = told.version();
    return judged(told.status);
}

Answer Https::begin(const Lake &lake, const std::string &path, long seconds, Version &version, std::string &bytes,
                    bool &away, bool &bare) {
    Told told;
    const bool whole = exchange(told, lake, path, seconds, true);
    away = told.status == 0;
    if (whole && told.status != 206) return judged(told.status) == Answer::missing ? Answer::missing : Answer::unknown;
    const auto expected = std::min(static_cast<curl_off_t>(Beginning::kMost), told.size);
    bare = !away && (!whole || static_cast<curl_off_t>(told.bytes.size()) != expected);
    if (away || bare) return Answer::unknown;
    version = told.version();
    bytes = std::move(told.bytes);
    return Answer::there;
}

// One request and its answer; false if that did not come, or not to its end.
bool Https::exchange(Told &told, const Lake &lake, const std::string &path, long seconds, bool begin) {
    Handle handle = take();
    const std::string where = url(lake, "", path), part = "0-" + std::to_string(Beginning::kMost - 1);
    curl_easy_setopt(handle.get(), CURLOPT_URL, where.c_str());
    curl_easy_setopt(handle.get(), CURLOPT_PATH_AS_IS, 1L);
    if (begin) curl_easy_setopt(handle.get(), CURLOPT_RANGE, part.c_str());
    if (!begin) curl_easy_setopt(handle.get(), CURLOPT_NOBODY, 1L);
    curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT, seconds);
    curl_easy_setopt(handle.get(), CURLOPT_FILETIME, 1L);
    curl_easy_setopt(handle.get(), CURLOPT_FOLLOWLOCATION, 1L);  // to other hosts without the token
    curl_easy_setopt(handle.get(), CURLOPT_MAXREDIRS, 3L);
    curl_easy_setopt(handle.get(), CURLOPT_PROTOCOLS_STR, "https");
    show(handle.get(), lake);
    curl_easy_setopt(handle.get(), CURLOPT_HEADERFUNCTION, Told::header);
    curl_easy_setopt(handle.get(), CURLOPT_HEADERDATA, &told);
    curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, Told::body);
    curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &told);
    if (const char *trust = std::getenv("X509_CERT_FILE")) curl_easy_setopt(handle.get(), CURLOPT_CAINFO, trust);
    if (curl_easy_perform(handle.get()) != CURLE_OK) return false;  // and its connection goes with it
    curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &told.status);
    if (!begin) curl_easy_getinfo(handle.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &told.size);
    curl_easy_getinfo(handle.get(), CURLINFO_FILETIME_T, &told.changed);
    give(std::move(handle));
    return true;
}

Https::Handle Https::take() {
    const std::lock_guard<std::mutex> held(lock_);
    if (idle_.empty()) return Handle(curl_easy_init());
    Handle handle = std::move(idle_.back());
    idle_.pop_back();
    return handle;
}

void Https::give(Handle handle) {
    curl_easy_reset(handle.get());  // keeps the connection, and forgets the token
    const std::lock_guard<std::mutex> held(lock_);
    if (idle_.size() < kIdle) idle_.push_back(std::move(handle));
}

}  // namespace lakes
