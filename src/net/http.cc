#include "net/http.h"

#include <strings.h>

namespace weir::net {
namespace {

bool IsNamed(const Header& header, std::string_view name) {
  return header.name.size() == name.size() &&
         strncasecmp(header.name.data(), name.data(), name.size()) == 0;
}

}  // namespace

std::string_view Name(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kHead:
      return "HEAD";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kDelete:
      return "DELETE";
    case Method::kOptions:
      return "OPTIONS";
    case Method::kPatch:
      return "PATCH";
    case Method::kOther:
      break;
  }
  return "OTHER";
}

std::string_view Request::Find(std::string_view name) const {
  for (const Header& header : headers) {
    if (IsNamed(header, name)) return header.value;
  }
  return {};
}

std::vector<std::string_view> Request::FindAll(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Header& header : headers) {
    if (IsNamed(header, name)) values.push_back(header.value);
  }
  return values;
}

}  // namespace weir::net
