// Finds what a path names. Templates are literal segments and parameters:
// "/api/v1/tasks/{task}/pause".
//
// A literal wins over a parameter, so "/api/v1/tasks/quarantine" may stand beside
// "/api/v1/tasks/{task}". Parameters are percent-decoded. Built once, then read by one thread or
// many.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/http.h"

namespace weir::net {

class Router {
 public:
  // `id` is the caller's; the template must live as long as the router.
  void Add(Method method, std::string_view path_template, size_t id);

  struct Match {
    std::optional<size_t> id;         // of the route; none: 404 or 405
    std::string allow;                // the path's methods, "GET, HEAD, OPTIONS"; empty: 404
    std::vector<std::string> params;  // decoded, in the template's order
  };
  // HEAD finds GET's route where it has none of its own.
  Match Find(Method method, std::string_view path) const;

 private:
  struct Route {
    Method method;
    std::vector<std::string_view> segments;
    size_t id;
  };
  static bool Fits(const Route& route, const std::vector<std::string_view>& segments);
  std::unordered_map<std::string_view, std::vector<Route>> literal_;  // without parameters
  std::vector<Route> parametric_;
};

// Percent-decoding; '+' is a space in queries only. Nullopt: a malformed escape.
std::optional<std::string> PercentDecode(std::string_view text, bool query = false);
std::string PercentEncode(std::string_view text);  // all but unreserved characters (RFC 3986)

// Whether every escape of a query can be decoded. A server asks before it looks for parameters:
// one that is malformed must not count as one that was left out.
bool IsWellFormedQuery(std::string_view query);
// The value of the first parameter of that name, decoded; nullopt if absent or malformed.
std::optional<std::string> QueryParam(std::string_view query, std::string_view name);

}  // namespace weir::net
