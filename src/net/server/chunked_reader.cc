#include "net/server/chunked_reader.h"

#include <boost/beast/http/basic_parser.hpp>

#include "base/check.h"

namespace weir::net {

class ChunkedReader::Parser final : public boost::beast::http::basic_parser<true> {
 public:
  Parser() {
    this->body_limit(boost::none);
    this->header_limit(UINT32_MAX);
    // The parser wants a header first; ours was read before.
    static constexpr std::string_view kHead =
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    error_code error;
    const size_t consumed = this->put({kHead.data(), kHead.size()}, error);
    WEIR_CHECK(!error && consumed == kHead.size());
  }

  std::string_view data;

 private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb, string_view, string_view, int,
                       error_code&) override {}
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(boost::beast::http::field, string_view, string_view, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view body, error_code&) override {
    data = {body.data(), body.size()};
    return body.size();
  }
  void on_finish_impl(error_code&) override {}
};

ChunkedReader::ChunkedReader() : parser_(std::make_unique<Parser>()) {}
ChunkedReader::~ChunkedReader() = default;

ChunkedReader::Step ChunkedReader::Read(std::string_view input) {
  if (input.empty()) return {State::kNeedMore};
  parser_->data = {};
  boost::beast::error_code error;
  const size_t consumed = parser_->put({input.data(), input.size()}, error);
  if (error == boost::beast::http::error::need_more) return {State::kNeedMore, consumed};
  if (error) return {State::kMalformed};
  return {parser_->is_done() ? State::kDone : State::kData, consumed, parser_->data};
}

}  // namespace weir::net
