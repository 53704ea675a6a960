#include "alerts/routing.h"

#include <algorithm>
#include <span>
#include <unordered_set>

namespace weir::alerts {

using base::ErrorCode;
using base::Fail;
using base::Status;

namespace {

constexpr size_t kNameBytesMax = 128;

// Each part with its length, so that no two routes share a key.
std::string KeyOf(std::string_view study, std::string_view site, std::string_view doctor) {
  std::string key;
  for (const std::string_view part : {study, site, doctor}) {
    key += std::to_string(part.size());
    key += ':';
    key += part;
  }
  return key;
}

Status CheckTargets(const std::vector<Target>& targets, std::unordered_set<std::string>& names) {
  for (const Target& target : targets) {
    if (target.name.empty() || target.name.size() > kNameBytesMax) {
      return Fail(ErrorCode::kInvalidArgument, "a target's name must have 1 to 128 bytes");
    }
    if (!names.insert(target.name).second) {
      return Fail(ErrorCode::kInvalidArgument, "two targets are named '" + target.name + "'");
    }
    if (target.url.empty() || target.secret.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "target '" + target.name + "' needs a URL and a secret");
    }
  }
  return {};
}

Status CheckRoute(const Route& route, const std::unordered_set<std::string>& names) {
  if (route.targets.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "a route needs at least one target");
  }
  std::unordered_set<std::string> seen;
  for (const std::string& target : route.targets) {
    if (!names.contains(target)) {
      return Fail(ErrorCode::kInvalidArgument,
                  "a route leads to '" + target + "', which is no configured target");
    }
    if (!seen.insert(target).second) {
      return Fail(ErrorCode::kInvalidArgument, "a route leads to '" + target + "' twice");
    }
  }
  return {};
}

}  // namespace

base::Result<Routing> Routing::Build(RoutingOptions options) {
  std::unordered_set<std::string> names;
  WEIR_RETURN_IF_ERROR(CheckTargets(options.targets, names));
  Routing routing;
  for (size_t i = 0; i < options.routes.size(); ++i) {
    const Route& route = options.routes[i];
    WEIR_RETURN_IF_ERROR(CheckRoute(route, names));
    if (!routing.routes_.emplace(KeyOf(route.study_id, route.site_id, route.doctor_id), i).second) {
      return Fail(ErrorCode::kInvalidArgument,
                  "two routes name the same study, site and doctor (the second leads to '" +
                      route.targets.front() + "')");
    }
  }
  if (!options.escalation_target.empty() && !names.contains(options.escalation_target)) {
    return Fail(ErrorCode::kInvalidArgument, "the escalation target '" + options.escalation_target +
                                                 "' is no configured target");
  }
  routing.options_ = std::move(options);
  return routing;
}

const std::vector<std::string>& Routing::TargetsOf(std::string_view study, std::string_view site,
                                                   std::string_view doctor) const {
  static const std::vector<std::string> kNobody;
  if (routes_.empty()) return kNobody;
  const std::string_view any;
  // Most specific first; an alert without a doctor begins with the routes that name none.
  const std::string_view order[8][3] = {
      {study, site, doctor}, {study, any, doctor}, {any, site, doctor}, {any, any, doctor},
      {study, site, any},    {any, site, any},     {study, any, any},   {any, any, any}};
  for (const auto& [by_study, by_site, by_doctor] :
       std::span(order).subspan(doctor.empty() ? 4 : 0)) {
    const auto found = routes_.find(KeyOf(by_study, by_site, by_doctor));
    if (found != routes_.end()) return options_.routes[found->second].targets;
  }
  return kNobody;
}

}  // namespace weir::alerts
