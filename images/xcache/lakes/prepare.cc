// Prepare plug-in of a cache (XRootD: `ofs.preplib`): `xrdfs … prepare -s` brings files into the cache ahead of need,
// `xrdfs … query prepare` tells how far they are: in the JSON that EOS and CTA answer with, which gfal2 and FTS read, and
// with a word of the WLCG Tape REST API for the state of each file.
//
// XRootD has asked by then whether the person may read each path. A request is its person's alone.

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "XrdOfs/XrdOfsPrepare.hh"
#include "XrdOss/XrdOss.hh"
#include "XrdOuc/XrdOucBuffer.hh"
#include "XrdOuc/XrdOucEnv.hh"
#include "XrdOuc/XrdOucErrInfo.hh"
#include "XrdOuc/XrdOucIOVec.hh"
#include "XrdOuc/XrdOucTList.hh"
#include "XrdSec/XrdSecEntity.hh"
#include "XrdSfs/XrdSfsInterface.hh"
#include "XrdSys/XrdSysError.hh"
#include "XrdVersion.hh"
#include "datasets.hh"
#include "json.hh"
#include "parts.hh"
#include "staging.hh"

namespace lakes {

namespace {

constexpr size_t kPiece = 8 << 20;  // several of the cache's blocks, which it asks its origin for at once
constexpr off_t kBlock = 1 << 20;   // pfc.blocksize
constexpr int kBlocks = 32;

// Bytes of the file from `at` on, read through the cache, which keeps what comes; how many, or -errno.
ssize_t piece(XrdOssDF &file, off_t at) {
    static thread_local std::vector<char> buffer(kPiece);
    return file.Read(buffer.data(), at, kPiece);
}

// The same at another replica, which is asked for a byte of each block: the others need not come here.
ssize_t touch(XrdOssDF &file, off_t at, off_t size) {
    char byte = 0;
    std::vector<XrdOucIOVec> blocks;
    for (off_t one = at; one < size && blocks.size() < kBlocks; one += kBlock)
        blocks.push_back({one, 1, static_cast<int>(blocks.size()), &byte});
    const ssize_t got = file.ReadV(blocks.data(), static_cast<int>(blocks.size()));
    return got < 0 ? got : static_cast<ssize_t>(blocks.size()) * kBlock;
}

int bring(XrdOssDF &file, const std::string &path, const std::function<bool()> &stopped) {
    struct stat found {};
    const int rc = file.Fstat(&found);
    if (rc != XrdOssOK) return rc;
    const bool elsewhere = parts->replicas().keeper(path).has_value();
    if (!elsewhere && parts->freshness().whole(path, found.st_size)) return XrdOssOK;
    for (off_t at = 0; at < found.st_size && !stopped();) {
        const ssize_t got = elsewhere ? touch(file, at, found.st_size) : piece(file, at);
        if (got <= 0) return got ? static_cast<int>(got) : -EIO;
        at += got;
    }
    return XrdOssOK;
}

// 0 or errno.
int brought(XrdOss &storage, const std::string &path, const std::function<bool()> &stopped) {
    const std::unique_ptr<XrdOssDF> file(storage.newFile("staging"));
    XrdOucEnv nobody;
    int rc = file->Open(path.c_str(), O_RDONLY, 0, nobody);
    if (rc == XrdOssOK) rc = bring(*file, path, stopped);
    file->Close();
    return std::abs(rc);
}

const char *word(Wanted::State state) {
    switch (state) {
        case Wanted::State::waiting: return "SUBMITTED";
        case Wanted::State::coming: return "STARTED";
        case Wanted::State::there: return "COMPLETED";
        case Wanted::State::failed: return "FAILED";
        case Wanted::State::cancelled: return "CANCELLED";
    }
    return "";
}

std::string told(const Wanted &file) {
    const auto yes = [](bool value) { return value ? "true" : "false"; };
    std::string text = "{\"path\":" + quoted(file.path) + ",\"path_exists\":" + yes(file.problem != ENOENT);
    text += std::string(",\"on_tape\":false,\"online\":") + yes(file.state == Wanted::State::there);
    text += std::string(",\"requested\":true,\"has_reqid\":true,\"req_time\":\"\",\"state\":\"") + word(file.state) + '"';
    return text + ",\"error_text\":" + quoted(file.problem ? std::strerror(file.problem) : "") + '}';
}

// Whose request it is: the subject of the token that the connection has logged in with.
std::string person(const XrdSecEntity *client) { return client && client->name ? client->name : ""; }

class Prepare : public XrdOfsPrepare {
  public:
    Prepare(XrdOss &storage, unsigned workers, const Datasets::Settings &datasets)
        : staging_([&storage](const auto &path, const auto &stopped) { return brought(storage, path, stopped); }, workers),
          datasets_(datasets, staging_) {}

    int begin(XrdSfsPrep &request, XrdOucErrInfo &answer, const XrdSecEntity *client) override {
        if (!(request.opts & Prep_STAGE)) return refused(answer, ENOTSUP, "only staging (prepare -s) is known here");
        std::vector<std::string> paths;
        for (const XrdOucTList *one = request.paths; one; one = one->next) paths.emplace_back(one->text);
        if (staging_.want(request.reqid, person(client), paths)) return SFS_OK;
        return refused(answer, EDQUOT, "you wait for too many files already: ask again when some of them are there");
    }

    int cancel(XrdSfsPrep &request, XrdOucErrInfo &answer, const XrdSecEntity *client) override {
        return staging_.cancel(request.reqid, person(client)) ? SFS_OK : none(answer);
    }

    int query(XrdSfsPrep &request, XrdOucErrInfo &answer, const XrdSecEntity *client) override {
        std::vector<Wanted> files;
        if (!staging_.look(request.reqid, person(client), files)) return none(answer);
        std::string text = "{\"request_id\":" + quoted(request.reqid) + ",\"responses\":[";
        for (const Wanted &file : files) text += (text.back() == '[' ? "" : ",") + told(file);
        text += "]}";
        const int length = static_cast<int>(text.size()) + 1;
        char *copy = static_cast<char *>(std::malloc(static_cast<size_t>(length)));
        std::memcpy(copy, text.c_str(), static_cast<size_t>(length));
        answer.setErrInfo(length, new XrdOucBuffer(copy, length));
        return SFS_DATA;
    }

  private:
    static int refused(XrdOucErrInfo &answer, int code, const char *why) {
        answer.setErrInfo(code, why);
        return SFS_ERROR;
    }
    static int none(XrdOucErrInfo &answer) {
        return refused(answer, ENOENT, "you have no such request; the cache may have been restarted since: ask again");
    }

    Staging staging_;
    Datasets datasets_;
};

}  // namespace

}  // namespace lakes

XrdVERSIONINFO(XrdOfsgetPrepare, Lakes);

extern "C" XrdOfsPrepare *XrdOfsgetPrepare(XrdSysError *log, const char *, const char *parameters, XrdSfsFileSystem *,
                                           XrdOss *storage, XrdOucEnv *) {
    std::istringstream words(parameters ? parameters : "");
    unsigned workers = 0;
    lakes::Datasets::Settings datasets{};
    long seconds = 0;
    words >> workers >> datasets.file >> datasets.told >> seconds;
    datasets.round = std::chrono::seconds(seconds);
    if (workers < 1 || seconds < 1 || !lakes::parts) {
        log->Emsg("lakes", "ofs.preplib: say how many files come at once, the files of datasets and of their progress,",
                  "and seconds; ofs.osslib has to name this library too");
        return nullptr;
    }
    return new lakes::Prepare(*storage, workers, datasets);
}
