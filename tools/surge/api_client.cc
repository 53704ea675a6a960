#include "tools/surge/api_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>

#include "tools/surge/report_request.h"

namespace weir::surge {
namespace {

constexpr int kTimeoutSeconds = 15;
constexpr size_t kAnswerBytesMax = 64u << 20;

base::Status SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return base::Fail(base::ErrorCode::kUnavailable, std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

}  // namespace

ApiClient::ApiClient(const Target& target, const Options& options)
    : target_(target), headers_(CommonHeaders(options)) {}

ApiClient::~ApiClient() { Close(); }

void ApiClient::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

base::Result<ApiClient::Fetched> ApiClient::Exchange(std::string_view request) {
  if (fd_ < 0) {
    WEIR_ASSIGN_OR_RETURN(fd_, target_.Connect(0, /*blocking=*/true));
    const timeval timeout{kTimeoutSeconds, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  }
  WEIR_RETURN_IF_ERROR(SendAll(fd_, request));
  received_.clear();
  char buffer[16u << 10];
  while (received_.size() < kAnswerBytesMax) {
    const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
    if (got <= 0) {
      return base::Fail(base::ErrorCode::kUnavailable,
                        got == 0 ? "the server closed the connection" : std::strerror(errno));
    }
    received_.append(buffer, static_cast<size_t>(got));
    Answer answer;
    const ParseResult result = parser_.Parse(received_, answer);
    if (result == ParseResult::kIncomplete) continue;
    if (result == ParseResult::kMalformed) break;
    if (answer.close) Close();
    return Fetched{answer.status, std::string(answer.body)};
  }
  return base::Fail(base::ErrorCode::kUnavailable, "the answer is not one of HTTP/1.1");
}

base::Result<ApiClient::Fetched> ApiClient::Get(std::string_view path) {
  const std::string request =
      "GET " + std::string(path) + " HTTP/1.1\r\n" + headers_ + "Accept: application/json\r\n\r\n";
  const bool fresh = fd_ < 0;
  auto fetched = Exchange(request);
  if (!fetched) {
    Close();
    if (!fresh) fetched = Exchange(request);  // it may have been closed while it was idle
    if (!fetched) Close();
  }
  return fetched;
}

base::Result<std::string> ApiClient::GetBody(std::string_view path) {
  WEIR_ASSIGN_OR_RETURN(Fetched fetched, Get(path));
  if (fetched.status == 200) return std::move(fetched.body);
  const auto code = fetched.status == 404 ? base::ErrorCode::kNotFound
                    : fetched.status == 401 || fetched.status == 403
                        ? base::ErrorCode::kPermission
                        : base::ErrorCode::kUnavailable;
  return base::Fail(code, "GET " + std::string(path) + ": " + std::to_string(fetched.status));
}

std::string PercentEncoded(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace weir::surge
