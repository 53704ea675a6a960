// Who is told of an alert: the configured targets, and the routes that choose among them.
//
// A route names some of study, site and doctor; it fits an alert when all that it names is equal.
// Of the routes that fit, those that name a doctor come first, then those that name a site, then
// those that name a study, then one that names nothing. Immutable once built; any thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "alerts/alert.h"
#include "base/result.h"

namespace weir::alerts {

struct Target {
  std::string name;    // in logs, metrics and the journal; the URL never is
  std::string url;     // https, or http to a loopback address
  std::string secret;  // key of the signature; not empty
};

struct Route {
  std::string study_id, site_id, doctor_id;  // empty: any
  std::vector<std::string> targets;          // names; several are all told
};

struct RoutingOptions {
  std::vector<Target> targets;
  std::vector<Route> routes;
  std::string escalation_target;  // name; empty: an escalation is only on the stream
};

class Routing {
 public:
  // kInvalidArgument names the entry: a name twice or longer than 128 bytes, an unknown target, an
  // empty secret, a route twice.
  static base::Result<Routing> Build(RoutingOptions options);
  Routing() = default;  // nobody is told

  // The targets of an alert; empty: the inbox and the stream alone have it.
  const std::vector<std::string>& TargetsOf(std::string_view study_id, std::string_view site_id,
                                            std::string_view doctor_id) const;
  const std::string& escalation_target() const { return options_.escalation_target; }
  const std::vector<Target>& targets() const { return options_.targets; }

 private:
  RoutingOptions options_;
  std::unordered_map<std::string, size_t> routes_;  // what a route names → its index
};

}  // namespace weir::alerts
