#include "net/server/response_head.h"

#include <charconv>
#include <ctime>

#include "net/problem.h"

namespace weir::net {
namespace {

void AppendNumber(std::string& out, uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end.ptr);
}

void AppendStatusLine(std::string& out, int status) {
  switch (status) {
    case 200:
      out.append("HTTP/1.1 200 OK\r\n");
      return;
    case 202:
      out.append("HTTP/1.1 202 Accepted\r\n");
      return;
    default:
      out.append("HTTP/1.1 ");
      AppendNumber(out, static_cast<uint64_t>(status));
      out.append(1, ' ').append(StatusText(status)).append("\r\n");
  }
}

}  // namespace

bool HasBody(int status) { return status >= 200 && status != 204 && status != 304; }

void AppendResponseHead(std::string& out, const ResponseHead& head, std::string_view common) {
  AppendStatusLine(out, head.status);
  out.append(common);
  if (HasBody(head.status)) {
    if (!head.content_type.empty()) {
      out.append("Content-Type: ").append(head.content_type).append("\r\n");
    }
    if (head.framing == Framing::kLength) {
      out.append("Content-Length: ");
      AppendNumber(out, head.content_length);
      out.append("\r\n");
    } else if (head.framing == Framing::kChunked) {
      out.append("Transfer-Encoding: chunked\r\n");
    }
  }
  if (!head.connection.empty()) {
    out.append("Connection: ").append(head.connection).append("\r\n");
  }
  out.append(head.headers).append("\r\n");
}

CommonHeaders::CommonHeaders(std::string_view server_name)
    : server_line_("Server: " + std::string(server_name) + "\r\n") {}

std::string_view CommonHeaders::At(int64_t wall_ms) {
  const int64_t second = wall_ms / 1000;
  if (second != second_) {
    second_ = second;
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t seconds = second;
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    char date[64];
    // Not strftime: its names follow the locale.
    std::snprintf(date, sizeof date, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                  kDays[utc.tm_wday], utc.tm_mday, kMonths[utc.tm_mon], utc.tm_year + 1900,
                  utc.tm_hour, utc.tm_min, utc.tm_sec);
    lines_ = server_line_ + date;
  }
  return lines_;
}

}  // namespace weir::net
