// The keys that stand under names of the operator's own: targets, routes, studies.
#include "app/config/schema_table.h"

namespace weir::config {

void AddAlerts(Table& t) {
  t.Add("Alerts.EscalateAfter", Type::kDuration,
        "An urgent alert that nobody has acknowledged escalates after this. 0: never.",
        [](Config& c) { return &c.alerts.escalate_after_ms; })
      .Between(0, 24 * kDay);
  t.Add("Alerts.EscalationTarget", Type::kText,
        "Target that is told of an escalation. Empty: it is on the stream alone.",
        [](Config& c) { return &c.alerts.escalation_target; });
  t.Add("Alerts.Timeout", Type::kDuration, "Of one attempt to deliver.", [](Config& c) {
     return &c.alerts.timeout_ms;
   }).Between(1, 600'000);
  t.Add("Alerts.RetryMin", Type::kDuration,
        "A failed delivery is tried again after this, then after twice as long, and so on, "
        "jittered.",
        [](Config& c) { return &c.alerts.retry_min_ms; })
      .Between(1, kDay);
  t.Add("Alerts.RetryMax", Type::kDuration, "The longest such wait.", [](Config& c) {
     return &c.alerts.retry_max_ms;
   }).Between(1, kDay);
  t.Add("Alerts.GiveUpAfter", Type::kDuration,
        "A delivery is given up for good after this; the alert stays open. 0: never.",
        [](Config& c) { return &c.alerts.give_up_after_ms; })
      .Between(0, 24 * kDay);
  t.Add("Alerts.MaxInFlight", Type::kInteger, "Deliveries under way at once.", [](Config& c) {
     return &c.alerts.max_in_flight;
   }).Between(1, 1000);
  t.Add("Alerts.MaxInFlightPerTarget", Type::kInteger, "The same, to one target.", [](Config& c) {
     return &c.alerts.max_in_flight_per_target;
   }).Between(1, 1000);
  const auto targets = [](const Config& c) {
    std::vector<Captures> out;
    for (const auto& [name, target] : c.alerts.targets) out.push_back({name});
    return out;
  };
  t.AddEach(
      "Alerts.Targets.<name>.Url", Type::kText, "Webhook: https, or http to a loopback address.",
      [](Config& c, const std::string& name) { return &c.alerts.targets[name].url; }, targets);
  t.AddEach(
       "Alerts.Targets.<name>.Secret", Type::kText,
       "Key of the signature, shared with the receiver.",
       [](Config& c, const std::string& name) { return &c.alerts.targets[name].secret; }, targets)
      .Secret();
  const auto routes = [](const Config& c) {
    std::vector<Captures> out;
    for (size_t i = 0; i < c.alerts.routes.size(); ++i) out.push_back({std::to_string(i)});
    return out;
  };
  // The caller has checked that the place is one of those there are, or the next.
  const auto route = [](Config& c, const std::string& place) -> AlertRoute& {
    const size_t index = std::stoul(place);
    if (index == c.alerts.routes.size()) c.alerts.routes.emplace_back();
    return c.alerts.routes.at(index);
  };
  t.AddEach(
      "Alerts.Routes.<n>.Doctor", Type::kText,
      "The route fits alerts of this doctor. Routes that name a doctor go before those that "
      "name a site, those before a study, and a route that names nothing comes last.",
      [route](Config& c, const std::string& n) { return &route(c, n).doctor; }, routes);
  t.AddEach(
      "Alerts.Routes.<n>.Site", Type::kText, "The route fits alerts of this site.",
      [route](Config& c, const std::string& n) { return &route(c, n).site; }, routes);
  t.AddEach(
      "Alerts.Routes.<n>.Study", Type::kText, "The route fits alerts of this study.",
      [route](Config& c, const std::string& n) { return &route(c, n).study; }, routes);
  t.AddEach(
      "Alerts.Routes.<n>.Targets", Type::kList, "Who is told; several are all told.",
      [route](Config& c, const std::string& n) { return &route(c, n).targets; }, routes);
}

void AddStudies(Table& t) {
  const auto studies = [](const Config& c) {
    std::vector<Captures> out;
    for (const auto& [id, study] : c.studies) out.push_back({id});
    return out;
  };
  t.AddEach(
       "Studies.<id>.Schedule.EveryDays", Type::kInteger,
       "A report is due every so many days, for the diary's adherence. 0: no schedule.",
       [](Config& c, const std::string& id) { return &c.studies[id].schedule.every_days; }, studies)
      .Between(0, 3650);
  t.AddEach(
      "Studies.<id>.Schedule.Start", Type::kText,
      "First day (UTC), as 2026-11-24. Empty: the day of the patient's first report.",
      [](Config& c, const std::string& id) { return &c.studies[id].schedule.start; }, studies);
  t.AddEach(
       "Studies.<id>.Schedule.Days", Type::kInteger, "Length in days. 0: without end.",
       [](Config& c, const std::string& id) { return &c.studies[id].schedule.days; }, studies)
      .Between(0, 36'500);
}

}  // namespace weir::config
