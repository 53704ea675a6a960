#include "tools/surge/api_client.h"

#include <cctype>

#include "tools/surge/report_request.h"

namespace weir::surge {
namespace {

constexpr int kTimeoutSeconds = 15;
constexpr size_t kAnswerBytesMax = 64u << 20;

}  // namespace

ApiClient::ApiClient(const Target& target, const Options& options)
    : target_(target), headers_(CommonHeaders(options)) {}

base::Result<ApiClient::Fetched> ApiClient::Exchange(std::string_view request) {
  if (!wire_) {
    WEIR_ASSIGN_OR_RETURN(wire_, Wire::Connect(target_, kTimeoutSeconds));
  }
  WEIR_RETURN_IF_ERROR(wire_->Send(request));
  received_.clear();
  while (received_.size() < kAnswerBytesMax) {
    WEIR_RETURN_IF_ERROR(wire_->Receive(received_));
    Answer answer;
    const ParseResult result = parser_.Parse(received_, answer);
    if (result == ParseResult::kIncomplete) continue;
    if (result == ParseResult::kMalformed) break;
    if (answer.close) wire_.reset();
    return Fetched{answer.status, std::string(answer.body)};
  }
  return base::Fail(base::ErrorCode::kUnavailable, "the answer is not one of HTTP/1.1");
}

base::Result<ApiClient::Fetched> ApiClient::Get(std::string_view path) {
  const std::string request =
      "GET " + std::string(path) + " HTTP/1.1\r\n" + headers_ + "Accept: application/json\r\n\r\n";
  const bool fresh = !wire_;
  auto fetched = Exchange(request);
  if (!fetched) {
    wire_.reset();
    if (!fresh) fetched = Exchange(request);  // it may have been closed while it was idle
    if (!fetched) wire_.reset();
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
