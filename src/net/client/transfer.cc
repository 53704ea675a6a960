#include "net/client/transfer.h"

#include <strings.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "base/check.h"

namespace weir::net {

namespace {

// More than this of header lines is no answer of a sane server.
constexpr size_t kHeaderBytesMax = 64u << 10;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) {
    text.remove_suffix(1);
  }
  return text;
}

template <class T>
void Set(CURL* easy, CURLoption option, T value) {
  // Fails for an option that this libcurl lacks, which the build would have shown.
  const CURLcode code = curl_easy_setopt(easy, option, value);
  WEIR_CHECK_MSG(code == CURLE_OK, curl_easy_strerror(code));
}

}  // namespace

Transfer::Transfer(ClientRequest request, Client::Done done, int64_t deadline_ns)
    : request_(std::move(request)), done_(std::move(done)), deadline_ns_(deadline_ns) {}

Transfer::~Transfer() { curl_slist_free_all(headers_); }

void Transfer::Prepare(Easy easy, const ClientOptions& options, int timeout_ms) {
  easy_ = std::move(easy);
  CURL* const handle = easy_.get();
  curl_easy_reset(handle);
  Set(handle, CURLOPT_PRIVATE, this);
  Set(handle, CURLOPT_URL, request_.url.c_str());
  Set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  Set(handle, CURLOPT_REDIR_PROTOCOLS_STR, "https");
  Set(handle, CURLOPT_FOLLOWLOCATION, request_.redirects_max > 0 ? 1L : 0L);
  Set(handle, CURLOPT_MAXREDIRS, static_cast<long>(request_.redirects_max));
  Set(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  Set(handle, CURLOPT_NOSIGNAL, 1L);
  Set(handle, CURLOPT_PROXY, "");  // none, whatever the environment says
  Set(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  Set(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  Set(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.ca_file.empty()) Set(handle, CURLOPT_CAINFO, options.ca_file.c_str());
  Set(handle, CURLOPT_USERAGENT, options.user_agent.c_str());
  Set(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
  Set(handle, CURLOPT_CONNECTTIMEOUT_MS,
      static_cast<long>(std::min(timeout_ms, options.connect_timeout_ms)));
  Set(handle, CURLOPT_MAXAGE_CONN, static_cast<long>(options.idle_connection_max_ms / 1000));
  Set(handle, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  Set(handle, CURLOPT_HEADERDATA, this);
  Set(handle, CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  Set(handle, CURLOPT_WRITEDATA, this);
  SetMethod();
  SetHeaders();
}

void Transfer::SetMethod() {
  CURL* const handle = easy_.get();
  if (!request_.body.empty() || request_.method == "POST" || request_.method == "PUT") {
    Set(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    Set(handle, CURLOPT_POSTFIELDS, request_.body.c_str());  // not copied: ours until the end
  } else if (request_.method == "HEAD") {
    Set(handle, CURLOPT_NOBODY, 1L);
  }
  // A redirected POST becomes what HTTP says, which a custom method would prevent.
  if (request_.method != "GET" && request_.method != "POST" && request_.method != "HEAD") {
    Set(handle, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
}

void Transfer::SetHeaders() {
  headers_ = curl_slist_append(headers_, "Expect:");  // the body goes without being asked for
  bool typed = false;
  for (const auto& [name, value] : request_.headers) {
    std::string line = name;
    // "Name;" is how libcurl is told of a header without a value.
    line += value.empty() ? ";" : ": ";
    headers_ = curl_slist_append(headers_, line.append(value).c_str());
    typed = typed || strcasecmp(name.c_str(), "content-type") == 0;
  }
  if (!typed) headers_ = curl_slist_append(headers_, "Content-Type:");  // no form, as it would say
  Set(easy_.get(), CURLOPT_HTTPHEADER, headers_);
}

Easy Transfer::Release() { return std::move(easy_); }

size_t Transfer::OnHeader(char* bytes, size_t size, size_t count, void* transfer) {
  const std::string_view line(bytes, size * count);
  return static_cast<Transfer*>(transfer)->TakeHeader(line) ? line.size() : 0;
}

bool Transfer::TakeHeader(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kHeaderBytesMax) return false;
  if (line.starts_with("HTTP/")) {  // of the next answer: after a redirect, or a 100
    response_.headers.clear();
    return true;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  std::string name(Trim(line.substr(0, colon)));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  response_.headers.emplace_back(std::move(name), std::string(Trim(line.substr(colon + 1))));
  return true;
}

size_t Transfer::OnBody(char* bytes, size_t size, size_t count, void* data) {
  auto* const transfer = static_cast<Transfer*>(data);
  const size_t total = size * count;
  std::string& body = transfer->response_.body;
  const size_t room = transfer->request_.response_bytes_max - body.size();
  body.append(bytes, std::min(total, room));
  if (total <= room) return total;
  transfer->response_.body_cut = true;
  return 0;  // ends the transfer, and the connection with it
}

void Transfer::Finish(CURLcode code) {
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && response_.body_cut)) {
    done_(std::move(response_));
  } else {
    Fail(ErrorOf(code));
  }
}

void Transfer::Fail(base::Error error) { done_(base::Fail(std::move(error))); }

base::Error Transfer::ErrorOf(CURLcode code) const {
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return {base::ErrorCode::kDeadline, "no answer within the time allowed"};
  }
  std::string message = curl_easy_strerror(code);
  long number = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &number);
  if (number != 0 && code == CURLE_COULDNT_CONNECT) {
    message += std::string(": ") + strerrordesc_np(static_cast<int>(number));
  }
  if (header_bytes_ > kHeaderBytesMax) message = "the answer's header is too large";
  return {base::ErrorCode::kUnavailable, std::move(message)};
}

std::string_view ClientResponse::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

}  // namespace weir::net
