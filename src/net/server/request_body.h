// A request's body that did not arrive in one piece with its header, or goes to a BodyReader: taken
// out of its framing (length or chunks), then out of its coding.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"
#include "net/server/body_decoder.h"
#include "net/server/chunked_reader.h"
#include "net/server/request_head.h"

namespace weir::net {

class RequestBody {
 public:
  enum class Use : uint8_t { kWhole, kInPieces, kDiscard };
  struct Plan {
    Use use = Use::kWhole;
    uint64_t sequence = 0;         // of the request, see AnswerQueue
    BodyReader* reader = nullptr;  // of kInPieces
    Coding coding = Coding::kIdentity;
    bool chunked = false;
    uint64_t content_length = 0;  // unless chunked
    uint64_t bytes_max = 0;       // after decoding
    size_t chunk_framing_bytes_max = 0;
    int64_t started_ns = 0;  // when the request's first byte came
  };
  // `head` is the request's header, kept for kWhole to be parsed again at the body's end; empty if
  // the caller keeps it.
  RequestBody(const Plan& plan, std::string_view head);

  // Takes from the front of `input`, until done, paused or refused. What was not consumed must come
  // again, with more behind it.
  struct Progress {
    size_t consumed = 0;
    Refusal refusal;
  };
  Progress Read(std::string_view input);

  // The body ends here, whatever its length was said to be: for a protocol whose framing says so.
  Refusal End();

  // The reader may take more: hands on what was held back.
  Refusal Resume();
  bool paused() const { return paused_; }

  // All of it has been read, and handed on.
  bool done() const { return framing_done_ && !paused_ && undecoded_.empty(); }

  const Plan& plan() const { return plan_; }
  std::string_view head() const { return head_; }
  std::string& whole() { return whole_; }  // still in its coding
  uint64_t received_bytes() const { return received_bytes_; }
  size_t memory() const {
    return sizeof *this + head_.capacity() + whole_.capacity() + undecoded_.capacity();
  }

 private:
  Refusal Take(std::string_view data);
  Refusal HandOn(std::string_view data);
  Refusal DecodeAndHandOn(std::string_view data);
  Refusal CheckEnd() const;

  const Plan plan_;
  uint64_t remaining_;            // of Content-Length
  uint64_t received_bytes_ = 0;   // without framing
  uint64_t handed_on_bytes_ = 0;  // decoded
  bool framing_done_ = false;
  bool paused_ = false;
  std::optional<ChunkedReader> chunks_;
  std::unique_ptr<BodyDecoder> decoder_;
  std::string head_;
  std::string whole_;
  std::string undecoded_;  // came while the reader had enough
};

inline constexpr Refusal kBodyTooLarge{413, "the body is larger than this path takes"};
inline constexpr Refusal kBodyMalformed{400, "the body is not what its Content-Encoding says"};
inline constexpr Refusal kCodingUnknown{
    415, "the Content-Encodings that can be read are gzip and deflate"};
inline constexpr Refusal kBusy{503, "too many requests are being received at once; send it again"};
inline constexpr Refusal kAnswersHeld{
    503, "too many answers wait for their clients to read them; send it again"};

}  // namespace weir::net
