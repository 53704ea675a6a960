// One HTTP/1.x request out of a stream of bytes: Boost.Beast's basic_parser, which knows the grammar,
// with a sink that keeps views instead of building a message.
//
// While a request is in the buffer it arrived in, nothing is copied: header fields and a body that
// is whole are views into it. Only when more bytes are needed does Keep() copy the header.
// One thread. Bounded by ParserLimits; a body's bound counts decoded bytes.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/body_decoder.h"
#include "net/http.h"

namespace weir::net {

struct ParserLimits {
  size_t header_bytes_max = 16u << 10;
  size_t body_bytes_max = 1u << 20;
  size_t streamed_body_bytes_max = 1ull << 30;
};

// Why a request cannot be taken: what the server answers, and then closes.
struct ParseFailure {
  int status = 0;  // 0: none
  std::string_view detail;
};

class RequestParser final : private boost::beast::http::basic_parser<true> {
 public:
  explicit RequestParser(const ParserLimits& limits);

  enum class Progress {
    kNeedMore,  // all that was of use is consumed
    kHeader,    // the header is complete: once, before any of the body
    kDone,      // the request is complete
    kFailed,    // see failure()
  };
  // Takes bytes from `data`, and says how many it took. Views of the request point into `data` until
  // Keep(). After kHeader the rest of `data` is to be given again, from where it was left.
  Progress Feed(std::string_view data, size_t* consumed);

  // The bytes of the last Feed() are going away: what is still needed of them is copied.
  void Keep();

  // Body pieces go there from now on, instead of being collected. Between kHeader and the next Feed.
  void SetReader(BodyReader* reader) { reader_ = reader; }
  BodyReader* reader() const { return reader_; }  // null: collected
  // The reader asked to wait.
  bool paused() const { return paused_; }
  void Resume() { paused_ = false; }

  // Complete as far as the request is. Ticket, received_ns and peer are the caller's.
  Request& request() { return request_; }
  const ParseFailure& failure() const { return failure_; }
  bool keep_alive() const { return keep_alive_ && basic_parser::keep_alive(); }
  bool http_1_0() const { return http_1_0_; }
  bool expects_continue() const { return expects_continue_; }
  bool header_done() const { return header_done_; }

 private:
  using ErrorCode = boost::beast::error_code;
  using View = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb method, View method_text, View target, int version,
                       ErrorCode& ec) override;
  void on_response_impl(int, View, int, ErrorCode&) override {}
  void on_field_impl(boost::beast::http::field name, View name_text, View value,
                     ErrorCode& ec) override;
  void on_header_impl(ErrorCode& ec) override;
  void on_body_init_impl(const boost::optional<uint64_t>& length, ErrorCode& ec) override;
  size_t on_body_impl(View body, ErrorCode& ec) override;
  void on_chunk_header_impl(uint64_t, View, ErrorCode&) override {}
  size_t on_chunk_body_impl(uint64_t remain, View body, ErrorCode& ec) override;
  void on_finish_impl(ErrorCode& ec) override;

  void Fail(int status, std::string_view detail, ErrorCode& ec);
  void FailFrom(const ErrorCode& ec);
  bool TakeBody(std::string_view bytes, ErrorCode& ec);
  bool TakeDecoded(std::string_view bytes);
  bool HeaderIsPlain(std::string_view header) const;
  void Rebase(const char* from, size_t size, const char* to);

  const ParserLimits limits_;
  Request request_;
  std::vector<Header> headers_;
  ParseFailure failure_;
  std::string_view header_bytes_;  // of this request, in the caller's buffer or in kept_
  std::string kept_;
  std::string body_;
  std::unique_ptr<BodyDecoder> decoder_;
  BodyReader* reader_ = nullptr;
  uint64_t body_bytes_ = 0;
  unsigned hosts_ = 0;
  bool http_1_0_ = false;
  bool header_done_ = false;
  bool expects_continue_ = false;
  bool keep_alive_ = true;
  bool paused_ = false;
  bool body_is_view_ = false;
};

}  // namespace weir::net
