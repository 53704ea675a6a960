#include "net/request_parser.h"

#include <strings.h>

#include <boost/asio/buffer.hpp>
#include <charconv>

namespace weir::net {
namespace {

namespace http = boost::beast::http;

std::string_view ToView(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool Equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

Method MethodOf(http::verb verb) {
  switch (verb) {
    case http::verb::get: return Method::kGet;
    case http::verb::head: return Method::kHead;
    case http::verb::post: return Method::kPost;
    case http::verb::put: return Method::kPut;
    case http::verb::delete_: return Method::kDelete;
    case http::verb::options: return Method::kOptions;
    case http::verb::patch: return Method::kPatch;
    default: return Method::kOther;
  }
}

}  // namespace

RequestParser::RequestParser(const ParserLimits& limits) : limits_(limits) {
  header_limit(static_cast<std::uint32_t>(limits.header_bytes_max));
  body_limit(boost::none);  // counted here, after decoding
  headers_.reserve(16);
}

RequestParser::Progress RequestParser::Feed(std::string_view data, size_t* consumed) {
  *consumed = 0;
  ErrorCode ec;
  if (!header_done_) {
    if (!is_header_done() && data.empty()) return Progress::kNeedMore;
    eager(false);
    header_bytes_ = data;
    const size_t used = put(boost::asio::buffer(data.data(), data.size()), ec);
    if (ec == http::error::need_more) return Progress::kNeedMore;
    if (ec) {
      FailFrom(ec);
      return Progress::kFailed;
    }
    *consumed = used;
    header_bytes_ = data.substr(0, used);
    if (!is_header_done()) return Progress::kNeedMore;
    if (!HeaderIsPlain(header_bytes_)) {
      failure_ = {400, "a header line must not be folded over several lines"};
      return Progress::kFailed;
    }
    header_done_ = true;
    request_.headers = headers_;
    return Progress::kHeader;
  }
  if (!is_done()) {
    eager(true);
    while (*consumed < data.size() && !is_done()) {
      const std::string_view rest = data.substr(*consumed);
      const size_t used = put(boost::asio::buffer(rest.data(), rest.size()), ec);
      *consumed += used;
      if (failure_.status != 0) return Progress::kFailed;
      if (ec == http::error::need_more) {
        ec = {};
        if (used == 0) break;
        continue;
      }
      if (ec) {
        FailFrom(ec);
        return Progress::kFailed;
      }
    }
  }
  if (!is_done()) return Progress::kNeedMore;
  if (decoder_ && !decoder_->ended() && body_bytes_ + body_.size() > 0) {
    failure_ = {400, "the compressed body ends too early"};
    return Progress::kFailed;
  }
  if (!body_is_view_) request_.body = body_;
  return Progress::kDone;
}

void RequestParser::Keep() {
  if (!header_done_ || !kept_.empty()) return;
  const char* from = header_bytes_.data();
  kept_.assign(header_bytes_);
  Rebase(from, kept_.size(), kept_.data());
  header_bytes_ = kept_;
}

void RequestParser::Rebase(const char* from, size_t size, const char* to) {
  const auto move = [&](std::string_view& view) {
    if (view.data() >= from && view.data() <= from + size) {
      view = {to + (view.data() - from), view.size()};
    }
  };
  for (Header& header : headers_) {
    move(header.name);
    move(header.value);
  }
  for (std::string_view* view : {&request_.target, &request_.path, &request_.query,
                                 &request_.authorization, &request_.content_type}) {
    move(*view);
  }
}

// Folding (RFC 9112, section 5.2) is deprecated, and a way to smuggle fields past others.
bool RequestParser::HeaderIsPlain(std::string_view header) const {
  for (size_t at = header.find('\n'); at + 1 < header.size(); at = header.find('\n', at + 1)) {
    if (header[at + 1] == ' ' || header[at + 1] == '\t') return false;
  }
  return true;
}

void RequestParser::on_request_impl(http::verb method, View, View target, int version,
                                    ErrorCode& ec) {
  if (version != 11 && version != 10) return Fail(505, "HTTP/1.1 and HTTP/1.0 are spoken here", ec);
  http_1_0_ = version == 10;
  request_.method = MethodOf(method);
  request_.target = ToView(target);
  std::string_view path = request_.target;
  if (!path.starts_with('/') && path != "*") {
    // Absolute form (RFC 9112, section 3.2.2).
    const size_t scheme = path.find("://");
    if (scheme == std::string_view::npos) return Fail(400, "the request's target is not a path", ec);
    const size_t slash = path.find('/', scheme + 3);
    path = slash == std::string_view::npos ? std::string_view("/") : path.substr(slash);
  }
  const size_t question = path.find('?');
  request_.path = path.substr(0, question);
  if (question != std::string_view::npos) request_.query = path.substr(question + 1);
}

void RequestParser::on_field_impl(http::field name, View name_text, View value, ErrorCode& ec) {
  const std::string_view text = ToView(value);
  headers_.push_back({ToView(name_text), text});
  switch (name) {
    case http::field::authorization: request_.authorization = text; break;
    case http::field::content_type: request_.content_type = text; break;
    case http::field::host: ++hosts_; break;
    case http::field::expect:
      if (!Equal(text, "100-continue")) return Fail(417, "only Expect: 100-continue is met", ec);
      expects_continue_ = true;
      break;
    case http::field::transfer_encoding:
      if (!Equal(text, "chunked")) {
        return Fail(501, "only Transfer-Encoding: chunked is understood", ec);
      }
      if (http_1_0_) return Fail(400, "HTTP/1.0 has no Transfer-Encoding", ec);
      break;
    case http::field::content_encoding:
      if (Equal(text, "identity")) break;
      decoder_ = BodyDecoder::Make(text);
      if (!decoder_) {
        return Fail(415, "bodies may be sent with Content-Encoding gzip or deflate, or plain", ec);
      }
      break;
    default: break;
  }
}

void RequestParser::on_header_impl(ErrorCode& ec) {
  if (hosts_ > 1 || (hosts_ == 0 && !http_1_0_)) {
    return Fail(400, "a request has exactly one Host header", ec);
  }
  if (const auto length = content_length()) request_.content_length = *length;
  request_.has_body = chunked() || request_.content_length.value_or(0) > 0;
  if (!chunked() && !request_.content_length && request_.method == Method::kPost) {
    return Fail(411, "a POST needs Content-Length or Transfer-Encoding: chunked", ec);
  }
  if (http_1_0_) expects_continue_ = false;
}

void RequestParser::on_body_init_impl(const boost::optional<uint64_t>& length, ErrorCode& ec) {
  const size_t limit = reader_ ? limits_.streamed_body_bytes_max : limits_.body_bytes_max;
  if (!decoder_ && length && *length > limit) {
    return Fail(413, "the body is larger than this server takes", ec);
  }
}

size_t RequestParser::on_body_impl(View body, ErrorCode& ec) {
  const std::string_view bytes = ToView(body);
  if (!reader_ && !decoder_ && body_.empty() && bytes.size() == request_.content_length) {
    request_.body = bytes;
    body_is_view_ = true;
    return bytes.size();
  }
  TakeBody(bytes, ec);
  return bytes.size();
}

size_t RequestParser::on_chunk_body_impl(uint64_t, View body, ErrorCode& ec) {
  TakeBody(ToView(body), ec);
  return body.size();
}

bool RequestParser::TakeBody(std::string_view bytes, ErrorCode& ec) {
  if (decoder_) {
    const auto status =
        decoder_->Decode(bytes, [this](std::string_view decoded) { return TakeDecoded(decoded); });
    if (status == BodyDecoder::Status::kBad) Fail(400, "the compressed body is damaged", ec);
    if (status == BodyDecoder::Status::kRefused) {
      Fail(413, "the body, decoded, is larger than this server takes", ec);
    }
  } else if (!TakeDecoded(bytes)) {
    Fail(413, "the body is larger than this server takes", ec);
  }
  return failure_.status == 0;
}

bool RequestParser::TakeDecoded(std::string_view bytes) {
  if (reader_) {
    body_bytes_ += bytes.size();
    if (body_bytes_ > limits_.streamed_body_bytes_max) return false;
    if (!reader_->OnBody(bytes)) paused_ = true;
    return true;
  }
  if (body_.size() + bytes.size() > limits_.body_bytes_max) return false;
  if (body_.empty() && !decoder_ && request_.content_length) body_.reserve(*request_.content_length);
  body_.append(bytes);
  return true;
}

void RequestParser::on_finish_impl(ErrorCode&) {}

void RequestParser::Fail(int status, std::string_view detail, ErrorCode& ec) {
  failure_ = {status, detail};
  ec = http::make_error_code(http::error::bad_value);
}

void RequestParser::FailFrom(const ErrorCode& ec) {
  if (failure_.status != 0) return;
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    failure_ = {431, "the request's header is larger than this server takes"};
  } else if (ec == http::error::bad_version) {
    failure_ = {505, "HTTP/1.1 and HTTP/1.0 are spoken here"};
  } else if (ec == http::error::body_limit) {
    failure_ = {413, "the body is larger than this server takes"};
  } else {
    failure_ = {400, "the request is not HTTP/1.1"};
  }
}

}  // namespace weir::net
