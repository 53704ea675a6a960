#include "net/router.h"

#include <algorithm>

namespace weir::net {
namespace {

std::vector<std::string_view> Split(std::string_view path) {
  std::vector<std::string_view> segments;
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  while (true) {
    const size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool IsParameter(std::string_view segment) { return segment.starts_with('{'); }

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void Router::Add(Method method, std::string_view path_template, size_t id) {
  Route route{method, Split(path_template), id};
  if (std::ranges::any_of(route.segments, IsParameter)) {
    parametric_.push_back(std::move(route));
  } else {
    literal_[path_template].push_back(std::move(route));
  }
}

bool Router::Fits(const Route& route, const std::vector<std::string_view>& segments) {
  if (route.segments.size() != segments.size()) return false;
  for (size_t i = 0; i < segments.size(); ++i) {
    if (IsParameter(route.segments[i]) ? segments[i].empty() : route.segments[i] != segments[i]) {
      return false;
    }
  }
  return true;
}

Router::Match Router::Find(Method method, std::string_view path) const {
  Match match;
  const auto consider = [&](const Route& route) {
    if (route.method == method ||
        (!match.id && method == Method::kHead && route.method == Method::kGet)) {
      match.id = route.id;
    }
  };
  if (const auto found = literal_.find(path); found != literal_.end()) {
    for (const Route& route : found->second) consider(route);
    if (match.id) return match;
    for (const Route& route : found->second) match.allow.append(Name(route.method)).append(", ");
  } else {
    const std::vector<std::string_view> segments = Split(path);
    const Route* shape = nullptr;
    for (const Route& route : parametric_) {
      // All routes of one template: the first one that fits names it.
      if (shape ? route.segments != shape->segments : !Fits(route, segments)) continue;
      shape = &route;
      consider(route);
      match.allow.append(Name(route.method)).append(", ");
    }
    if (!shape) return match;
    for (size_t i = 0; i < segments.size(); ++i) {
      if (!IsParameter(shape->segments[i])) continue;
      auto decoded = PercentDecode(segments[i]);
      if (!decoded) return {};
      match.params.push_back(std::move(*decoded));
    }
  }
  if (match.allow.find("GET") != std::string::npos) match.allow += "HEAD, ";
  match.allow += "OPTIONS";
  return match;
}

std::optional<std::string> PercentDecode(std::string_view text, bool query) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = HexValue(text[i + 1]);
      const int low = HexValue(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high << 4 | low);
      i += 2;
    } else {
      out += query && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

bool IsWellFormedQuery(std::string_view query) {
  for (size_t i = query.find('%'); i != std::string_view::npos; i = query.find('%', i + 1)) {
    if (i + 2 >= query.size() || HexValue(query[i + 1]) < 0 || HexValue(query[i + 2]) < 0) {
      return false;
    }
  }
  return true;
}

std::optional<std::string> QueryParam(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    return PercentDecode(
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
  }
  return std::nullopt;
}

}  // namespace weir::net
