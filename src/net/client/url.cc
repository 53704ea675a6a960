#include <arpa/inet.h>
#include <curl/curl.h>

#include <memory>

#include "net/client/client.h"

namespace weir::net {

using base::ErrorCode;
using base::Fail;

namespace {

struct CloseUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, CloseUrl>;

// Empty if the URL has no such part.
std::string Part(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK) return {};
  std::string copy = text;
  curl_free(text);
  return copy;
}

bool IsLoopback(const std::string& host) {
  if (host == "localhost" || host == "[::1]") return true;
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

}  // namespace

// The URL itself is in no message: its path or query may be a secret.
base::Status CheckUrl(std::string_view text) {
  const Url url(curl_url());
  const std::string copy(text);
  // Without CURLU_GUESS_SCHEME a URL must say its scheme.
  if (!url || copy.find('\0') != std::string::npos ||
      curl_url_set(url.get(), CURLUPART_URL, copy.c_str(), 0) != CURLUE_OK) {
    return Fail(ErrorCode::kInvalidArgument, "not a URL: it must start with https:// and a host");
  }
  if (!Part(url, CURLUPART_USER).empty() || !Part(url, CURLUPART_PASSWORD).empty()) {
    return Fail(ErrorCode::kInvalidArgument, "a URL must not hold a user or a password");
  }
  const std::string scheme = Part(url, CURLUPART_SCHEME);
  if (scheme == "https") return {};
  if (scheme != "http") {
    return Fail(ErrorCode::kInvalidArgument, "the scheme '" + scheme + "' is not supported");
  }
  if (IsLoopback(Part(url, CURLUPART_HOST))) return {};
  return Fail(ErrorCode::kInvalidArgument, "http:// is for loopback addresses alone: use https://");
}

}  // namespace weir::net
