#include "https.hh"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>

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

// Header lines of the answer as they come; those of a redirect go with the next status line.
size_t header(char *text, size_t, size_t length, void *tag) {
    std::string line(text, length);
    auto &found = *static_cast<std::string *>(tag);
    if (line.rfind("HTTP/", 0) == 0) found.clear();
    std::string name = line.substr(0, 5);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    if (name != "etag:") return length;
    for (const char c : line.substr(5))
        if (c > ' ' && c != '"' && found.size() < 200) found += c;
    return length;
}

Answer judged(long status) {
    if (status == 200) return Answer::there;
    return status == 404 || status == 410 ? Answer::missing : Answer::unknown;
}

}  // namespace

Https::Https() { curl_global_init(CURL_GLOBAL_DEFAULT); }

void Https::Closed::operator()(void *handle) const { curl_easy_cleanup(handle); }

Answer Https::head(const Lake &lake, const std::string &path, long seconds, Version &version, bool &away) {
    Handle handle = take();
    const std::string url = "https://" + lake.host + path, bearer = token();
    std::string tag;
    curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle.get(), CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(handle.get(), CURLOPT_NOBODY, 1L);
    curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT, seconds);
    curl_easy_setopt(handle.get(), CURLOPT_FILETIME, 1L);
    curl_easy_setopt(handle.get(), CURLOPT_FOLLOWLOCATION, 1L);  // to other hosts without the token
    curl_easy_setopt(handle.get(), CURLOPT_MAXREDIRS, 3L);
    curl_easy_setopt(handle.get(), CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(handle.get(), CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(handle.get(), CURLOPT_XOAUTH2_BEARER, bearer.c_str());
    curl_easy_setopt(handle.get(), CURLOPT_HEADERFUNCTION, header);
    curl_easy_setopt(handle.get(), CURLOPT_HEADERDATA, &tag);
    if (const char *trust = std::getenv("X509_CERT_FILE")) curl_easy_setopt(handle.get(), CURLOPT_CAINFO, trust);
    away = curl_easy_perform(handle.get()) != CURLE_OK;
    if (away) return Answer::unknown;  // and its connection goes with it
    long status = 0;
    curl_off_t size = -1, changed = -1;
    curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(handle.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    curl_easy_getinfo(handle.get(), CURLINFO_FILETIME_T, &changed);
    give(std::move(handle));
    if (judged(status) == Answer::there && size < 0) return Answer::unknown;
    version = {false, static_cast<long long>(size), static_cast<std::time_t>(changed > 0 ? changed : 0), tag};
    return judged(status);
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
