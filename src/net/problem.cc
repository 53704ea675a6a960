#include "net/problem.h"

#include <algorithm>

#include "base/json_writer.h"

namespace weir::net {

std::string_view StatusText(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

std::string ProblemJson(int status, std::string_view type, std::string_view detail,
                        std::string_view trace_id, std::string_view members) {
  std::string out;
  out.reserve(160 + detail.size() + members.size());
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("type").String(std::string(kProblemTypePrefix).append(type));
  json.Key("title").String(StatusText(status));
  json.Key("status").Number(status);
  json.Key("detail").String(detail);
  json.Key("trace_id").String(trace_id);
  if (!members.empty()) out.append(1, ',').append(members);
  json.EndObject();
  return out;
}

std::string RetryAfter(int seconds) { return "Retry-After: " + std::to_string(seconds) + "\r\n"; }

std::string RetryAfter(int seconds, uint64_t random) {
  const auto least = static_cast<uint64_t>(seconds);
  const uint64_t spread = std::max<uint64_t>(least, 2);
  return RetryAfter(static_cast<int>(least + (random >> 11) % (spread + 1)));
}

}  // namespace weir::net
