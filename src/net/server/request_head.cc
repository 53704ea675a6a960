#include "net/server/request_head.h"

#include <strings.h>

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>

namespace weir::net {
namespace {

namespace http = boost::beast::http;

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool Is(std::string_view value, std::string_view name) {
  return value.size() == name.size() && strncasecmp(value.data(), name.data(), name.size()) == 0;
}

Method MethodOf(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::head:
      return Method::kHead;
    case http::verb::post:
      return Method::kPost;
    case http::verb::put:
      return Method::kPut;
    case http::verb::delete_:
      return Method::kDelete;
    case http::verb::options:
      return Method::kOptions;
    case http::verb::patch:
      return Method::kPatch;
    default:
      return Method::kOther;
  }
}

// What may not stand in a host and port (RFC 3986, section 3.2).
bool IsHost(std::string_view host) {
  return std::ranges::all_of(host, [](char c) {
    return c > ' ' && c < 127 &&
           std::string_view("\"#,/<>?@\\^`{|}").find(c) == std::string_view::npos;
  });
}

// Receives what the parser finds. It keeps views and copies nothing.
class HeadSink final : public http::basic_parser<true> {
 public:
  // Limits are the caller's affair: a body's depends on the path.
  explicit HeadSink(RequestHead& head) : head_(head) {
    this->header_limit(UINT32_MAX);
    this->body_limit(boost::none);
  }

  Refusal refusal;
  http::verb verb = http::verb::unknown;
  unsigned hosts = 0;
  bool has_coding = false;
  bool has_transfer_encoding = false;

 private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;

  void on_request_impl(http::verb method, string_view, string_view target, int version,
                       error_code&) override {
    verb = method;
    head_.request.method = MethodOf(method);
    head_.request.target = View(target);
    head_.http11 = version == 11;
  }

  void on_field_impl(http::field field, string_view name, string_view value, error_code&) override {
    const Header header{View(name), View(value)};
    // The parser unfolds continued lines into memory of its own, or skips their line ends.
    const char* const after_colon = header.name.data() + header.name.size() + 1;
    const bool in_place =
        header.value.data() >= after_colon &&
        std::all_of(after_colon, header.value.data(), [](char c) { return c == ' ' || c == '\t'; });
    if (!in_place) Refuse({400, "a header line must not be continued on the next line"});
    head_.headers.push_back(header);
    switch (field) {
      case http::field::host:
        OnHost(header.value);
        break;
      case http::field::authorization:
        if (head_.request.authorization.empty()) head_.request.authorization = header.value;
        break;
      case http::field::content_type:
        if (head_.request.content_type.empty()) head_.request.content_type = header.value;
        break;
      case http::field::content_encoding:
        head_.coding = has_coding ? Coding::kUnknown : ParseCoding(header.value);
        has_coding = true;
        break;
      case http::field::transfer_encoding:
        has_transfer_encoding = true;
        if (!Is(header.value, "chunked")) {
          Refuse({501, "the only transfer encoding is chunked; compress with Content-Encoding"});
        }
        break;
      case http::field::expect:
        if (Is(header.value, "100-continue")) {
          head_.expects_continue = true;
        } else {
          Refuse({417, "the only expectation that can be met is 100-continue"});
        }
        break;
      default:
        break;
    }
  }

  void OnHost(std::string_view value) {
    if (++hosts > 1) Refuse({400, "the Host header must be given once"});
    if (!IsHost(value)) Refuse({400, "the Host header must be a host, and a port where needed"});
  }

  void Refuse(Refusal reason) {
    if (!refusal) refusal = reason;
  }

  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  // Bodies are not read by this parser: it is dropped at the header's end.
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view body, error_code&) override {
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  RequestHead& head_;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// A version that is well written, but not one of ours: 505 instead of 400.
bool NamesOtherVersion(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, bytes.find('\r'));
  const size_t space = line.rfind(' ');
  if (space == std::string_view::npos) return false;
  const std::string_view version = line.substr(space + 1);
  return version.size() == 8 && version.starts_with("HTTP/") && IsDigit(version[5]) &&
         version[6] == '.' && IsDigit(version[7]) && version != "HTTP/1.1" && version != "HTTP/1.0";
}

Refusal Explain(const boost::beast::error_code& error, std::string_view bytes) {
  if (error == http::error::bad_version) {
    if (NamesOtherVersion(bytes)) return {505, "this server speaks HTTP/1.1 and HTTP/1.0"};
    return {400, "the request line must be: method, target, HTTP/1.1"};
  }
  if (error == http::error::bad_method || error == http::error::bad_target) {
    return {400, "the request line must be: method, target, HTTP/1.1"};
  }
  if (error == http::error::bad_content_length || error == http::error::multiple_content_length) {
    return {400, "Content-Length must be one number, and not stand beside Transfer-Encoding"};
  }
  if (error == http::error::bad_transfer_encoding) {
    return {400, "Transfer-Encoding must be given once, and not beside Content-Length"};
  }
  return {400, "a header line is malformed"};
}

Refusal SplitTarget(Request& request, http::verb verb) {
  std::string_view rest = request.target;
  if (verb == http::verb::connect) return {501, "this server is not a proxy"};
  if (rest.find('#') != std::string_view::npos) {
    return {400, "the request's target must not have a fragment"};
  }
  if (rest == "*") {
    if (request.method != Method::kOptions) return {400, "the target * is for OPTIONS only"};
    request.path = rest;
    return {};
  }
  if (rest.front() != '/') {
    size_t scheme = 0;
    if (Is(rest.substr(0, 7), "http://")) scheme = 7;
    if (Is(rest.substr(0, 8), "https://")) scheme = 8;
    if (scheme == 0) return {400, "the request's target must begin with a slash"};
    rest.remove_prefix(scheme);
    const size_t authority = std::min(rest.find_first_of("/?"), rest.size());
    if (authority == 0 || !IsHost(rest.substr(0, authority))) {
      return {400, "the request's target must name a host"};
    }
    rest.remove_prefix(authority);
  }
  const size_t question = rest.find('?');
  request.path = rest.substr(0, question);
  if (question != std::string_view::npos) request.query = rest.substr(question + 1);
  if (request.path.empty()) {
    // "OPTIONS http://host HTTP/1.1" asks about the server as a whole (RFC 9112, section 3.2.4).
    request.path = request.method == Method::kOptions && question == std::string_view::npos
                       ? std::string_view("*")
                       : std::string_view("/");
  }
  return {};
}

}  // namespace

size_t FindHeadEnd(std::string_view bytes, size_t* scanned) {
  const size_t found = bytes.find("\r\n\r\n", *scanned);
  if (found != std::string_view::npos) return found + 4;
  *scanned = bytes.size() < 3 ? 0 : bytes.size() - 3;
  return 0;
}

Refusal ParseRequestHead(std::string_view bytes, RequestHead* head) {
  head->request = {};
  head->headers.clear();
  head->http11 = head->keep_alive = head->chunked = head->expects_continue = false;
  head->coding = Coding::kIdentity;

  HeadSink sink(*head);
  boost::beast::error_code error;
  const size_t consumed = sink.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error) return Explain(error, bytes);
  if (consumed != bytes.size()) return {400, "the header is malformed"};

  Request& request = head->request;
  request.headers = head->headers;
  if (sink.has_transfer_encoding && !head->http11) {
    return {400, "HTTP/1.0 has no Transfer-Encoding"};
  }
  if (head->http11 && sink.hosts == 0) return {400, "the Host header is missing"};
  if (!head->http11) {
    head->expects_continue = false;  // RFC 9110, section 10.1.1
    if (sink.refusal.status == 417) sink.refusal = {};
  }
  if (sink.refusal) return sink.refusal;
  if (const Refusal refusal = SplitTarget(request, sink.verb)) return refusal;

  head->keep_alive = sink.keep_alive();
  head->chunked = sink.chunked();
  if (const auto length = sink.content_length()) request.content_length = *length;
  // Neither of them: there is no body (RFC 9112, section 6.3).
  request.has_body = head->chunked || request.content_length.value_or(0) > 0;
  return {};
}

}  // namespace weir::net
